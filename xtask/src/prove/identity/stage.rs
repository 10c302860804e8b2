//! Where a scenario plays: a directory of locks, what is planted in it, and what was expected of
//! each judgement and got.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lock_core::policy::Action;
use lock_core::{Inspection, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_lock::{SessionLock, SessionOptions};

use super::oracle;
use super::people::Child;
use crate::prove::actors::Given;

pub(super) const HELD: &str = "Alive(KernelLock), wait";
pub(super) const OVERDUE: &str = "Alive(KernelLock), reclaim: hold-exceeded";
pub(super) const SAME: &str = "Alive(SameProcess), wait";
pub(super) const UNCONFIRMED: &str = "Alive(Unconfirmed), wait";
pub(super) const BY_HANDLE: &str = "Alive(FoundByHandle), wait";
pub(super) const RELEASED: &str = "Dead(LockReleased), reclaim: lock-released";
pub(super) const REUSED: &str = "Dead(PidReused), reclaim: recycled-pid";
pub(super) const GONE: &str = "Dead(NoSuchProcess), reclaim: dead-pid";
pub(super) const EXITED: &str = "Dead(Exited), reclaim: dead-pid";
pub(super) const ELSEWHERE: &str = "Unverifiable(OtherPidNamespace), wait";
pub(super) const BOOT_UNKNOWN: &str = "Unverifiable(BootUnknown), wait";
pub(super) const NO_OWNER: &str = "Unverifiable(NoOwner), report: missing-pid";
pub(super) const PROCESS_UNKNOWN: &str = "Unverifiable(ProcessUnknown), wait";

/// One judgement.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row {
    case: String,
    expected: String,
    got: String,
}

impl Row {
    pub(super) fn is_right(&self) -> bool {
        self.expected == self.got
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, expected, got } = self;
        if self.is_right() {
            write!(f, "  {case:<66} {got}")
        } else {
            write!(f, "  {case:<66} WRONG: {got}; expected: {expected}")
        }
    }
}

/// Plays a scenario, and prints its rows.
pub(super) fn play(given: &Given, scenario: fn(&mut Stage) -> Result<()>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Other users look at it as well.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let short = given.get("short")?;
    let mut stage = Stage { dir, short, compared: 0, planted: 0, rows: Vec::new() };
    scenario(&mut stage)?;
    oracle::sum_up(&mut stage);
    println!("{}", serde_json::to_string(&stage.rows)?);
    Ok(())
}

pub(super) struct Stage {
    dir: tempfile::TempDir,
    pub(super) short: bool,
    /// How many start times were compared with the oracle's.
    pub(super) compared: u32,
    planted: u32,
    rows: Vec<Row>,
}

impl Stage {
    /// A session file that nobody has used yet.
    pub(super) fn session(&mut self) -> PathBuf {
        self.planted += 1;
        self.dir.path().join(format!("{}.jsonl", self.planted))
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A lock with this record, whose owner byte nobody has.
    pub(super) fn plant(&mut self, record: &Value) -> Result<PathBuf> {
        self.plant_text(&record.to_string())
    }

    pub(super) fn plant_text(&mut self, text: &str) -> Result<PathBuf> {
        let session = self.session();
        fs::write(lock_of(&session), text)?;
        Ok(session)
    }

    pub(super) fn expect(&mut self, case: impl Into<String>, expected: &str, got: String) {
        self.rows.push(Row { case: case.into(), expected: expected.to_owned(), got });
    }

    /// Judges a lock in a child, which sees the world as it is now, whatever was cached.
    pub(super) fn judge(&mut self, case: &str, session: &Path, expected: &str) -> Result<()> {
        self.judge_where(case, session, expected, || Ok(()))
    }

    /// The same, after the child has done something to itself.
    pub(super) fn judge_where(
        &mut self,
        case: &str,
        session: &Path,
        expected: &str,
        before: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let got = Child::ask(|| {
            before()?;
            judged(session)
        })?;
        self.expect(case, expected, got);
        Ok(())
    }
}

pub(super) fn lock_of(session: &Path) -> PathBuf {
    session.with_extension("jsonl.lock")
}

/// What a contender makes of a lock, in words.
pub(super) fn judged(session: &Path) -> Result<String> {
    judged_with(session, SessionOptions::default())
}

pub(super) fn judged_with(session: &Path, options: SessionOptions) -> Result<String> {
    let inspection = SessionLock::existing(session, options)?.inspect();
    Ok(in_words(&inspection))
}

fn in_words(inspection: &Inspection) -> String {
    let Some((assessment, decision)) = &inspection.found else {
        return match &inspection.error {
            Some(error) => format!("error: {error}"),
            None => State::Unlocked.as_str().to_owned(),
        };
    };
    let action = match decision.action {
        Action::Wait => "wait",
        Action::Reclaim => "reclaim",
        Action::Report => "report",
    };
    let reasons: Vec<_> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
    let colon = if reasons.is_empty() { "" } else { ": " };
    format!("{:?}, {action}{colon}{}", assessment.verdict, reasons.join(", "))
}

/// The record of a lock.
pub(super) fn record_of(session: &Path) -> Result<Value> {
    let lock = lock_of(session);
    let text = fs::read(&lock).with_context(|| format!("no lock at {}", lock.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// A record without some keys of its `owner`: without `kernelLock`, identity alone decides.
pub(super) fn without(record: &Value, keys: &[&str]) -> Value {
    let mut record = record.clone();
    if let Some(owner) = record["owner"].as_object_mut() {
        owner.retain(|key, _| !keys.contains(&key.as_str()));
    }
    record
}

/// What identity alone decides.
pub(super) fn by_identity(record: &Value) -> Value {
    without(record, &["kernelLock"])
}

/// The same on a kernel before 6.9, which gives no unique process ids.
pub(super) fn by_start_time(record: &Value) -> Value {
    without(record, &["kernelLock", "processId"])
}

/// As OpenClaw would have written it.
pub(super) fn of_the_origin(record: &Value) -> Value {
    json!({
        "pid": record["pid"],
        "createdAt": record["createdAt"],
        "starttime": record["starttime"],
        "maxHoldMs": 300_000,
    })
}
