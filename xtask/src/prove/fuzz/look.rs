//! A lock file with these bytes, looked at through the protocol and told to people.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lock_core::lockfile::Layout;
use lock_core::policy::Action;
use lock_core::record::LockRecord;
use lock_core::verdict::Verdict;
use lock_core::{Contention, Inspection, LockFile, State};
use tempfile::TempDir;

use super::engine::{Target, shape};
use super::record::KEYS;
use super::worlds::{Scripted, Seen, policies};

pub(super) const TARGET: Target =
    Target { name: "look", json: true, words: KEYS, available: cfg!(target_os = "linux"), check };

static ARENA: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a temporary directory"));

fn check(bytes: &[u8]) -> Result<u64, String> {
    let number = shape(&bytes);
    let layout = if number.is_multiple_of(5) { Layout::Directory } else { Layout::File };
    let path = planted(bytes, layout).map_err(|error| format!("cannot plant it: {error}"))?;
    let seen = match number % 4 {
        0 => Seen::Nothing,
        1 => Seen::Gone,
        2 => Seen::Owner,
        _ => Seen::Stranger,
    };
    let lock = LockFile::new(path, layout, Arc::new(Scripted(seen)));
    let mut told = String::new();
    for (name, policy) in policies() {
        told += &checked(&lock.inspect(&policy), bytes, seen)
            .map_err(|broken| format!("{name}: {broken}"))?;
    }
    Ok(shape(&told))
}

/// A lock with these bytes.
fn planted(bytes: &[u8], layout: Layout) -> std::io::Result<PathBuf> {
    match layout {
        Layout::File => {
            let path = ARENA.path().join("s.jsonl.lock");
            std::fs::write(&path, bytes)?;
            Ok(path)
        }
        Layout::Directory => {
            let path = ARENA.path().join("deps.lock");
            std::fs::create_dir_all(&path)?;
            std::fs::write(path.join("owner.json"), bytes)?;
            Ok(path)
        }
    }
}

/// Answers what was concluded, in words of ours.
fn checked(inspection: &Inspection, bytes: &[u8], seen: Seen) -> Result<String, String> {
    let Some((assessment, decision)) = &inspection.found else {
        return Err(format!("a plain file is a lock: {inspection:?}"));
    };
    let record = LockRecord::parse(bytes);
    if assessment.record != record {
        return Err(format!("another record was read: {:?}", assessment.record));
    }
    let is_dead = matches!(assessment.verdict, Verdict::Dead(_));
    // Just written, so no grace has passed; what was planted is nobody's, so nobody holds a byte.
    if decision.action == Action::Reclaim && record.as_ref().is_none_or(|r| r.owner.is_none()) {
        let dated = record.is_some_and(|r| r.created_at.is_some());
        if !dated {
            return Err("a fresh file that names nobody is given up".to_owned());
        }
    }
    if is_dead && seen == Seen::Nothing && !decision.reasons.is_empty() {
        let first = decision.reasons[0].as_str();
        if !["boot-id-mismatch", "lock-released", "orphan-self-pid", "recycled-pid"]
            .contains(&first)
        {
            return Err(format!("{first}, but nobody looked at the process"));
        }
    }
    let consistent = match inspection.state() {
        State::Stale => decision.action == Action::Reclaim,
        State::Held => decision.action == Action::Wait && assessment.is_alive(),
        State::Unverifiable => matches!(assessment.verdict, Verdict::Unverifiable(_)),
        State::Aged => decision.action == Action::Report,
        State::Unlocked => false,
    };
    if !consistent {
        return Err(format!("the state says otherwise: {:?}", inspection.state()));
    }
    let contention = Contention {
        timeout: Some(Duration::ZERO),
        waited: Duration::ZERO,
        assessment: assessment.clone(),
        decision: decision.clone(),
        obstacle: None,
    };
    let story = Story(&contention).to_string();
    let mut shown = vec![story, assessment.headline(), assessment.outlook(decision)];
    let findings = assessment.findings();
    shown.extend(findings.iter().map(|finding| finding.detail.clone()));
    for text in &shown {
        harmless(text)?;
    }
    let findings: Vec<_> = findings.iter().map(|f| (f.source.as_str(), f.finding)).collect();
    Ok(format!("{:?} {:?} {findings:?}\n", assessment.verdict, decision.reasons))
}

struct Story<'a>(&'a Contention);

impl std::fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt_story(f)
    }
}

/// Nothing that a terminal obeys, and nothing that turns a line around.
pub(super) fn harmless(text: &str) -> Result<(), String> {
    let harms = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.chars().find(|&c| harms(c)) {
        Some(c) => Err(format!("{c:?} reaches the terminal: {text:?}")),
        None => Ok(()),
    }
}
