//! Second processes: how scenarios start them, talk to them, and pass records around.

use crate::record::{decode, encode};
use crate::sys::{self, Fork};
use identity_linux::LinuxIdentity;
use lock_core::identity::{Comparison, Observed, OwnerId, OwnerIdentity};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};

pub(crate) const ID: LinuxIdentity = LinuxIdentity::new();

/// The variable that carries a record to a contender.
const RECORD: &str = "IDENTITY_SCENARIO_RECORD";

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

/// How `recorded` compares with what is seen, without the unique id.
pub(crate) fn compare_by_start(recorded: &OwnerId, seen: &Observed) -> Comparison {
    OwnerId { unique: None, ..recorded.clone() }.compare_incarnation(seen)
}

/// A program in namespaces of its own, which tells who it is and lives until it is dropped.
pub(crate) struct Holder {
    child: std::process::Child,
    pub(crate) owner: OwnerId,
}

impl Holder {
    /// `pid` is the number that the holder gets; 1 is the first of its namespace.
    pub(crate) fn start(within: &[&str], pid: u32) -> Self {
        let mut child = in_namespaces(within)
            .args(["--role", "hold", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, owner: decode(&line) }
    }

    /// The pid of `unshare(1)`, whose mount namespace the holder is in.
    pub(crate) fn outer_pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the holder, and its namespaces with it.
    pub(crate) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.end();
    }
}

/// The role of a [`Holder`]'s program.
pub(crate) fn hold(pid: u32) {
    if pid == rustix::process::getpid().as_raw_pid().cast_unsigned() {
        println!("{}", encode(&ID.this_process()));
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    next_pid(pid);
    let (child, owner) = Child::holder();
    assert_eq!(child.pid, pid);
    println!("{}", encode(&owner));
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Runs the check named `check` on `recorded`, in other namespaces, and insists on success.
pub(crate) fn contend(within: &[&str], check: &str, recorded: &OwnerId) {
    let done = in_namespaces(within)
        .args(["--role", "contend", check])
        .env(RECORD, encode(recorded))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && told.contains("contended"),
        "{check} within {within:?}: {told}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// The record that the role of a contender was given.
pub(crate) fn given_record() -> OwnerId {
    decode(&std::env::var(RECORD).unwrap())
}

/// This program, behind the command `within`.
pub(crate) fn in_namespaces(within: &[&str]) -> Command {
    let me = std::env::current_exe().unwrap();
    let Some((program, rest)) = within.split_first() else { return Command::new(me) };
    let mut command = Command::new(program);
    command.args(rest).arg(me);
    command
}

/// Runs a command to its successful end.
pub(crate) fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Makes the next process or thread of this pid namespace get the number `pid`.
pub(crate) fn next_pid(pid: u32) {
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
}
