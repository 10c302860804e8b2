//! The journal: what happened under the lock, in the order in which it happened, and the
//! checker that looks for two holders at once.
//!
//! Every line is appended in one step, so the file's order is the real one. A line is a letter, who (`actor.thread`), and the rest:
//! `B who seq time waited` and `E who seq time` around each section, `X who text` for a
//! complaint, `T who waited` for an attempt that ended at its deadline, `k actor time` by the parent *before* it kills an actor, and `o actor time` by a holder
//! that may be evicted from `time` on.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::os;

/// Appends lines.
pub(crate) struct Journal(File, PathBuf);

impl Journal {
    pub(crate) fn open(path: &Path) -> Self {
        let file = File::options().append(true).create(true).open(path);
        Self(file.expect("the journal"), path.to_owned())
    }

    fn line(&self, line: &str) {
        os::append(&self.0, &self.1, format!("{line}\n").as_bytes());
    }

    pub(crate) fn begin(&self, who: &str, seq: u64, now: Duration, waited: Duration) {
        self.line(&format!("B {who} {seq} {} {}", now.as_nanos(), waited.as_nanos()));
    }

    pub(crate) fn end(&self, who: &str, seq: u64, now: Duration) {
        self.line(&format!("E {who} {seq} {}", now.as_nanos()));
    }

    pub(crate) fn complain(&self, who: &str, text: &str) {
        self.line(&format!("X {who} {}", text.replace('\n', " | ")));
    }

    pub(crate) fn timed_out(&self, who: &str, waited: Duration) {
        self.line(&format!("T {who} {}", waited.as_nanos()));
    }

    pub(crate) fn killing(&self, actor: u32) {
        self.line(&format!("k {actor} {}", crate::support::now().as_nanos()));
    }

    pub(crate) fn evictable(&self, actor: u32, from: Duration) {
        self.line(&format!("o {actor} {}", from.as_nanos()));
    }
}

/// What the checker counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Sections that began.
    pub(crate) begun: usize,
    /// Sections that ended.
    pub(crate) ended: usize,
    /// Actors that were killed.
    pub(crate) kills: usize,
    /// Sections that ended with the death of their actor.
    pub(crate) closed_by_death: usize,
    /// Sections whose overdue holder was evicted.
    pub(crate) evicted: usize,
    /// Attempts that ended at their deadline, as they may.
    pub(crate) timeouts: usize,
    /// Two holders at once, and complaints of actors.
    pub(crate) violations: Vec<String>,
    /// How long acquirers waited.
    pub(crate) waits: Vec<Duration>,
    /// From the end of a section to the beginning of the next, whose owner waited for it.
    pub(crate) handoffs: Vec<Duration>,
    /// From the death of an actor inside its section to the next, whose owner waited for it.
    pub(crate) recoveries: Vec<Duration>,
}

struct Section<'a> {
    who: &'a str,
    actor: u32,
    seq: &'a str,
}

/// Replays a journal.
pub(crate) fn check(journal: &Path) -> Tally {
    let text = std::fs::read_to_string(journal).expect("the journal");
    let mut tally = Tally::default();
    let mut open: Option<Section> = None;
    let mut killed: HashMap<u32, Duration> = HashMap::new();
    let mut evictable: HashMap<u32, Duration> = HashMap::new();
    let mut evicted: HashSet<&str> = HashSet::new();
    let mut let_go: Option<Duration> = None;
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (letter, who) = (word(), word());
        let actor: u32 = who.split('.').next().and_then(|a| a.parse().ok()).expect("an actor");
        let mut violation = |what: String| {
            tally.violations.push(format!("line {}: {what}: {line}", number + 1));
        };
        match letter {
            "k" => {
                tally.kills += 1;
                killed.insert(actor, nanos(word()));
            }
            "o" => {
                evictable.insert(actor, nanos(word()));
            }
            "T" => tally.timeouts += 1,
            "X" => violation("complaint".to_owned()),
            "B" => {
                let (seq, at, waited) = (word(), nanos(word()), nanos(word()));
                if let Some(before) = open.take() {
                    if let Some(killed) = killed.get(&before.actor) {
                        tally.closed_by_death += 1;
                        // Not known for a lock that nobody waited for.
                        if at.saturating_sub(waited) < *killed {
                            tally.recoveries.push(at.saturating_sub(*killed));
                        }
                    } else if evictable.get(&before.actor).is_some_and(|from| at >= *from) {
                        tally.evicted += 1;
                        evicted.insert(before.who);
                    } else {
                        violation(format!("began inside section {} of {}", before.seq, before.who));
                    }
                } else if let Some(let_go) = let_go.filter(|t| at.saturating_sub(waited) < *t) {
                    tally.handoffs.push(at.saturating_sub(let_go));
                }
                let_go = None;
                tally.begun += 1;
                tally.waits.push(waited);
                open = Some(Section { who, actor, seq });
            }
            "E" => {
                let (seq, at) = (word(), nanos(word()));
                if open.as_ref().is_some_and(|s| s.who == who && s.seq == seq) {
                    tally.ended += 1;
                    open = None;
                    let_go = Some(at);
                } else if !evicted.contains(who) {
                    violation("ended a section that was not open any more".to_owned());
                }
            }
            _ => violation("not a line of ours".to_owned()),
        }
    }
    if let Some(last) = open.filter(|s| !killed.contains_key(&s.actor)) {
        tally.violations.push(format!("section {} of {} never ended", last.seq, last.who));
    }
    tally
}

fn nanos(word: &str) -> Duration {
    Duration::from_nanos(word.parse().expect("nanoseconds"))
}

impl Tally {
    /// Fails the trial if there was anything wrong.
    pub(crate) fn assert_clean(&self, trial: &str) {
        let some = self.violations.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        let count = self.violations.len();
        assert!(self.violations.is_empty(), "{trial}: {count} violations:\n{some}");
    }

    /// One line for people.
    pub(crate) fn summary(&mut self) -> String {
        let late = |limit: u64| {
            let all = self.handoffs.iter().chain(&self.recoveries);
            all.filter(|t| **t > Duration::from_millis(limit)).count()
        };
        let (over_50, over_500) = (late(50), late(500));
        format!(
            "{} sections, {} kills ({} inside a section), {} evictions; waits: {}; \
             handoffs: {}; after a death: {}; {over_50} over 50 ms, {over_500} over 500 ms",
            self.begun,
            self.kills,
            self.closed_by_death,
            self.evicted,
            crate::support::spread(&mut self.waits),
            crate::support::spread(&mut self.handoffs),
            crate::support::spread(&mut self.recoveries),
        )
    }
}
