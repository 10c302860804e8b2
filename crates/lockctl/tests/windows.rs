//! `lockctl` on Windows: the command's job, what ends it, and who gets the lock then.
#![cfg(windows)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than anything takes; far shorter than what would otherwise be waited for.
const LONG: Duration = Duration::from_secs(20);

/// A directory with session files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn lock(&self, name: &str) -> PathBuf {
        self.at(&format!("{name}.lock"))
    }
}

fn lockctl() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lockctl"))
}

/// `lockctl session run OPTIONS FILE -- COMMAND`.
fn run(options: &[&str], file: &Path, command: &[&str]) -> Command {
    let mut lockctl = lockctl();
    lockctl.args(["session", "run"]).args(options).arg(file).arg("--").args(command);
    lockctl
}

/// Never ends by itself, as long as its input stays open.
const FOR_EVER: [&str; 3] = ["cmd", "/c", "echo running & pause"];

/// A process beside the test. Killed when dropped.
struct Running {
    child: Child,
    out: BufReader<Box<dyn Read>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out: Box<dyn Read> = Box::new(child.stdout.take().unwrap());
        Self { child, out: BufReader::new(out) }
    }

    /// Waits until it says so.
    fn says(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ends without {what:?}");
        }
    }

    fn code(&mut self) -> i32 {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_command_runs_with_the_lock_held_and_its_status_is_the_tools() {
    let place = Place::new();
    let file = place.at("chat.jsonl");
    let command = ["cmd", "/c", "echo %LOCKCTL_LOCK% %LOCKCTL_ID% & exit 7"];
    let output = run(&[], &file, &command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}{}", text(&output));
    assert!(said.contains("chat.jsonl.lock ") && !said.contains("%LOCKCTL"), "{said}");
    assert!(!place.lock("chat.jsonl").exists());

    let output = run(&[], &file, &["no-such-program-anywhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    assert!(!place.lock("chat.jsonl").exists());
}

#[test]
fn who_comes_second_waits_and_is_told_who_holds_it() {
    let place = Place::new();
    let file = place.at("chat.jsonl");
    let mut holder = Running::start(run(&[], &file, &FOR_EVER));
    holder.says("running");
    let output = run(&["--timeout", "200ms"], &file, &["cmd", "/c", "exit 0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", text(&output));
    let pid = holder.child.id().to_string();
    assert!(text(&output).contains(&pid), "{pid}: {}", text(&output));

    let output = lockctl().args(["session", "inspect", "--json"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains(r#""state": "held""#), "{said}");

    let mut second = Running::start(run(&[], &file, &["cmd", "/c", "echo second & exit 3"]));
    std::thread::sleep(Duration::from_millis(300));
    drop(holder.child.stdin.take());
    assert_eq!(holder.code(), 0);
    second.says("second");
    assert_eq!(second.code(), 3);
    assert!(!place.lock("chat.jsonl").exists());
}

/// Without a word the holder is gone, and with it its command and what that had started: nobody
/// writes on. Whoever waits gets the lock at once.
#[test]
fn a_killed_holder_takes_its_command_along_and_the_lock_is_free_at_once() {
    let place = Place::new();
    let (file, inner) = (place.at("outer.jsonl"), place.at("inner.jsonl"));
    let mut command = vec![env!("CARGO_BIN_EXE_lockctl"), "session", "run"];
    let inner_path = inner.to_str().unwrap();
    command.extend([inner_path, "--"].iter().chain(&FOR_EVER));
    let mut holder = Running::start(run(&[], &file, &command));
    holder.says("running");
    let waiter = run(&["--timeout", "15s"], &file, &["cmd", "/c", "echo mine"]);
    let mut waiter = Running::start(waiter);
    std::thread::sleep(Duration::from_millis(500));

    let killed = Instant::now();
    holder.child.kill().unwrap();
    waiter.says("mine");
    println!("the waiter's command ran {:?} after the kill", killed.elapsed());
    assert_eq!(waiter.code(), 0);

    // The command, itself a holder, is gone as well.
    let output = run(&["--timeout", "10s"], &inner, &["cmd", "/c", "exit 0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(!place.lock("inner.jsonl").exists() && !place.lock("outer.jsonl").exists());
}

#[test]
fn the_command_and_all_that_it_started_is_stopped_at_its_maximum() {
    let place = Place::new();
    let (file, inner) = (place.at("outer.jsonl"), place.at("inner.jsonl"));
    let mut command = vec![env!("CARGO_BIN_EXE_lockctl"), "session", "run"];
    command.extend([inner.to_str().unwrap(), "--"].iter().chain(&FOR_EVER));
    let started = Instant::now();
    let mut holder = Running::start(run(&["--max-hold", "1500ms"], &file, &command));
    holder.says("running");
    assert_eq!(holder.code(), 124);
    println!("stopped {:?} after the start", started.elapsed());
    assert!(!place.lock("outer.jsonl").exists());
    let output = run(&["--timeout", "10s"], &inner, &["cmd", "/c", "exit 0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

const INNER: &str = "LOCKCTL_TEST_INNER";

/// What the command leaves running when it has ended is not the tool's to end.
#[test]
#[expect(clippy::zombie_processes, reason = "that nobody waits for it is the point")]
fn what_the_command_leaves_running_lives_on() {
    if let Some(inner) = std::env::var_os(INNER) {
        // This program as the command: it starts another holder, and ends.
        run(&[], Path::new(&inner), &FOR_EVER).env_remove(INNER).spawn().unwrap();
        return until_it_exists(&PathBuf::from(inner).with_extension("jsonl.lock"));
    }
    let place = Place::new();
    let (file, inner) = (place.at("outer.jsonl"), place.at("inner.jsonl"));
    let this = std::env::current_exe().unwrap();
    let name = "what_the_command_leaves_running_lives_on";
    let mut command = run(&[], &file, &[this.to_str().unwrap(), "--exact", name, "--nocapture"]);
    command.env(INNER, &inner);
    let mut holder = Running::start(command);
    let input = holder.child.stdin.take();
    assert_eq!(holder.code(), 0);
    assert!(!place.lock("outer.jsonl").exists());
    std::thread::sleep(Duration::from_millis(200));
    let tried = run(&["--timeout", "0"], &inner, &["cmd", "/c", "exit 0"]).output().unwrap();
    assert_eq!(tried.status.code(), Some(75), "{}", text(&tried));
    // What it reads from: it ends.
    drop(input);
    let after = run(&["--timeout", "15s"], &inner, &["cmd", "/c", "exit 0"]).output().unwrap();
    assert_eq!(after.status.code(), Some(0), "{}", text(&after));
}

fn until_it_exists(path: &Path) {
    let deadline = Instant::now() + LONG;
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_install_root_is_locked_and_left_empty() {
    let place = Place::new();
    let root = place.at("root");
    let mut holder = lockctl();
    holder.args(["deps", "run"]).arg(&root).arg("--").args(FOR_EVER);
    let mut holder = Running::start(holder);
    holder.says("running");
    let entries = |dir: &Path| std::fs::read_dir(dir).unwrap().count();
    assert_eq!(entries(&root), 1);
    let mut second = lockctl();
    second.args(["deps", "run", "--timeout", "0"]).arg(&root).args(["--", "cmd", "/c", "exit 0"]);
    assert_eq!(second.output().unwrap().status.code(), Some(75));
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    let mut third = lockctl();
    third.args(["deps", "run", "--timeout", "10s"]).arg(&root).args(["--", "cmd", "/c", "exit 5"]);
    let output = third.output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert_eq!(entries(&root), 0);
}
