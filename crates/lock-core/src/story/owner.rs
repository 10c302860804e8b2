//! What is told of the owner: its boot, its pid space, its process.

use super::findings::{Finding, Source};
use crate::assess::Assessment;
use crate::evidence::Attested;
use crate::identity::{BootId, Comparison, OwnerId, OwnerKind, Process};
use crate::record::Form;
use crate::verdict::Verdict;

impl Assessment {
    pub(super) fn about_owner(&self, owner: &OwnerId) -> Vec<Finding> {
        let e = &self.evidence;
        let word = |c: Comparison| match c {
            Comparison::Same => "same",
            Comparison::Different => "different",
            Comparison::Unknown => "unknown",
        };
        let mut all = Vec::new();
        let mut add =
            |source, finding, detail: String| all.push(Finding { source, finding, detail });
        let of_origin = self.record.as_ref().is_some_and(|r| r.form == Form::Origin);
        let taken_for_this_boot = of_origin && self.record.as_ref().is_some_and(|r| !r.names_boot);
        let taken_for_this_space = of_origin && owner.namespace.is_none();
        add(
            Source::BootId,
            word(e.boot),
            match (&owner.boot, e.boot) {
                _ if taken_for_this_boot => {
                    "not recorded: taken for this boot, as the origin does".to_owned()
                }
                _ if self.is_of_another_system() => "recorded by another kind of system".to_owned(),
                (_, Comparison::Same) if self.names_machines() => {
                    "recorded on this machine".to_owned()
                }
                (_, Comparison::Different) if self.names_machines() => {
                    "recorded on another machine".to_owned()
                }
                (_, Comparison::Unknown) if self.names_machines() => {
                    "the id of the machine is not known on both sides".to_owned()
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
        // macOS has one pid space, and another system's means nothing here.
        let has_space = matches!(owner.kind, OwnerKind::Linux | OwnerKind::Windows);
        if has_space && !self.is_of_another_system() {
            let space = self.pid_space();
            add(
                Source::PidNamespace,
                word(e.namespace),
                match e.namespace {
                    Comparison::Same if taken_for_this_space => {
                        "not recorded: taken for ours, as the origin does".to_owned()
                    }
                    Comparison::Same if owner.namespace.is_none() => {
                        "known on neither side: taken for ours".to_owned()
                    }
                    Comparison::Same => format!("the owner's {space} is ours"),
                    Comparison::Different => {
                        format!("the owner's {space} is not ours: its pid means nothing here")
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
            Process::Unknown if self.is_of_another_system() => {
                add(Source::Pid, "unknown", "it means nothing on this kind of system".to_owned());
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
                let overruled = match self.verdict {
                    Verdict::Unverifiable(_) => ", but a process that may be the owner runs here",
                    _ => "",
                };
                add(Source::Pid, "gone", format!("its home says that it is gone{overruled}"));
            }
            None => {}
        }
        all
    }
}
