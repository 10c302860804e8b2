//! The questions to the kernel. Thin: what the answers mean is in [`crate::parse`].

mod sys;

use crate::parse::{
    Answers, BSD_INFO_LEN, KINFO_LEN, UNIQUE_INFO_LEN, boot_session, bsd_info, kinfo, observed,
    unique_id,
};
use lock_core::identity::{BootId, Observed, OwnerId, OwnerIdentity, OwnerKind, StartTime};
use std::path::Path;

/// `PID_MAX`, from `bsd/sys/proc_internal.h`: no process has a greater number.
const GREATEST_PID: u32 = 99_999;

/// Identifies processes on macOS; see the [crate documentation](crate) for what each fact
/// proves.
///
/// It holds and caches nothing, so a forked child is never taken for its parent.
#[derive(Clone, Copy, Debug, Default)]
pub struct MacosIdentity;

impl OwnerIdentity for MacosIdentity {
    fn this_process(&self) -> OwnerId {
        let number = std::process::id();
        let mut owner = OwnerId::bare(OwnerKind::Macos, number);
        if let Some(pid) = process_id(number) {
            let answer = sys::pid_info::<UNIQUE_INFO_LEN>(pid, sys::UNIQUE_INFO);
            owner.unique = answer.ok().as_deref().and_then(unique_id);
            owner.start = own_start(pid, number);
        }
        let session = sys::sysctl_by_name::<64>(c"kern.bootsessionuuid");
        owner.boot = match session.ok().as_deref().and_then(boot_session) {
            Some(id) => BootId::Kernel(id),
            None => BootId::Unknown,
        };
        owner.name = program_name();
        owner
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        if recorded.kind != OwnerKind::Macos {
            return Observed::nothing(format!(
                "not a macOS process but {:?}",
                recorded.kind.as_str()
            ));
        }
        let Some(pid) = process_id(recorded.pid) else {
            return Observed::nothing(format!("{} is not a process id", recorded.pid));
        };
        // In this order: see `observed`.
        let unique = sys::pid_info::<UNIQUE_INFO_LEN>(pid, sys::UNIQUE_INFO);
        let listed = sys::process_list_entry::<KINFO_LEN>(pid);
        let is_answer = listed
            .as_deref()
            .is_ok_and(|bytes| bytes.is_empty() || kinfo(bytes, recorded.pid).is_some());
        let by_user =
            (!is_answer).then(|| sys::pid_info::<BSD_INFO_LEN>(pid, libc::PROC_PIDTBSDINFO));
        let answers = Answers {
            unique: unique.as_deref().map_err(|errno| *errno),
            kinfo: listed.as_deref().map_err(|errno| *errno),
            bsd_info: by_user.as_ref().map(|answer| answer.as_deref().map_err(|errno| *errno)),
        };
        observed(recorded.pid, &answers)
    }
}

/// When this process started: by the hash of all processes, else by the list of them.
fn own_start(pid: libc::pid_t, number: u32) -> Option<StartTime> {
    let info = sys::pid_info::<BSD_INFO_LEN>(pid, libc::PROC_PIDTBSDINFO).ok();
    let start = info.and_then(|bytes| bsd_info(&bytes, number)?.start);
    start.or_else(|| {
        let entry = sys::process_list_entry::<KINFO_LEN>(pid).ok()?;
        kinfo(&entry, number)?.start
    })
}

/// A number that a process other than the kernel's own can have.
fn process_id(pid: u32) -> Option<libc::pid_t> {
    (1..=GREATEST_PID).contains(&pid).then_some(pid)?.try_into().ok()
}

/// What the program was called as.
fn program_name() -> Option<String> {
    let called = std::env::args_os().next()?;
    Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
