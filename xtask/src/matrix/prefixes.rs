//! Two Wine prefixes and their host, with one directory of locks: two pid spaces in which the same
//! numbers live, like two containers with a volume, and another kind of system beside them, like a
//! WSL guest. With real processes and the bytes that they really leave.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::report::Tally;
use super::{wine, workshop};
use crate::tools::{cargo, root, run};

const TARGET: &str = "x86_64-pc-windows-gnu";

type Check = fn(&Stage) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("a_living_holder_is_not_robbed", a_living_holder),
    ("a_pid_of_another_space_proves_nothing", a_pid_of_another_space),
    ("a_server_that_starts_again_has_the_same_pids", a_server_that_starts_again),
    ("a_record_of_windows_on_linux", of_windows_on_linux),
    ("a_record_of_linux_on_windows", of_linux_on_windows),
];

/// Why it failed, if it did, and how many did not.
pub(super) fn check() -> Result<(Option<String>, Tally)> {
    let stage = Stage::new()?;
    let (mut failed, mut tally) = (Vec::new(), Tally::default());
    for (name, check) in CHECKS {
        match check(&stage) {
            Ok(()) => {
                eprintln!("check {name} ... ok");
                tally.passed += 1;
            }
            Err(error) => {
                eprintln!("check {name} ... FAILED: {error:#}");
                failed.push(*name);
                tally.failed += 1;
            }
        }
    }
    Ok(((!failed.is_empty()).then(|| failed.join(", ")), tally))
}

/// Where `lockctl` runs.
#[derive(Clone, Copy, Debug)]
enum At {
    First,
    Second,
    Host,
}

struct Stage {
    first: wine::Session,
    second: wine::Session,
    windows: PathBuf,
    host: PathBuf,
    locks: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        run(&mut cargo(&["build", "--package", "lockctl", "--locked", "--target", TARGET])?)?;
        run(&mut cargo(&["build", "--package", "lockctl", "--locked"])?)?;
        let built = root()?.join("target");
        let (first, second) = (wine::Session::open("wine")?, wine::Session::open("wine-second")?);
        Ok(Self {
            first,
            second,
            windows: built.join(TARGET).join("debug/lockctl.exe"),
            host: built.join("debug/lockctl"),
            locks: tempfile::tempdir_in(workshop()?)?,
        })
    }

    /// `lockctl session VERB`, at a place.
    fn session(&self, at: At, words: &[&str]) -> Command {
        let mut command = match at {
            At::Host => Command::new(&self.host),
            At::First | At::Second => {
                let session = if matches!(at, At::First) { &self.first } else { &self.second };
                let mut wine = session.command("wine");
                wine.arg(&self.windows);
                wine
            }
        };
        command.arg("session").args(words).current_dir(self.locks.path()).stdin(Stdio::null());
        command
    }

    /// A file of the shared directory. All run there: a plain name is a path for every system.
    fn read(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.locks.path().join(name))?)
    }

    fn write(&self, name: &str, record: &Value) -> Result<()> {
        let text = serde_json::to_string_pretty(record)? + "\n";
        Ok(std::fs::write(self.locks.path().join(name), text)?)
    }

    /// The record of a held lock without the claim that its owner took the owner byte, as another
    /// session's lock: only the process can tell.
    fn unclaimed(&self, of: &str, name: &str) -> Result<()> {
        let mut record: Value = serde_json::from_str(&self.read(&format!("{of}.lock"))?)?;
        let owner = record["owner"].as_object_mut().context("a record of ours")?;
        owner.remove("kernelLock").context("the owner claims its byte")?;
        self.write(&format!("{name}.lock"), &record)
    }

    fn inspect(&self, at: At, name: &str) -> Result<Value> {
        let done = self.session(at, &["inspect", "--json", name]).output()?;
        let mut all: Value = serde_json::from_slice(&done.stdout)
            .with_context(|| String::from_utf8_lossy(&done.stderr).into_owned())?;
        Ok(all[0].take())
    }

    /// A lock that is of this state at a place, and that nothing there removes.
    fn is_left_alone(&self, at: At, name: &str, state: &str) -> Result<Value> {
        let lock = format!("{name}.lock");
        let before = self.read(&lock)?;
        let report = self.inspect(at, name)?;
        ensure!(report["state"] == state, "{at:?}: not {state}: {report:#}");
        ensure!(report["verdict"] != "dead", "{at:?}: dead: {report:#}");
        let mut contender = self.session(at, &["run", "--timeout", "500ms", name, "--"]);
        let code = contender.arg("no-such-command").output()?.status.code();
        ensure!(code == Some(75), "{at:?}: a contender ended with {code:?}, not at its deadline");
        self.session(at, &["doctor", "--fix", "."]).output()?;
        ensure!(self.read(&lock)? == before, "{at:?}: {lock} is another now");
        Ok(report)
    }

    /// Takes the lock at once.
    fn takes(&self, at: At, name: &str) -> Result<()> {
        let command = match at {
            At::Host => ["true"].as_slice(),
            At::First | At::Second => &["cmd", "/c", "exit 0"],
        };
        let mut run = self.session(at, &["run", "--timeout", "10s", name, "--"]);
        let done = run.args(command).output()?;
        let told = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{at:?}: {name} is not to be had: {told}");
        Ok(())
    }

    /// A process that holds a lock.
    fn hold(&self, at: At, name: &str) -> Result<Holder> {
        let command = match at {
            At::Host => ["sh", "-c", "echo running; exec cat"].as_slice(),
            At::First | At::Second => &["cmd", "/c", "echo running & pause"],
        };
        let mut run = self.session(at, &["run", name, "--"]);
        let mut child = run.args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        let holder = Holder { child, _stdin: stdin };
        if !line.contains("running") {
            bail!("{at:?}: no lock, but {line:?}");
        }
        Ok(holder)
    }
}

/// Ends when dropped, one way or another.
struct Holder {
    child: Child,
    _stdin: Option<ChildStdin>,
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both prefixes have the same first pids. The holder's byte shows in both.
fn a_living_holder(stage: &Stage) -> Result<()> {
    let holder = stage.hold(At::First, "living.jsonl")?;
    for at in [At::First, At::Second, At::Host] {
        stage.is_left_alone(at, "living.jsonl", "held")?;
    }
    drop(holder);
    remove(stage, "living.jsonl.lock");
    Ok(())
}

/// Without the byte there is only the pid, which means something in its own space alone.
fn a_pid_of_another_space(stage: &Stage) -> Result<()> {
    let _holder = stage.hold(At::First, "s.jsonl")?;
    stage.unclaimed("s.jsonl", "copy.jsonl")?;
    stage.is_left_alone(At::First, "copy.jsonl", "held")?;
    let report = stage.is_left_alone(At::Second, "copy.jsonl", "unverifiable")?;
    let reason = finding(&report, "pid-namespace")?;
    ensure!(reason == "different", "{report:#}");
    remove(stage, "copy.jsonl.lock");
    Ok(())
}

/// As after a reboot: the numbers are given out from the start again.
fn a_server_that_starts_again(stage: &Stage) -> Result<()> {
    let holder = stage.hold(At::First, "again.jsonl")?;
    stage.unclaimed("again.jsonl", "again-copy.jsonl")?;
    stage.first.restart()?;
    drop(holder);
    // Whoever has the holder's number now is another.
    let _holder = stage.hold(At::First, "another.jsonl")?;
    let is_dead = |name| {
        let report = stage.inspect(At::First, name)?;
        ensure!(report["verdict"] == "dead", "{report:#}");
        stage.takes(At::First, name)
    };
    is_dead("again.jsonl")?;
    stage.is_left_alone(At::Second, "again-copy.jsonl", "unverifiable")?;
    is_dead("again-copy.jsonl")
}

/// Of one that was killed: on Linux, nobody can say so.
fn of_windows_on_linux(stage: &Stage) -> Result<()> {
    let holder = stage.hold(At::First, "windows.jsonl")?;
    stage.first.restart()?;
    drop(holder);
    let report = stage.is_left_alone(At::Host, "windows.jsonl", "unverifiable")?;
    ensure!(report.to_string().contains("another kind of system"), "{report:#}");
    stage.takes(At::First, "windows.jsonl")
}

fn of_linux_on_windows(stage: &Stage) -> Result<()> {
    let mut holder = stage.hold(At::Host, "linux.jsonl")?;
    let report = stage.inspect(At::First, "linux.jsonl")?;
    ensure!(report["verdict"] != "dead", "of a living one: {report:#}");
    // The command inherited the lock; it ends with its input.
    holder.child.kill()?;
    holder.child.wait()?;
    drop(holder);
    for at in [At::First, At::Second] {
        let report = stage.is_left_alone(at, "linux.jsonl", "unverifiable")?;
        ensure!(report.to_string().contains("another kind of system"), "{report:#}");
    }
    stage.takes(At::Host, "linux.jsonl")
}

fn finding<'a>(report: &'a Value, source: &str) -> Result<&'a str> {
    let all = report["evidence"].as_array().context("evidence")?;
    let found = all.iter().find(|evidence| evidence["source"] == source);
    found.and_then(|f| f["finding"].as_str()).with_context(|| format!("no {source}: {report:#}"))
}

/// Removes what a killed holder left, as a human would.
fn remove(stage: &Stage, name: &str) {
    let path: &Path = &stage.locks.path().join(name);
    let _ = std::fs::remove_file(path);
}
