//! The evidence as findings: one short sentence for each piece.

use std::fmt::Write as _;

use super::rough;
use crate::assess::{AgeClock, Assessment};
use crate::evidence::{Attested, KernelLock, Own};
use crate::identity::{BootId, Comparison, OwnerId, OwnerKind, Process};
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

    fn about_owner(&self, owner: &OwnerId) -> Vec<Finding> {
        let e = &self.evidence;
        let word = |c: Comparison| match c {
            Comparison::Same => "same",
            Comparison::Different => "different",
            Comparison::Unknown => "unknown",
        };
        let mut all = Vec::new();
        let mut add =
            |source, finding, detail: String| all.push(Finding { source, finding, detail });
        let taken_for_ours =
            self.record.as_ref().is_some_and(|r| r.form == Form::Origin && !r.names_boot);
        add(
            Source::BootId,
            word(e.boot),
            match (&owner.boot, e.boot) {
                _ if taken_for_ours => {
                    "not recorded: taken for this boot, as the origin does".to_owned()
                }
                (_, Comparison::Same) => "recorded in this boot".to_owned(),
                (_, Comparison::Different) => "recorded in another boot".to_owned(),
                (BootId::Kernel(_), Comparison::Unknown) => {
                    "our own boot id is not the kernel's word".to_owned()
                }
                (BootId::Doubtful(_), _) => {
                    "the owner's boot id is not the kernel's word".to_owned()
                }
                (BootId::Unknown, _) => "the owner's boot id is not known".to_owned(),
            },
        );
        if owner.kind == OwnerKind::Linux {
            add(
                Source::PidNamespace,
                word(e.namespace),
                match e.namespace {
                    Comparison::Same if owner.namespace.is_none() => {
                        "not recorded: taken for ours, as the origin does".to_owned()
                    }
                    Comparison::Same => "the owner's pid namespace is ours".to_owned(),
                    Comparison::Different => {
                        "the owner's pid namespace is not ours: its pid means nothing here"
                            .to_owned()
                    }
                    Comparison::Unknown => "not known on both sides".to_owned(),
                },
            );
        }
        let gap = self.gaps.first().map(|gap| format!(": {gap}")).unwrap_or_default();
        let pid = owner.pid;
        match e.process {
            Process::Gone => add(Source::Pid, "gone", format!("there is no process {pid}")),
            Process::Exited => add(Source::Pid, "exited", format!("process {pid} has exited")),
            Process::Thread => {
                add(Source::Pid, "thread", format!("{pid} is a thread of another process now"))
            }
            Process::Running => add(Source::Pid, "running", format!("there is a process {pid}")),
            Process::Unknown if e.found_by_handle => {
                add(Source::Pid, "running", "found alive by its process handle".to_owned());
            }
            Process::Unknown => {
                add(Source::Pid, "unknown", format!("not looked up or not shown{gap}"))
            }
        }
        if matches!(e.process, Process::Running | Process::Exited) {
            let source = if owner.unique.is_some() { Source::ProcessId } else { Source::StartTime };
            add(
                source,
                word(e.incarnation),
                match e.incarnation {
                    Comparison::Same => "it is the process that took the lock".to_owned(),
                    Comparison::Different => "it is not the process that took the lock".to_owned(),
                    Comparison::Unknown => format!("nothing to compare{gap}"),
                },
            );
        }
        match e.attested {
            Some(Attested::Alive) => {
                add(Source::Pid, "running", "its home says that it is alive".into())
            }
            Some(Attested::Gone) => {
                add(Source::Pid, "gone", "its home says that it is gone".into())
            }
            None => {}
        }
        all
    }
}
