//! The rounds, and the judge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::crew::{Member, Span, plant};
use super::list::Peer;
use super::ours::now;
use super::report::Row;

const CONTENDERS: usize = 8;
/// How long each keeps the lock.
const HOLD: Duration = Duration::from_millis(5);
/// How long each tries to get it.
const LIMIT: Duration = Duration::from_secs(5);
/// From the order to the common beginning.
const LEAD: Duration = Duration::from_millis(10);
/// A peer that is this slow gets fewer rounds, and the row says how many.
const LONGEST: Duration = Duration::from_secs(180);

pub(super) fn run(peer: &Peer, rounds: u32) -> Row {
    let mut row = Row::new(peer);
    if let Err(error) = storm(peer, rounds, &mut row) {
        row.error = Some(format!("{error:#}"));
    }
    row
}

fn storm(peer: &Peer, rounds: u32, row: &mut Row) -> Result<()> {
    let arena = tempfile::tempdir()?;
    let mut crew = Vec::new();
    for _ in 0..CONTENDERS {
        let (member, version) = Member::contender(peer)?;
        row.version = version;
        crew.push(member);
    }
    let started = Instant::now();
    // Every other one without the dead owner's lock: what breaks then has another cause.
    for (round, stale) in (0..rounds).flat_map(|round| [(round, true), (round, false)]) {
        if started.elapsed() > LONGEST && stale && !peer.ours {
            break;
        }
        // A path of its own: what an earlier round broke does not count again.
        let path = arena.path().join(format!("{round}-{stale}.jsonl"));
        if stale {
            plant(peer, &path)?;
        }
        let start = now() + LEAD;
        let order = format!(
            "{} {} {} {}",
            path.display(),
            start.as_nanos(),
            LIMIT.as_nanos(),
            HOLD.as_nanos()
        );
        for member in &mut crew {
            member.order(&order)?;
        }
        let mut spans = Vec::new();
        let mut without = BTreeMap::new();
        for member in &crew {
            match member.span(LIMIT)? {
                Ok(span) => spans.push(span),
                Err(why) => *without.entry(why).or_insert(0) += 1,
            }
        }
        row.judge(stale, start, spans, without);
    }
    Ok(())
}

impl Row {
    fn judge(
        &mut self,
        stale: bool,
        start: Duration,
        mut spans: Vec<Span>,
        without: BTreeMap<String, u32>,
    ) {
        spans.sort_unstable();
        self.lost += spans.iter().filter(|span| span.lost).count();
        for (why, times) in without {
            self.without += times;
            *self.why_without.entry(why).or_default() += times;
        }
        if !stale {
            self.double_without_stale += u32::from(overlap(&spans));
            return;
        }
        self.rounds += 1;
        self.double += u32::from(overlap(&spans));
        self.nobody += u32::from(spans.is_empty());
        if let Some(first) = spans.first() {
            self.takeovers.push(Duration::from_nanos(first.begin).saturating_sub(start));
        }
    }
}

/// Whether two spans, sorted by their beginnings, have time in common.
fn overlap(spans: &[Span]) -> bool {
    let mut latest = 0;
    spans.iter().any(|span| {
        let inside = span.begin < latest;
        latest = latest.max(span.end);
        inside
    })
}

#[cfg(test)]
mod tests {
    use super::Span;

    fn overlap(spans: &[(u64, u64)]) -> bool {
        let span = |&(begin, end)| Span { begin, end, lost: false };
        super::overlap(&spans.iter().map(span).collect::<Vec<_>>())
    }

    #[test]
    fn spans_overlap_or_do_not() {
        assert!(!overlap(&[]));
        assert!(!overlap(&[(1, 5), (5, 9), (10, 12)]));
        assert!(overlap(&[(1, 5), (4, 9)]));
        assert!(overlap(&[(1, 20), (5, 9)]));
        assert!(overlap(&[(1, 20), (5, 9), (10, 12)]));
        assert!(overlap(&[(1, 2), (5, 9), (6, 7)]));
    }
}
