//! An install root, and `lockctl` run on it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
#[cfg(target_os = "linux")]
use std::path::Path;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
#[cfg(target_os = "linux")]
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::os::command::listens;

pub(crate) const LOCKCTL: &str = env!("CARGO_BIN_EXE_lockctl");

/// Bounds what should be immediate, on a loaded machine.
#[cfg(target_os = "linux")]
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Root(tempfile::TempDir);

impl Root {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        dunce::canonicalize(self.0.path()).unwrap()
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path().join(".openclaw-runtime-deps.lock")
    }

    /// A lock with this record.
    pub(crate) fn plant(&self, record: &str) {
        std::fs::create_dir(self.lock()).unwrap();
        std::fs::write(self.lock().join("owner.json"), record).unwrap();
    }

    /// `lockctl deps run ROOT -- command`.
    pub(crate) fn run<W: AsRef<OsStr>>(&self, timeout: &str, command: &[W]) -> Output {
        let mut run = deps("run");
        run.args(["--timeout", timeout]).arg(self.path()).arg("--").args(command);
        run.output().unwrap()
    }

    /// `lockctl deps VERB ARGS ROOT`.
    pub(crate) fn do_(&self, verb: &str, args: &[&str]) -> Output {
        deps(verb).args(args).arg(self.path()).output().unwrap()
    }

    /// The one object of `inspect --json`.
    pub(crate) fn inspect(&self) -> Value {
        let done = self.do_("inspect", &["--json"]);
        let Value::Array(mut all) = json(&done) else { panic!("no array: {done:?}") };
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// A command that holds the lock until its standard input ends.
    pub(crate) fn hold(&self) -> Running {
        let mut run = deps("run");
        run.arg(self.path()).arg("--").args(listens());
        Running::start(run)
    }
}

pub(crate) fn deps(verb: &str) -> Command {
    let mut command = Command::new(LOCKCTL);
    command.args(["deps", verb]).stdin(Stdio::null());
    command
}

pub(crate) fn json(done: &Output) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

pub(crate) fn status(done: &Output) -> i32 {
    done.status.code().unwrap_or_else(|| panic!("{done:?}"))
}

pub(crate) fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

/// A started program that said its first line. Killed and reaped when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "a Linux test asks"))]
    pub(crate) line: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "it ended without a word");
        Self { child, line: line.trim().to_owned() }
    }

    /// Ends its standard input, and waits for it.
    pub(crate) fn end(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// SIGKILL.
    #[cfg(target_os = "linux")]
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a file to appear.
#[cfg(target_os = "linux")]
pub(crate) fn wait_for(path: &Path) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < SOON * 3, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a program is there.
#[cfg(target_os = "linux")]
pub(crate) fn has(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success())
}
