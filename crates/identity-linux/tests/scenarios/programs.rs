//! This program started again, in other namespaces, as the holder of a lock or its contender.

use crate::record::{decode, encode};
use crate::support::{Child, ID};
use lock_core::identity::{OwnerId, OwnerIdentity};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// The variable that carries a record to a contender.
const RECORD: &str = "IDENTITY_SCENARIO_RECORD";

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
