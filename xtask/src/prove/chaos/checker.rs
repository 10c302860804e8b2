//! The checker: reads the journal and the protected files, and knows nothing of locks. At most one
//! holder at a time, and what holders write comes in the order in which they held.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::products::Which;

/// What was counted, and what was wrong.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) time: Duration,
    pub(super) begun: usize,
    pub(super) ended: usize,
    pub(super) timeouts: usize,
    pub(super) kills: usize,
    pub(super) namespaces_killed: usize,
    /// Sections that ended with the death of their process.
    pub(super) cut_by_death: usize,
    pub(super) stops: usize,
    pub(super) forks: usize,
    pub(super) execs: usize,
    pub(super) sweeps: usize,
    pub(super) evictions: usize,
    pub(super) renewals: usize,
    pub(super) writes: usize,
    pub(super) refused: usize,
    pub(super) abandoned: usize,
    pub(super) waits: Vec<Duration>,
    pub(super) violations: Vec<String>,
}

/// A section that nobody has ended yet.
struct Open<'a> {
    who: &'a str,
    seq: &'a str,
    at: u128,
    promise: u128,
    /// Its process became another program.
    gone: bool,
}

/// What is known of one lock.
#[derive(Default)]
struct Lock<'a> {
    open: Option<Open<'a>>,
    /// Sections in their order, and the size of the protected file when they began.
    begun: Vec<u64>,
    order: HashMap<(&'a str, &'a str), usize>,
    evicted: HashSet<(&'a str, &'a str)>,
    /// What became of the fenced writes, as far as was told.
    writes: HashMap<(&'a str, &'a str, &'a str), bool>,
}

/// Replays a journal; in the end, or while it goes on.
pub(super) fn check(journal: &Path, dir: &Path, in_the_end: bool) -> Result<Tally> {
    // First the journal: whatever it tells of is in the files already.
    let text = std::fs::read_to_string(journal)?;
    let mut files = Vec::new();
    for which in Which::ALL {
        files.push((which, std::fs::read_to_string(which.protected(dir))?));
    }
    judge(&text, &files, in_the_end)
}

fn judge(text: &str, files: &[(Which, String)], in_the_end: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut locks: HashMap<&str, Lock<'_>> = HashMap::new();
    let mut killed: HashSet<&str> = HashSet::new();
    for (number, line) in text.split_terminator('\n').enumerate() {
        replay(&mut tally, &mut locks, &mut killed, line)
            .with_context(|| format!("line {} of the journal: {line:?}", number + 1))?;
    }
    for (which, content) in files {
        let lock = locks.remove(which.name()).unwrap_or_default();
        lock.check_writes(which.name(), content, in_the_end, &mut tally);
    }
    Ok(tally)
}

fn replay<'a>(
    tally: &mut Tally,
    locks: &mut HashMap<&'a str, Lock<'a>>,
    killed: &mut HashSet<&'a str>,
    line: &'a str,
) -> Result<()> {
    let mut words = line.split(' ');
    let mut word = || words.next().context("a word is missing");
    let (letter, who) = (word()?, word()?);
    match letter {
        "B" => {
            let (name, seq) = (word()?, word()?);
            let [at, waited, promise] = [word()?.parse()?, word()?.parse()?, word()?.parse()?];
            let begins = Open { who, seq, at, promise, gone: false };
            locks.entry(name).or_default().begin(begins, word()?.parse()?, killed, tally);
            tally.begun += 1;
            tally.waits.push(Duration::from_nanos(u64::try_from(waited)?));
        }
        "P" => {
            let (name, seq, promise) = (word()?, word()?, word()?.parse()?);
            tally.renewals += 1;
            let open = &mut locks.entry(name).or_default().open;
            if let Some(open) = open.as_mut().filter(|open| (open.who, open.seq) == (who, seq)) {
                open.promise = promise;
            }
        }
        "W" | "R" => {
            let (name, seq, write) = (word()?, word()?, word()?);
            let done = letter == "W";
            *(if done { &mut tally.writes } else { &mut tally.refused }) += 1;
            locks.entry(name).or_default().writes.insert((who, seq, write), done);
        }
        "E" => {
            let (name, seq) = (word()?, word()?);
            let lock = locks.entry(name).or_default();
            if lock.open.take_if(|open| (open.who, open.seq) == (who, seq)).is_some() {
                tally.ended += 1;
            } else if !lock.evicted.contains(&(who, seq)) {
                tally.violations.push(format!("ended a section that was not open: {line}"));
            }
        }
        "O" => tally.abandoned += usize::from(line.ends_with("abandoned")),
        "T" => tally.timeouts += 1,
        "x" => {
            tally.execs += 1;
            for lock in locks.values_mut() {
                if let Some(open) = lock.open.as_mut().filter(|open| open.who == who) {
                    open.gone = true;
                }
            }
        }
        "f" => tally.forks += 1,
        "d" => tally.sweeps += 1,
        "s" => tally.stops += 1,
        "k" | "K" => {
            *(if letter == "k" { &mut tally.kills } else { &mut tally.namespaces_killed }) += 1;
            killed.insert(who);
        }
        "X" => tally.violations.push(format!("complaint: {line}")),
        other => anyhow::bail!("no such letter: {other}"),
    }
    Ok(())
}

impl Open<'_> {
    /// Whether it may be evicted at this time.
    fn is_overdue(&self, at: u128) -> bool {
        self.promise != 0 && at >= self.promise
    }
}

impl<'a> Lock<'a> {
    fn begin(&mut self, begins: Open<'a>, size: u64, killed: &HashSet<&str>, tally: &mut Tally) {
        // Whoever is stopped between having the lock and telling so may be evicted in between.
        let told_late =
            begins.is_overdue(self.open.as_ref().map_or(begins.at, |open| open.at.max(begins.at)));
        let least = if told_late { self.begun.last().copied().unwrap_or(0) } else { 0 };
        if let Some(before) = self.open.take() {
            let namespace = before.who.split('.').next().unwrap_or_default();
            if killed.contains(before.who) || killed.contains(namespace) || before.gone {
                tally.cut_by_death += 1;
            } else if before.is_overdue(begins.at) {
                tally.evictions += 1;
                self.evicted.insert((before.who, before.seq));
            } else if told_late {
                // It has no place in the order: nothing that it writes is excused.
                tally.evictions += 1;
                self.evicted.insert((begins.who, begins.seq));
                self.open = Some(before);
                return;
            } else {
                let (who, seq) = (before.who, before.seq);
                let Open { who: other, seq: its, at, .. } = begins;
                let began = format!("section {its} of {other} began at {at}");
                tally.violations.push(format!("two at once: {began}, inside {seq} of {who}"));
                self.evicted.insert((who, seq));
            }
        }
        self.order.insert((begins.who, begins.seq), self.begun.len());
        self.begun.push(size.max(least));
        self.open = Some(begins);
    }

    /// Lines are whole, there if they were told to be and not if they were refused, and each is
    /// between the beginning of its section and that of the next.
    fn check_writes(&self, name: &str, content: &str, in_the_end: bool, tally: &mut Tally) {
        let mut wrong = |what: String| tally.violations.push(format!("{name}: {what}"));
        let mut seen = HashSet::new();
        let mut offset = 0;
        for line in content.split_inclusive('\n') {
            let at = offset;
            offset += line.len() as u64;
            let words: Vec<_> = line.trim_end_matches('\n').split(' ').collect();
            let &[who, seq, write] = &words[..] else {
                wrong(format!("a torn line: {line:?}"));
                continue;
            };
            if !seen.insert((who, seq, write)) {
                wrong(format!("{line:?} is there twice"));
            }
            let Some(&index) = self.order.get(&(who, seq)) else {
                // While it goes on, the journal was read before.
                if in_the_end {
                    wrong(format!("{line:?} is of nobody who had the lock"));
                }
                continue;
            };
            if at < self.begun[index] {
                wrong(format!("{line:?} at {at} is older than its section"));
            }
            if self.begun.get(index + 1).is_some_and(|next| at >= *next) {
                wrong(format!("{line:?} at {at} came late: the next section had begun"));
            }
        }
        for (&(who, seq, write), &done) in &self.writes {
            if done != seen.contains(&(who, seq, write)) {
                wrong(format!(
                    "write {write} of section {seq} of {who}: told {done}, it is not so"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
