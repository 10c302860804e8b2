//! Commands to hold a lock for: the shell's.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::imp::Process;

/// The status of a command that was ended by [`let_go`].
pub(crate) const LET_GO: i32 = 128 + 15;

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

/// Ends at once, with this status.
pub(crate) fn exits(code: u8) -> Vec<String> {
    sh(&format!("exit {code}"))
}

/// Says its pid, and stays.
pub(crate) fn stays() -> Vec<String> {
    sh("echo $$; exec sleep 1000")
}

/// Says its pid, and stays until its standard input ends.
pub(crate) fn listens() -> Vec<String> {
    sh("echo $$; exec cat")
}

/// Shows what is in a file below the lock, and then the lock's id.
pub(crate) fn shows(file: &str) -> Vec<String> {
    sh(&format!("cat \"$LOCKCTL_LOCK{file}\"; echo \"$LOCKCTL_ID\""))
}

/// Writes a text into a file five times, line by line.
pub(crate) fn writes(text: &str, file: &Path) -> Vec<String> {
    let mut command = sh("for n in 1 2 3 4 5; do echo \"$1 $n\" >> \"$2\"; done");
    command.extend(["writes", text].map(str::to_owned));
    command.push(file.to_str().expect("a plain name").to_owned());
    command
}

/// Asks a command to end.
pub(crate) fn let_go(command: u32) {
    assert!(Process::of(command).signal(Signal::TERM), "it is there");
}

/// Starts a process in a group of its own.
pub(crate) fn in_a_group(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    command.process_group(0)
}

/// Kills a process and its group.
pub(crate) fn kill_group(child: &Child) {
    // The leader is at worst a zombie, or some of its group are left: the number is its own.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Waits for the end of a process, and leaves it as a zombie: its status, 128+N for signal N.
pub(crate) fn status_of(child: &Child, time: Duration) -> Option<i32> {
    if !Process::of(child.id()).ends(time) {
        return None;
    }
    let pid = WaitId::Pid(Pid::from_child(child));
    let status = waitid(pid, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).ok()??;
    Some(status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0)))
}
