//! One inspected lock: as a JSON object, and as sentences for people.

use std::fmt::{Display, Write as _};
use std::path::Path;

use lock_core::policy::Action;
use lock_core::record::LockRecord;
use lock_core::verdict::Verdict;
use lock_core::{Assessment, Inspection, State, plain, plain_path, rough};
use serde::Serialize;

use crate::names;

/// The JSON object of one lock. Schema 1: keys may be added, never changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    schema: u32,
    path: String,
    state: &'static str,
    verdict: Option<&'static str>,
    reasons: Vec<&'static str>,
    decision: &'static str,
    owner: Option<Owner>,
    evidence: Vec<Evidence>,
    /// Only in `doctor`'s reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    pid: u32,
    name: Option<String>,
    label: Option<String>,
    created_at: Option<String>,
    age_ms: Option<u64>,
    max_hold_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Evidence {
    source: &'static str,
    finding: &'static str,
    detail: String,
}

impl Report {
    pub(crate) fn new(inspection: &Inspection) -> Self {
        let mut report = Self::unlocked(&inspection.path, inspection.state());
        if let Some((assessment, decision)) = &inspection.found {
            report.verdict = Some(match assessment.verdict {
                Verdict::Alive(_) => "alive",
                Verdict::Dead(_) => "dead",
                Verdict::Unverifiable(_) => "unverifiable",
            });
            report.reasons = decision.reasons.iter().map(|r| r.as_str()).collect();
            report.decision = match decision.action {
                Action::Wait => "wait",
                Action::Reclaim => "reclaim",
                Action::Report => "report",
            };
            report.owner = assessment.record.as_ref().and_then(|r| Owner::new(r, assessment));
            report.evidence = assessment
                .findings()
                .into_iter()
                .map(|f| Evidence {
                    source: f.source.as_str(),
                    finding: f.finding,
                    detail: f.detail,
                })
                .collect();
        } else if let Some(error) = &inspection.error {
            report.unreadable(error);
        }
        report
    }

    /// Of an argument that names nothing that could have a lock.
    pub(crate) fn of_no_lock(path: &Path, why: &dyn Display) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut report = Self::unlocked(&path, State::Unverifiable);
        report.unreadable(why);
        report
    }

    fn unlocked(path: &Path, state: State) -> Self {
        Self {
            schema: 1,
            path: path.display().to_string(),
            state: state.as_str(),
            verdict: None,
            reasons: Vec::new(),
            decision: "acquire",
            owner: None,
            evidence: Vec::new(),
            removed: None,
        }
    }

    fn unreadable(&mut self, why: &dyn Display) {
        self.verdict = Some("unverifiable");
        self.decision = "wait";
        let detail = why.to_string();
        self.evidence.push(Evidence { source: "record", finding: "unreadable", detail });
    }

    /// The same in a report of `doctor`.
    pub(crate) fn removed(self, removed: bool) -> Self {
        Self { removed: Some(removed), ..self }
    }
}

impl Owner {
    fn new(record: &LockRecord, assessment: &Assessment) -> Option<Self> {
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Some(Self {
            pid: record.owner.as_ref()?.pid,
            name: names::of_owner(assessment),
            label: record.label.clone(),
            created_at: record.created_at.map(|t| format!("{t:.3}")),
            age_ms: assessment.ages.held.map(millis),
            max_hold_ms: record.max_hold.map(millis),
        })
    }
}

/// The same facts for people, the verdict first.
pub(crate) fn text(inspection: &Inspection) -> String {
    let path = plain_path(&inspection.path);
    let state = inspection.state();
    let mut text = format!("{path}: {}\n", state.as_str());
    let Some((assessment, decision)) = &inspection.found else {
        match (&inspection.error, state) {
            (Some(error), _) => writeln!(text, "  {error}."),
            (None, State::Unlocked) => writeln!(text, "  There is no lock."),
            (None, _) => Ok(()),
        }
        .expect("writing to a String");
        return text;
    };
    let mut line = |args: std::fmt::Arguments<'_>| writeln!(text, "  {args}").expect("a String");
    line(format_args!("{}.", capitalised(&assessment.headline())));
    if let Some(owner) = assessment.owner() {
        let name = names::of_owner(assessment).map(|n| format!(" ({})", plain(&n)));
        let record = assessment.record.as_ref();
        let label = record.and_then(|r| r.label.as_deref());
        let label = label.map(|l| format!(" \"{}\"", plain(l))).unwrap_or_default();
        let since = record.and_then(|r| r.created_at);
        let since = since.map(|t| format!(", since {t:.3}")).unwrap_or_default();
        let held = assessment.ages.held.map(|t| format!(", for {}", rough(t)));
        let max = assessment.ages.max_hold.map(|t| format!(" of at most {}", rough(t)));
        line(format_args!(
            "Owner: pid {}{}{label}{since}{}{}",
            owner.pid,
            name.unwrap_or_default(),
            held.unwrap_or_default(),
            max.unwrap_or_default(),
        ));
    }
    if !decision.reasons.is_empty() {
        let reasons: Vec<_> = decision.reasons.iter().map(|r| r.as_str()).collect();
        line(format_args!("Reasons: {}", reasons.join(", ")));
    }
    for finding in assessment.findings() {
        let (source, word) = (finding.source.as_str(), finding.finding);
        line(format_args!("  {source}: {word} ({})", finding.detail));
    }
    for pid in &assessment.holders {
        let name = names::of_pid(*pid).map(|n| format!(" ({})", plain(&n)));
        line(format_args!("Pid {pid}{} inherited the lock.", name.unwrap_or_default()));
    }
    line(format_args!("{}", assessment.outlook(decision)));
    text
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
}
