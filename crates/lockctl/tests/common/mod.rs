//! What the tests of the tool share: a directory, runs of the tool that cannot hang or outlive
//! their test, and the commands that they hold a lock for.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part of this")]

#[path = "../../../lock-core/tests/os/mod.rs"]
pub(crate) mod os;
mod running;
#[cfg(unix)]
pub(crate) mod terminal;
#[cfg(unix)]
mod unix;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use lock_core::lockfile::sys::{Access, Byte, Native, Sys};
use serde_json::Value;

pub(crate) use os::command;
pub(crate) use running::{Holder, Running, waiter};
#[cfg(unix)]
pub(crate) use unix::{as_nobody, chmod, send, sh, state_of, stop};

/// Longer than anything here takes, on any machine: whoever waits this long hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A directory of one test, and one session file in it.
pub(crate) struct Place(pub(crate) tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn dir(&self) -> PathBuf {
        // As people write it: Windows has a longer form.
        dunce::canonicalize(self.0.path()).unwrap()
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
        os::names(&self.dir())
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
pub(crate) fn run<W: AsRef<std::ffi::OsStr>>(
    options: &[&str],
    file: &Path,
    command: &[W],
) -> Command {
    let mut run = session("run", options);
    run.arg(file).arg("--").args(command);
    run
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    fn of(output: Output) -> Self {
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
    Done::of(running::output(command))
}

/// Whether a process ends within `time`. One that is not there has ended.
pub(crate) fn ends(pid: u32, time: Duration) -> bool {
    os::Process::of(pid).ends(time)
}

/// Which file is at a path.
pub(crate) fn inode(path: &Path) -> u64 {
    os::file_id(path)
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

/// Puts something at a path that is no lock, or not a good one.
pub(crate) fn make(what: &str, at: &Path) {
    match what {
        "directory" => std::fs::create_dir(at).unwrap(),
        "empty" => std::fs::write(at, "").unwrap(),
        "garbage" => std::fs::write(at, "}{\n").unwrap(),
        "too long" => std::fs::write(at, " ".repeat(70_000)).unwrap(),
        "bad pid" => std::fs::write(at, "{\"pid\": -1}\n").unwrap(),
        #[cfg(unix)]
        _ => unix::make(what, at),
        #[cfg(not(unix))]
        _ => panic!("no such thing here: {what}"),
    }
}

/// Removes a file as a user would, by hand.
pub(crate) use os::remove as by_hand;

/// Replaces a file as an editor would.
pub(crate) fn replace(path: &Path, by: &Path) {
    os::rename_over(by, path);
}

/// Kills the tool and its command at once, and waits until both have let go of everything.
#[track_caller]
pub(crate) fn kill_both(holder: &Holder) {
    holder.tool.kill_all();
    assert!(ends(holder.tool.pid(), LONG) && ends(holder.command, LONG));
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
