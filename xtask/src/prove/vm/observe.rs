//! What the guest told, as answers to the table's questions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::expected::Expected;
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

/// What the guest did not say.
pub(super) const NO_ANSWER: &str = "no answer";

/// The host tries for a lock that the guest holds.
pub(super) const HOST: &str = "host";

/// The columns of the table.
pub(super) const QUESTIONS: [&str; 10] = [
    "a second process",
    "through the other view",
    "a living owner",
    "changed by ± 1 day",
    "next holder after kill -9",
    "a killed owner",
    "an owner of the boot before",
    "a lock 12 s old at the cut",
    "an empty lock",
    "left behind",
];

pub(super) type Answers = [String; QUESTIONS.len()];

/// In the order of [`QUESTIONS`].
pub(super) fn expected(e: &Expected) -> [&'static str; QUESTIONS.len()] {
    [
        e.same_view,
        e.other_view,
        e.living,
        e.clock,
        e.crash,
        e.dead,
        e.rebooted,
        e.recent,
        e.empty,
        e.left,
    ]
}

/// Whether an answer is one of those that are expected.
pub(super) fn fits(answer: &str, expected: &str) -> bool {
    expected.split(" or ").any(|right| right == answer)
}

/// Later than this is not at once, even under emulation on a busy machine.
const AT_ONCE_MS: u64 = 5000;

/// An object of `lockctl … inspect --json`, as far as it is needed here.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Inspected {
    path: String,
    verdict: Option<String>,
    reasons: Vec<String>,
    decision: String,
    evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Evidence {
    source: String,
    finding: String,
}

struct Tried {
    status: i32,
    ms: u64,
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

    pub(super) fn answers(&self, row: &Row, domain: Domain) -> Answers {
        let refused = |question| self.outcome(question, row, domain, "NOT KEPT OUT", "kept out");
        let taken = |question| self.outcome(question, row, domain, "taken", "waits");
        let [same_view, mut other_view] = ["held-view", "held-other"].map(refused);
        if row.one_directory {
            other_view += ", ";
            other_view += match self.fact("count", row, domain) {
                Some(count) if all(count) => "in turn",
                Some(count) => count,
                None => NO_ANSWER,
            };
        }
        match self.tried(HOST, row, domain).map(|tried| tried.status) {
            None => {}
            Some(75) => other_view += ", as is the host",
            Some(status) => other_view += &format!(", NOT SO THE HOST (exit status {status})"),
        }
        let verdict = |question| self.verdicts(question, row, domain);
        let [dead, rebooted] = ["crashed", "rebooted"]
            .map(|question| format!("{}, {}", verdict(question), taken(question)));
        let found = self.fact("found", row, domain).unwrap_or(NO_ANSWER);
        let graced = self.outcome("planted-fresh", row, domain, "NO GRACE", "kept its grace");
        let left = match self.fact("left", row, domain) {
            Some("") => "nothing".to_owned(),
            Some(files) if files.split(' ').all(|file| file.contains("/.nfs")) => {
                "NFS's own names".to_owned()
            }
            Some(files) => files.to_owned(),
            None => NO_ANSWER.to_owned(),
        };
        [
            same_view,
            other_view,
            verdict("living"),
            self.clock(row, domain),
            self.takeover(row, domain),
            dead,
            rebooted,
            format!("{found}, {}", taken("recent")),
            format!("{graced}, then {}", taken("planted-old")),
            left,
        ]
    }

    fn takeover(&self, row: &Row, domain: Domain) -> String {
        match (self.takeover_ms(row, domain), self.fact("waiter", row, domain)) {
            (Some(0..=AT_ONCE_MS), _) => "at once".to_owned(),
            (Some(ms), _) => format!("after {ms} ms"),
            (None, said) => said.unwrap_or(NO_ANSWER).to_owned(),
        }
    }

    /// What a clock step changed: in what is said of the lock, or in who gets it.
    fn clock(&self, row: &Row, domain: Domain) -> String {
        let before = self.both(row, domain, "living");
        let mut changed = Vec::new();
        for question in ["ahead", "behind"] {
            if before.is_none() || self.both(row, domain, question) != before {
                changed.push(format!("{question}: {}", self.verdicts(question, row, domain)));
            }
            let refused = self.outcome(question, row, domain, "NOT KEPT OUT", "");
            if !refused.is_empty() {
                changed.push(format!("{question}: {refused}"));
            }
        }
        if changed.is_empty() { "nothing".to_owned() } else { changed.join("; ") }
    }

    fn outcome(&self, question: &str, row: &Row, domain: Domain, had: &str, not: &str) -> String {
        match self.tried(question, row, domain).map(|tried| tried.status) {
            Some(0) => had.to_owned(),
            Some(75) => not.to_owned(),
            Some(status) => format!("exit status {status}"),
            None => NO_ANSWER.to_owned(),
        }
    }

    /// What both views say of the owner; once, if it is the same.
    fn verdicts(&self, question: &str, row: &Row, domain: Domain) -> String {
        let say = |seen: Option<&Inspected>| seen.map_or(NO_ANSWER.to_owned(), Inspected::words);
        let [view, other] =
            ["view", "other"].map(|side| say(self.seen(question, side, row, domain)));
        if view == other { view } else { format!("{view} / {other}") }
    }

    fn both(&self, row: &Row, domain: Domain, question: &str) -> Option<[&Inspected; 2]> {
        let seen = |side| self.seen(question, side, row, domain);
        Some([seen("view")?, seen("other")?])
    }

    fn seen(&self, question: &str, side: &str, row: &Row, domain: Domain) -> Option<&Inspected> {
        let directory = if side == "view" { row.view } else { row.other };
        let start = format!("{directory}/{}-", row.key());
        self.inspected.get(&[question, side].map(str::to_owned))?.iter().find(|seen| {
            seen.path.starts_with(&start)
                && seen.path.ends_with(".jsonl.lock") == (domain == Domain::Session)
        })
    }

    fn tried(&self, question: &str, row: &Row, domain: Domain) -> Option<&Tried> {
        self.tries.get(&[question.to_owned(), row.key(), domain.name().to_owned()])
    }

    fn fact(&self, kind: &str, row: &Row, domain: Domain) -> Option<&str> {
        self.facts.get(&[kind.to_owned(), row.key(), domain.name().to_owned()]).map(String::as_str)
    }
}

/// Whether nothing that was added is lost: "20 of 20".
fn all(count: &str) -> bool {
    count.split_once(" of ").is_some_and(|(sum, turns)| sum == turns)
}

impl Inspected {
    fn words(&self) -> String {
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
