//! What the tests of the tool share: a directory, runs of the tool that cannot hang or outlive
//! their test, and the commands that they hold a lock for.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]

mod running;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lock_core::lockfile::sys::{Access, Byte, Native, Sys};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use serde_json::Value;

pub(crate) use running::{Holder, Running, waiter};

/// Longer than anything here takes, on any machine: whoever waits this long hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A directory of one test, and one session file in it.
pub(crate) struct Place(pub(crate) tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The session file that most tests lock.
    pub(crate) fn file(&self) -> PathBuf {
        self.at("s.jsonl")
    }

    /// Its lock.
    pub(crate) fn lock(&self) -> PathBuf {
        self.at("s.jsonl.lock")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
        let mut names: Vec<_> = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|e| name(e).into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// The tool, with nothing of the environment that could set its defaults.
pub(crate) fn lockctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockctl"));
    clean(&mut command);
    command
}

pub(crate) fn clean(command: &mut Command) {
    for name in ["ACQUIRE_TIMEOUT_MS", "STALE_MS", "MAX_HOLD_MS"] {
        command.env_remove(format!("OPENCLAW_SESSION_WRITE_LOCK_{name}"));
    }
    command.env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl"));
}

/// `lockctl session <verb> <words…>`.
pub(crate) fn session(verb: &str, words: &[&str]) -> Command {
    let mut command = lockctl();
    command.args(["session", verb]).args(words);
    command
}

/// `lockctl session run <options…> FILE -- <command…>`.
pub(crate) fn run(options: &[&str], file: &Path, command: &[&str]) -> Command {
    let mut run = session("run", options);
    run.arg(file).arg("--").args(command);
    run
}

/// A command line of the shell; `$LOCKCTL` is the tool.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    clean(&mut command);
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The exit status; anything else fails the test and shows what was said.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Runs a command to its end, with an empty stdin.
pub(crate) fn done(command: Command) -> Done {
    Done::of(&assert_cmd::Command::from_std(command).timeout(LONG).output().unwrap())
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

pub(crate) fn send(pid: u32, signal: Signal) {
    kill_process(raw(pid), signal).unwrap();
}

/// Whether a process ends within `time`. One that is not there has ended.
pub(crate) fn ends(pid: u32, time: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(raw(pid), PidfdFlags::empty()) else { return true };
    let mut end = [PollFd::new(&pidfd, PollFlags::IN)];
    let last = Instant::now() + time;
    loop {
        let left = last.saturating_duration_since(Instant::now());
        match poll(&mut end, Some(&Timespec::try_from(left).unwrap())) {
            // assert_cmd handles SIGCHLD.
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready.unwrap() > 0,
        }
    }
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

pub(crate) fn inode(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().ino()
}

pub(crate) fn record(lock: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(lock).unwrap()).unwrap()
}

pub(crate) fn write_record(lock: &Path, record: &Value) {
    std::fs::write(lock, serde_json::to_string_pretty(record).unwrap() + "\n").unwrap();
}

/// What `inspect` says of one file.
pub(crate) fn inspected(file: &Path) -> Value {
    let mut inspect = session("inspect", &["--json"]);
    inspect.arg(file);
    done(inspect).expect(0).json()[0].take()
}

/// A source's finding in a report.
pub(crate) fn finding<'a>(report: &'a Value, source: &str) -> &'a str {
    let all = report["evidence"].as_array().unwrap();
    let found = all.iter().find(|e| e["source"] == source);
    found.unwrap_or_else(|| panic!("no {source} in {report:#}"))["finding"].as_str().unwrap()
}

/// Removes a file as a user would, by hand.
#[expect(clippy::disallowed_methods, reason = "a human and their `rm` ask no lock-core")]
pub(crate) fn by_hand(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

/// Replaces a file as an editor would.
#[expect(clippy::disallowed_methods, reason = "a human and their `mv` ask no lock-core")]
pub(crate) fn replace(path: &Path, by: &Path) {
    std::fs::rename(by, path).unwrap();
}

/// Kills the tool and its command at once, and waits until both have let go of everything.
#[track_caller]
pub(crate) fn kill_both(holder: &Holder) {
    kill_process_group(raw(holder.tool.pid()), Signal::KILL).unwrap();
    assert!(ends(holder.tool.pid(), LONG) && ends(holder.command, LONG));
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

/// A byte of a lock file, held by this process until dropped.
pub(crate) struct HeldByte(<Native as Sys>::File, Byte);

impl HeldByte {
    pub(crate) fn take(path: &Path, byte: Byte) -> Self {
        let place = lock_core::lockfile::sys::Place::absolute(path);
        let (file, _) = Native.open(place, Access::Lock).unwrap();
        assert!(Native.try_lock(&file, byte).unwrap());
        Self(file, byte)
    }
}

impl Drop for HeldByte {
    fn drop(&mut self) {
        // Explicitly: a child that another test just forks would keep it for a moment.
        Native.unlock(&self.0, self.1).unwrap();
    }
}
