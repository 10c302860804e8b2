//! Signals, permissions and the shell.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Place, clean};

/// A command line of the shell; `$LOCKCTL` is the tool.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    clean(&mut command);
    command
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// The state letter of a process.
pub(crate) fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].chars().next()
}

/// Stops a process, and waits until it is.
pub(crate) fn stop(pid: u32) {
    send(pid, Signal::STOP);
    while state_of(pid) != Some('T') {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What only Unix has at paths.
pub(crate) fn make(what: &str, at: &Path) {
    use std::os::unix::fs::symlink;
    match what {
        "fifo" => {
            let mut making = sh("mkfifo \"$0\"");
            making.arg(at);
            super::done(making).expect(0);
        }
        "symlink" => {
            std::fs::write(at.with_file_name("t"), "kept\n").unwrap();
            symlink("t", at).unwrap();
        }
        "dangling" => symlink("nowhere", at).unwrap(),
        _ => panic!("no such thing: {what}"),
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The tool, by a user who may not write everywhere, as root may. Opens up the place, and puts
/// a copy of the tool there: where it was built others may have no access.
pub(crate) fn as_nobody(place: &Place) -> Command {
    let tool = place.at("lockctl");
    if !tool.exists() {
        // By another process: a descriptor of ours that is open for writing, inherited by a child
        // that another thread forks meanwhile, would make the copy a "text file busy".
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_lockctl")).arg(&tool).status();
        assert!(copied.unwrap().success());
    }
    chmod(&place.dir(), 0o755);
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&tool);
        command
    } else {
        Command::new(&tool)
    };
    clean(&mut command);
    command
}
