//! Second processes: how scenarios start them, talk to them, and pass records around.

use crate::record::{decode, encode};
use crate::sys::{self, Fork};
use identity_linux::LinuxIdentity;
use lock_core::identity::{Comparison, Observed, OwnerId, OwnerIdentity};
use lock_core::lockfile::{Attempt, Guard, Layout, LockFile, Stamp};
use lock_core::record::Dialect;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;

pub(crate) const ID: LinuxIdentity = LinuxIdentity::new();

/// A forked child that runs a closure. Killed and reaped when dropped.
pub(crate) struct Child {
    pub(crate) pid: u32,
    to: PipeWriter,
    from: BufReader<PipeReader>,
    reaped: bool,
}

/// The child's end.
pub(crate) struct Parent {
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl Clone for Parent {
    fn clone(&self) -> Self {
        let from = BufReader::new(self.from.get_ref().try_clone().unwrap());
        Self { to: self.to.try_clone().unwrap(), from }
    }
}

impl Parent {
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// Waits for [`Child::go`].
    pub(crate) fn wait(&mut self) {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
    }

    /// The writing end, for a program that is about to take this process over.
    pub(crate) fn output(&self) -> Stdio {
        Stdio::from(self.to.try_clone().unwrap())
    }
}

impl Child {
    pub(crate) fn fork(body: impl FnOnce(&mut Parent)) -> Self {
        Self::fork_by(sys::fork, body)
    }

    pub(crate) fn fork_by(fork: fn() -> Fork, body: impl FnOnce(&mut Parent)) -> Self {
        let (child_from, to) = pipe().unwrap();
        let (from, child_to) = pipe().unwrap();
        match fork() {
            Fork::Parent(pid) => Self { pid, to, from: BufReader::new(from), reaped: false },
            Fork::Child => {
                drop((to, from));
                let mut parent = Parent { to: child_to, from: BufReader::new(child_from) };
                let result = catch_unwind(AssertUnwindSafe(|| {
                    sys::do_not_outlive();
                    body(&mut parent);
                }));
                sys::exit_now(i32::from(result.is_err()));
            }
        }
    }

    /// A child that tells who it is and then waits.
    pub(crate) fn holder() -> (Self, OwnerId) {
        let mut child = Self::fork(|parent| {
            parent.tell(&encode(&ID.this_process()));
            parent.wait();
        });
        let owner = decode(&child.line());
        (child, owner)
    }

    /// The next line that the child tells.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the child ended without telling");
        line
    }

    pub(crate) fn go(&mut self) {
        writeln!(self.to).unwrap();
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(self.pid.cast_signed()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub(crate) fn wait(&mut self, options: WaitOptions) -> WaitStatus {
        waitpid(Some(self.id()), options).unwrap().unwrap().1
    }

    /// Waits for the child to return from its closure without a panic.
    pub(crate) fn join(mut self) {
        let status = self.wait(WaitOptions::empty());
        self.reaped = true;
        assert_eq!(status.exit_status(), Some(0), "the child failed: {status:?}");
    }

    /// Ends the child and leaves it as a zombie.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        // WNOWAIT: wait until it has exited, and do not reap it.
        let options =
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(self.id()), options).unwrap();
    }

    pub(crate) fn kill_and_reap(mut self) {
        self.kill();
        self.wait(WaitOptions::empty());
        self.reaped = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill_process(self.id(), Signal::KILL);
            let _ = waitpid(Some(self.id()), WaitOptions::empty());
        }
    }
}

/// The answers that `pidfd_open(2)` gives on the kernels and in the sandboxes of this world:
/// its own, or an error.
pub(crate) const PIDFD_ANSWERS: [Option<Errno>; 4] =
    [None, Some(Errno::NOSYS), Some(Errno::PERM), Some(Errno::INVAL)];

/// Runs `body` in a child in which `pidfd_open(2)` fails with `errno`, if any.
pub(crate) fn where_pidfd_open_answers(errno: Option<Errno>, body: impl FnOnce()) {
    Child::fork(|_| {
        if let Some(errno) = errno {
            sys::deny(libc::SYS_pidfd_open, errno);
        }
        body();
    })
    .join();
}

/// Observes from the calling process.
pub(crate) fn observe(recorded: &OwnerId) -> Observed {
    ID.observe(recorded, &ID.this_process())
}

/// Holds a lock in this process, whose watchdog then looks after it.
pub(crate) fn hold(path: &std::path::Path) -> Guard {
    let identity = std::sync::Arc::new(LinuxIdentity::new());
    let stamp = Stamp { dialect: Dialect::RuntimeDeps, label: None, inheritable: false };
    let lock = LockFile::new(path.to_owned(), Layout::File, identity);
    match lock.attempt(&stamp).unwrap() {
        Attempt::Acquired(guard) => guard,
        Attempt::Contended => panic!("somebody has {}", path.display()),
    }
}

/// How `recorded` compares with what is seen, without the unique id.
pub(crate) fn compare_by_start(recorded: &OwnerId, seen: &Observed) -> Comparison {
    OwnerId { unique: None, ..recorded.clone() }.compare_incarnation(seen)
}
