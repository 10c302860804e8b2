//! The table's questions, and the answers in what the guest told.

use super::expected::Expected;
use super::scenario::Row;
use super::told::{Domain, Inspected, Told};

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
const AT_ONCE_MS: u64 = 10_000;

impl Told {
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
}

/// Whether nothing that was added is lost: "20 of 20".
fn all(count: &str) -> bool {
    count.split_once(" of ").is_some_and(|(sum, turns)| sum == turns)
}
