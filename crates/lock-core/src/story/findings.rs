//! The evidence as findings: one short sentence for each piece.

use std::fmt::Write as _;

use super::rough;
use crate::assess::{AgeClock, Assessment};
use crate::evidence::{KernelLock, Own};
use crate::identity::Comparison;
use crate::record::Form;
use crate::verdict::{Life, Verdict};

/// Where a finding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as_str says it")]
pub enum Source {
    KernelLock,
    Pid,
    StartTime,
    ProcessId,
    BootId,
    PidNamespace,
    Age,
    FileTimes,
    Record,
    Registry,
}

impl Source {
    /// The spelling used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KernelLock => "kernel-lock",
            Self::Pid => "pid",
            Self::StartTime => "start-time",
            Self::ProcessId => "process-id",
            Self::BootId => "boot-id",
            Self::PidNamespace => "pid-namespace",
            Self::Age => "age",
            Self::FileTimes => "file-times",
            Self::Record => "record",
            Self::Registry => "registry",
        }
    }
}

/// One piece of evidence, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it comes from.
    pub source: Source,
    /// What was found, in a word.
    pub finding: &'static str,
    /// The same in a sentence.
    pub detail: String,
}

impl Assessment {
    /// Every piece of evidence, in the order in which it is weighed.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut all = vec![self.about_record()];
        let mut add =
            |source, finding, detail: String| all.push(Finding { source, finding, detail });
        let e = &self.evidence;
        match e.own {
            Own::HeldHere => {
                add(Source::Registry, "held-here", "a guard of this process holds it".into())
            }
            // A pid is only ours in our own boot and namespace.
            Own::NotHeldHere { .. }
                if e.boot == Comparison::Same && e.namespace == Comparison::Same =>
            {
                add(
                    Source::Registry,
                    "not-held-here",
                    "the pid is our own, and no guard of this process holds it".into(),
                )
            }
            Own::NotHeldHere { .. } | Own::Other => {}
        }
        all.push(self.about_kernel_lock());
        if let Some(owner) = self.owner() {
            all.extend(self.about_owner(owner));
        }
        if let (Some(held), Some(clock)) = (self.ages.held, self.age_clock) {
            let by = match clock {
                AgeClock::Monotonic => "on the clock that neither a clock step nor a suspend moves",
                AgeClock::FileTimes => "by two times that the file server stamped",
                AgeClock::Wall => "by the wall clock",
            };
            let word = match self.ages.max_hold {
                Some(max) if held > max => "overdue",
                Some(_) => "within-promise",
                None => "known",
            };
            let promise =
                self.ages.max_hold.map(|max| format!(", of at most {} promised", rough(max)));
            all.push(Finding {
                source: Source::Age,
                finding: word,
                detail: format!("held for {}{}, {by}", rough(held), promise.unwrap_or_default()),
            });
        }
        if !self.ages.names_owner {
            all.push(Finding {
                source: Source::FileTimes,
                finding: if self.ages.file.is_some() { "known" } else { "unknown" },
                detail: match self.ages.file {
                    Some(age) => format!("last changed {} ago", rough(age)),
                    None => "its times cannot be read".to_owned(),
                },
            });
        }
        all
    }

    fn about_record(&self) -> Finding {
        let (finding, detail) = match &self.record {
            None => ("unreadable", self.unreadable.clone().unwrap_or_default()),
            Some(r) if r.owner.is_none() => ("no-owner", "there is no usable pid in it".to_owned()),
            Some(r) => match r.form {
                Form::Ours => (
                    "owner-verified",
                    match r.version {
                        Some(version) => format!("a record of version {version}"),
                        None => "a record that does not say its version".to_owned(),
                    },
                ),
                Form::Origin => (
                    "origin",
                    "a record of OpenClaw: judged by pid, start time and age alone".to_owned(),
                ),
            },
        };
        Finding { source: Source::Record, finding, detail }
    }

    fn about_kernel_lock(&self) -> Finding {
        let e = &self.evidence;
        let kind = if self.filesystem.kind.is_empty() { "unknown" } else { &self.filesystem.kind };
        let (finding, detail) = match e.kernel_lock {
            KernelLock::Held if self.verdict == Verdict::Alive(Life::Inherited) => {
                ("held", "held, by a process that inherited the dead owner's open file".to_owned())
            }
            KernelLock::Held => ("held", "somebody alive holds it".to_owned()),
            KernelLock::Free if self.is_of_another_system() => (
                "free",
                "nobody holds it here, where the locks of another kind of system do not show"
                    .to_owned(),
            ),
            KernelLock::Free if !e.claimed => (
                "free",
                "nobody holds it, and the record does not claim that its owner took it".to_owned(),
            ),
            KernelLock::Free if !e.same_file => (
                "free",
                "nobody holds it here, but the owner saw another file: a second mount?".to_owned(),
            ),
            KernelLock::Free => ("free", format!("nobody holds it; the file system is {kind}")),
            KernelLock::Unknown => ("unknown", "it cannot be probed".to_owned()),
        };
        let mut detail = detail;
        if !self.holders.is_empty() {
            let pids: Vec<_> = self.holders.iter().map(u32::to_string).collect();
            let _ = write!(detail, " (pid {})", pids.join(", "));
        }
        Finding { source: Source::KernelLock, finding, detail }
    }
}
