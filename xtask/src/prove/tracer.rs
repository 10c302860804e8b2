//! Watching a process make its system calls, one after the other, in all of its threads.
//!
//! The process lets itself be traced ([`sys::be_traced`]) and marks with two signals, which it
//! never gets, from where to where its calls count. At each of them it stands still *before* the
//! call: what is killed there has not made it, the kernel skips the call of a dying process.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, kill_process_group, waitpgid,
};

use super::sys;

const BEGIN: Signal = Signal::USR1;
const END: Signal = Signal::USR2;

/// For the traced process: lets its parent trace it.
pub(crate) fn be_traced() -> Result<()> {
    sys::be_traced().context("cannot be traced")?;
    // The parent sees the first stop, and settles how to go on.
    Ok(kill_process(getpid(), Signal::STOP)?)
}

/// For the traced process: what it does from here on counts.
pub(crate) fn begin() {
    // A signal to oneself cannot fail.
    let _ = kill_process(getpid(), BEGIN);
}

/// For the traced process: it does not count any more.
pub(crate) fn end() {
    let _ = kill_process(getpid(), END);
}

/// What was seen of a traced process.
#[derive(Debug)]
pub(crate) struct Traced {
    /// Its system calls between the two marks. The first thread's last one is the mark's own.
    pub(crate) calls: Vec<Call>,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

/// A system call that a process is about to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Which of its threads; 0 is the first.
    pub(crate) thread: usize,
    /// The how manieth of that thread, from 1 on.
    pub(crate) number: usize,
    /// Which one it is.
    pub(crate) which: libc::c_long,
    /// Its first three arguments.
    pub(crate) arguments: [u64; 3],
}

impl Traced {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }
}

/// What happens to a process that stands before a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    Kill,
}

/// Runs `command` to its end, asking `at` before each of its system calls that count.
pub(crate) fn trace(mut command: Command, mut at: impl FnMut(Call) -> Next) -> Result<Traced> {
    // A group of its own, so that its threads can be waited for, and nobody else's.
    let child = command.process_group(0).spawn().context("cannot be started")?;
    let leader = Pid::from_child(&child);
    let _reaped = Group(leader);
    let (mut calls, mut counts, mut ready) = (Vec::new(), false, false);
    let mut threads = Threads(vec![(leader, 0)]);
    let mut ended = None;
    while let Some((tracee, status)) = wait(leader)? {
        if !status.stopped() {
            if tracee == leader {
                ended = Some(ExitStatus::from_raw(status.as_raw()));
            }
            continue;
        }
        if !std::mem::replace(&mut ready, true) {
            sys::set_trace_options(tracee).context("cannot be traced")?;
        }
        let mut deliver = None;
        // In the stop of a system call, the signal's highest bit is set.
        match status.as_raw() >> 8 {
            stop if stop == libc::SIGTRAP | 0x80 && counts => {
                // It may have been killed in the meantime.
                if let Some((which, arguments)) = sys::entered_call(tracee).ok().flatten() {
                    let (thread, number) = threads.count(tracee);
                    let call = Call { thread, number, which, arguments };
                    calls.push(call);
                    if at(call) == Next::Kill {
                        kill_process(leader, Signal::KILL)?;
                        counts = false;
                        continue;
                    }
                }
            }
            stop if stop == BEGIN.as_raw() => counts = true,
            stop if stop == END.as_raw() => counts = false,
            // A new thread's first stop and its parent's news of it, and this process's own first.
            libc::SIGSTOP => {}
            stop if stop & 0xff == libc::SIGTRAP => {}
            stop => deliver = Signal::from_named_raw(stop),
        }
        match sys::resume(tracee, deliver) {
            // It was killed in the meantime.
            Err(e) if Errno::from_io_error(&e) == Some(Errno::SRCH) => {}
            resumed => resumed.context("cannot be resumed")?,
        }
    }
    let Some(status) = ended else { bail!("a traced process vanished") };
    Ok(Traced { calls, status })
}

/// How many calls each thread has made: the first thread, then the others in the order in which
/// they made their first.
struct Threads(Vec<(Pid, usize)>);

impl Threads {
    fn count(&mut self, tid: Pid) -> (usize, usize) {
        let thread = self.0.iter().position(|(known, _)| *known == tid).unwrap_or_else(|| {
            self.0.push((tid, 0));
            self.0.len() - 1
        });
        self.0[thread].1 += 1;
        (thread, self.0[thread].1)
    }
}

/// The next stop or end in the group; `None`: nobody is left.
fn wait(group: Pid) -> Result<Option<(Pid, WaitStatus)>> {
    match waitpgid(group, WaitOptions::empty()) {
        Err(Errno::CHILD) => Ok(None),
        seen => Ok(seen?),
    }
}

/// Killed and reaped, however tracing ends.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Nobody is left in it after a good end, and its number may be anybody's by now: only a
        // group that still has children of ours is killed.
        match waitpgid(self.0, WaitOptions::NOHANG) {
            Err(Errno::CHILD) => return,
            _ => drop(kill_process_group(self.0, Signal::KILL)),
        }
        while waitpgid(self.0, WaitOptions::empty()).is_ok() {}
    }
}
