//! Process names for people, from sysinfo. Never part of a decision.

use lock_core::Assessment;
use lock_core::identity::{Comparison, Process};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The owner's name: as it recorded it, or as the system shows it for a living owner.
pub(crate) fn of_owner(assessment: &Assessment) -> Option<String> {
    let owner = assessment.owner()?;
    if owner.name.is_some() {
        return owner.name.clone();
    }
    let e = &assessment.evidence;
    // The pid only means something here in our own namespace, and only names the owner while
    // nothing says that it was reused.
    let is_owner = assessment.is_alive()
        && e.namespace == Comparison::Same
        && e.process == Process::Running
        && e.incarnation != Comparison::Different;
    is_owner.then(|| of_pid(owner.pid)).flatten()
}

/// The name of a running process.
pub(crate) fn of_pid(pid: u32) -> Option<String> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    let wanted = ProcessesToUpdate::Some(&[pid]);
    system.refresh_processes_specifics(wanted, true, ProcessRefreshKind::nothing());
    Some(system.process(pid)?.name().to_string_lossy().into_owned())
}
