//! What the system shows under a recorded pid.
//!
//! The order of the steps matters. A pidfd pins one incarnation; the start time is read after
//! it was opened; whether the incarnation has exited is asked last. If it has not, then the
//! number was its own all the time in between, and so was what was read.

use super::clocks;
use super::pidfd::Pidfd;
use super::procfs::{ProcessDir, Procfs};
use crate::parse::Stat;
use lock_core::identity::{Comparison, Observed, OwnerId, OwnerKind, Process};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// `PID_MAX_LIMIT`: no kernel hands out a greater number.
const GREATEST_PID: u32 = 4_194_304;

/// How often `EINVAL` from `pidfd_open(2)` is taken for a passing state.
const ATTEMPTS: u32 = 4;

/// See [`OwnerIdentity::observe`](lock_core::identity::OwnerIdentity::observe).
pub(super) fn observe(recorded: &OwnerId, here: &OwnerId) -> Observed {
    if recorded.kind != OwnerKind::Linux {
        return Observed::nothing(format!("not a Linux process but {:?}", recorded.kind.as_str()));
    }
    // Before anything is called with it: for kill(2), 0 and negative numbers are groups.
    let Some(pid) = process_id(recorded.pid) else {
        return Observed::nothing(format!("{} is not a process id", recorded.pid));
    };
    match (&recorded.namespace, &here.namespace) {
        // A record without a namespace is judged as one of this namespace.
        (None, _) => look_up(pid),
        (Some(theirs), Some(ours)) if theirs.compare(ours) == Comparison::Same => look_up(pid),
        (Some(_), Some(_)) => elsewhere(recorded, here, "in another pid namespace"),
        // Who runs under the pid may be the owner. That nobody does means nothing elsewhere.
        (Some(_), None) => {
            let apart = elsewhere(recorded, here, "in a pid namespace that may not be this one");
            match look_up(pid) {
                mut seen if seen.process == Process::Running => {
                    seen.found_by_handle = apart.found_by_handle;
                    seen.gaps.splice(..0, apart.gaps);
                    seen
                }
                _ => apart,
            }
        }
    }
}

/// A number that a process can have.
fn process_id(pid: u32) -> Option<Pid> {
    let raw = i32::try_from(pid).ok().filter(|_| pid <= GREATEST_PID)?;
    Pid::from_raw(raw)
}

/// The owner of a pid that means nothing here: whoever has it here is a stranger.
///
/// Its file handle may still open, from its own namespace or one around it, and then it is
/// that very incarnation. Not opening proves nothing.
fn elsewhere(recorded: &OwnerId, here: &OwnerId, place: &str) -> Observed {
    let mut seen = Observed::nothing(format!("process {} is {place}", recorded.pid));
    // The ids start anew at each boot: the handle of another boot opens a stranger.
    if let Some(unique) = recorded.unique
        && recorded.boot.compare(&here.boot) == Comparison::Same
        && let Ok(pidfd) = Pidfd::open_unique(unique)
    {
        let opened = pidfd.unique().ok().flatten();
        seen.found_by_handle = opened == Some(unique) && !pidfd.has_exited();
    }
    seen
}

fn look_up(pid: Pid) -> Observed {
    for _ in 0..ATTEMPTS {
        match Pidfd::open(pid) {
            Ok(pidfd) => return through_pidfd(pid, &pidfd),
            // The number names neither a process nor a thread.
            Err(Errno::SRCH) => return bare(Process::Gone),
            // It names a thread that leads no process (since Linux 6.15).
            Err(Errno::NOENT) => return bare(Process::Thread),
            // Older kernels: a thread; a process between its two halves of being reaped, which
            // passes; a reaped process whose number lives on as that of its process group,
            // which may last. kill(2) tells them apart.
            Err(Errno::INVAL) => std::thread::yield_now(),
            // ENOSYS or EPERM: an old kernel, a seccomp filter. EMFILE, ENFILE, ENOMEM: not
            // now. None of them is about the process.
            Err(errno) => return through_kill(pid, errno),
        }
    }
    through_kill(pid, Errno::INVAL)
}

/// The process that `pidfd`, opened for `pid`, pins.
fn through_pidfd(pid: Pid, pidfd: &Pidfd) -> Observed {
    let mut seen = bare(Process::Running);
    match pidfd.unique() {
        Ok(Some(unique)) => seen.unique = Some(unique),
        Ok(None) => seen.gaps.push("no unique process ids on this kernel (needs Linux 6.9)".into()),
        Err(errno) => seen.gaps.push(format!("no unique process id: {errno}")),
    }
    read_start(&mut seen, pid, ProcessDir::stat);
    // Last. If it has exited, what was read may be its successor's.
    if pidfd.has_exited() {
        return Observed { unique: seen.unique, ..bare(Process::Exited) };
    }
    seen
}

/// Without a pidfd: `kill(2)` says whether there is anybody, and `/proc` what it is.
fn through_kill(pid: Pid, why: Errno) -> Observed {
    let number = pid.as_raw_pid();
    match test_kill_process(pid) {
        // Neither a process nor a thread: the positive proof that /proc cannot give.
        Err(Errno::SRCH) => return bare(Process::Gone),
        // EPERM: there is one, and it is somebody else's.
        Ok(()) | Err(Errno::PERM) => {}
        Err(errno) => return Observed::nothing(format!("kill({number}, 0): {errno}")),
    }
    let mut seen = bare(Process::Running);
    seen.gaps.push(format!("pidfd_open({number}): {why}"));
    let mut process = Process::Running;
    read_start(&mut seen, pid, |dir| {
        // One directory descriptor, one incarnation: both files are of the same.
        let group = dir.status()?.thread_group;
        let stat = dir.stat()?;
        if group.is_some_and(|group| group != number.cast_unsigned()) {
            process = Process::Thread;
        } else if group.is_some() && stat.is_some_and(|stat| stat.has_exited()) {
            process = Process::Exited;
        }
        Ok(stat)
    });
    if process != Process::Running {
        // The start time of a stranger's thread, or of what is left of the owner.
        return Observed { gaps: seen.gaps, ..bare(process) };
    }
    seen
}

/// Fills in the start time from `/proc/<pid>`, or the reason why there is none.
///
/// An error in here is no evidence of death: with `hidepid` even ENOENT is the answer for a
/// process that lives.
fn read_start(
    seen: &mut Observed,
    pid: Pid,
    read: impl FnOnce(&ProcessDir) -> Result<Option<Stat>, Errno>,
) {
    let number = pid.as_raw_pid().cast_unsigned();
    let procfs = match Procfs::of_this_namespace() {
        Ok(procfs) => procfs,
        Err(why) => return seen.gaps.push(format!("no start time: {why}")),
    };
    match procfs.process(number).and_then(|dir| read(&dir)) {
        Ok(Some(stat)) => {
            seen.start = clocks::start_time(stat.start_ticks);
            seen.age = seen.start.and_then(clocks::age);
            // Read now, not taken from the identity of this process: it must be the offset
            // under which this start time was read.
            seen.time_offset = procfs.own().and_then(clocks::time_offset).unwrap_or_default();
            if seen.time_offset.is_none() {
                seen.gaps.push("the offsets of this time namespace cannot be told".into());
            }
        }
        Ok(None) => {
            seen.gaps.push(format!("/proc/{number}/stat has an unknown shape"));
        }
        Err(errno) => {
            let hint = match errno {
                Errno::PERM | Errno::ACCESS | Errno::NOENT => " (hidepid?)",
                _ => "",
            };
            seen.gaps.push(format!("/proc/{number}/stat cannot be read: {errno}{hint}"));
        }
    }
}

fn bare(process: Process) -> Observed {
    Observed {
        process,
        unique: None,
        start: None,
        time_offset: None,
        found_by_handle: false,
        age: None,
        gaps: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case(0, false)]
    #[case(1, true)]
    #[case(4_194_304, true)]
    #[case(4_194_305, false)]
    #[case(0x7fff_ffff, false)]
    #[case(0x8000_0000, false)]
    #[case(u32::MAX, false)]
    fn numbers_that_a_process_can_have(#[case] pid: u32, #[case] expected: bool) {
        assert_eq!(process_id(pid).is_some(), expected);
    }

    /// The process is reaped, and its number reused, between opening the pidfd and reading
    /// `/proc`: as if the pidfd were of a dead process and the number of a living one.
    #[test]
    fn a_number_reused_between_two_steps_is_not_mistaken_for_its_owner() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = Pidfd::open(Pid::from_child(&child)).unwrap();
        let unique = pidfd.unique().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let seen = through_pidfd(rustix::process::getpid(), &pidfd);
        assert_eq!(seen, Observed { unique, ..bare(Process::Exited) });
    }
}
