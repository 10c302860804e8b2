//! What the guest told, line by line, and looking it up.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scenario::Row;

/// Which of the two layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    Session,
    Deps,
}

impl Domain {
    pub(super) const ALL: [Self; 2] = [Self::Session, Self::Deps];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Deps => "deps",
        }
    }
}

/// An object of `lockctl … inspect --json`, as far as it is needed here.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Inspected {
    path: String,
    verdict: Option<String>,
    reasons: Vec<String>,
    decision: String,
    evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Evidence {
    source: String,
    finding: String,
}

pub(super) struct Tried {
    pub(super) status: i32,
    pub(super) ms: u64,
}

/// Everything that a guest told in its two boots.
#[derive(Default)]
pub(super) struct Told {
    /// By question, row and domain.
    tries: BTreeMap<[String; 3], Tried>,
    /// By question and view; the lock's path is in it.
    inspected: BTreeMap<[String; 2], Vec<Inspected>>,
    /// By kind, row and domain.
    facts: BTreeMap<[String; 3], String>,
    /// What went wrong in the guest itself.
    pub(super) failures: Vec<String>,
}

impl Told {
    pub(super) fn add(&mut self, text: &str) {
        for line in text.lines() {
            if self.add_line(line).is_none() {
                self.failures.push(line.to_owned());
            }
        }
    }

    /// `None`: a failure, or not understood.
    fn add_line(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "done" | "mark" => {}
            "try" => {
                let mut words = rest.split(' ');
                let key = [words.next()?, words.next()?, words.next()?].map(str::to_owned);
                let status = words.next()?.parse().ok()?;
                let ms = words.next()?.parse().ok()?;
                self.tries.insert(key, Tried { status, ms });
            }
            "inspect" => {
                let mut words = rest.splitn(4, ' ');
                let key = [words.next()?, words.next()?].map(str::to_owned);
                words.next()?;
                let objects: Vec<Inspected> = serde_json::from_str(words.next()?).ok()?;
                self.inspected.entry(key).or_default().extend(objects);
            }
            "count" | "waiter" | "found" | "left" => {
                let mut words = rest.splitn(3, ' ');
                let (row, domain) = (words.next()?, words.next()?);
                let key = [kind, row, domain].map(str::to_owned);
                self.facts.insert(key, words.next().unwrap_or_default().trim().to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    /// How long the next holder waited after a `kill -9`.
    pub(super) fn takeover_ms(&self, row: &Row, domain: Domain) -> Option<u64> {
        self.fact("waiter", row, domain)?.parse().ok()
    }

    /// How long it took to take the lock of an owner of the boot before.
    pub(super) fn reboot_ms(&self, row: &Row, domain: Domain) -> Option<u64> {
        let tried = self.tried("rebooted", row, domain)?;
        (tried.status == 0).then_some(tried.ms)
    }

    pub(super) fn seen(
        &self,
        question: &str,
        side: &str,
        row: &Row,
        domain: Domain,
    ) -> Option<&Inspected> {
        let directory = if side == "view" { row.view } else { row.other };
        let start = format!("{directory}/{}-", row.key());
        self.inspected.get(&[question, side].map(str::to_owned))?.iter().find(|seen| {
            seen.path.starts_with(&start)
                && seen.path.ends_with(".jsonl.lock") == (domain == Domain::Session)
        })
    }

    pub(super) fn tried(&self, question: &str, row: &Row, domain: Domain) -> Option<&Tried> {
        self.tries.get(&[question.to_owned(), row.key(), domain.name().to_owned()])
    }

    pub(super) fn fact(&self, kind: &str, row: &Row, domain: Domain) -> Option<&str> {
        self.facts.get(&[kind.to_owned(), row.key(), domain.name().to_owned()]).map(String::as_str)
    }
}

impl Inspected {
    /// The verdict and what it rests on, in a few words; the decision, where it is not the usual.
    pub(super) fn words(&self) -> String {
        let finding = |source: &str| {
            let evidence = self.evidence.iter().find(|evidence| evidence.source == source);
            evidence.map_or("unknown", |evidence| &*evidence.finding)
        };
        let (words, usual) = match self.verdict.as_deref() {
            None => ("unlocked".to_owned(), "acquire"),
            Some("alive") => (format!("alive (lock {})", finding("kernel-lock")), "wait"),
            Some("dead") => (format!("dead ({})", self.reasons.join(", ")), "reclaim"),
            Some(verdict) => (format!("{verdict} (boot {})", finding("boot-id")), "wait"),
        };
        if self.decision == usual { words } else { format!("{words} → {}", self.decision) }
    }
}
