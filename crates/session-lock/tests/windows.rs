//! What only Windows has: pids that come back at once, whose low bits count for nothing, and
//! processes that have exited and can be opened all the same. With real processes: this program,
//! started again for the test that needs it.
#![cfg(windows)]

#[path = "../../lock-core/tests/os/mod.rs"]
mod os;

use std::io::{BufRead, BufReader};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lock_core::State;
use lock_core::policy::{Action, Reason};
use lock_core::record::{Dialect, LockRecord};
use os::{Ends, Process};
use session_lock::{SessionLock, SessionLockError, SessionOptions};

const SESSION: &str = "SESSION_LOCK_TEST_HOLDER";
const MAX_HOLD: Duration = Duration::from_secs(300);

fn lock(session: &Path) -> SessionLock {
    let options = SessionOptions::default().timeout(Duration::from_millis(100)).max_hold(MAX_HOLD);
    SessionLock::new(session, options).unwrap()
}

fn at(dir: &tempfile::TempDir, name: &str) -> PathBuf {
    dunce::canonicalize(dir.path()).unwrap().join(name)
}

/// Whether this is the other process: it takes the lock, says so, and waits for a line that says
/// how to end.
fn played() -> bool {
    let Some(session) = std::env::var_os(SESSION) else { return false };
    let guard = lock(Path::new(&session)).acquire().unwrap();
    println!("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    std::mem::forget(guard);
    match line.trim() {
        "abort" => std::process::abort(),
        code => std::process::exit(code.parse().unwrap()),
    }
}

/// A process that holds the lock of a session.
fn holder(test: &str, session: &Path) -> Ends {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(SESSION, session);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines.map(Result::unwrap).find(|line| line.contains("held")).expect("it takes the lock");
    Ends(child)
}

fn tell(child: &mut Child, line: &str) {
    use std::io::Write;
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
}

/// The record of a lock as another session's, without the claim on its owner byte: only the
/// process can tell.
fn copy(from: &Path, to: &Path, change: impl FnOnce(&mut LockRecord)) {
    let mut record = LockRecord::parse(&std::fs::read(from).unwrap()).unwrap();
    assert!(record.kernel_lock.take().is_some());
    change(&mut record);
    std::fs::write(to, record.to_bytes(Dialect::Session { max_hold: MAX_HOLD })).unwrap();
}

fn decision(session: &Path) -> (State, Action, Vec<Reason>) {
    let inspection = lock(session).inspect();
    let state = inspection.state();
    let (_, decision) = inspection.found.unwrap();
    (state, decision.action, decision.reasons)
}

/// An exit status of 259 looks like "still running", and an open handle keeps the process to be
/// found under its pid.
#[test]
fn exited_with_259_and_an_open_handle() {
    if played() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for (n, end) in ["259", "0", "abort"].into_iter().enumerate() {
        let session = at(&dir, &format!("s{n}.jsonl"));
        let mut child = holder("exited_with_259_and_an_open_handle", &session);
        let unclaimed = at(&dir, &format!("copy{n}.jsonl"));
        copy(lock(&session).path(), lock(&unclaimed).path(), |_| {});
        assert_eq!(decision(&session), (State::Held, Action::Wait, vec![]), "{end}");
        assert_eq!(decision(&unclaimed), (State::Held, Action::Wait, vec![]), "{end}");
        let handle = Process::of(child.0.id());
        tell(&mut child.0, end);
        assert!(handle.ends(Duration::from_secs(60)));
        // The child's own handle and this one are open still.
        let reclaim = |reason| (State::Stale, Action::Reclaim, vec![reason]);
        assert_eq!(decision(&session), reclaim(Reason::LockReleased), "{end}");
        assert_eq!(decision(&unclaimed), reclaim(Reason::DeadPid), "{end}");
        drop(lock(&session).acquire().unwrap());
        drop(lock(&unclaimed).acquire().unwrap());
    }
}

/// The system opens process 8 for 9, 10 and 11, too.
#[test]
fn the_three_numbers_after_a_pid() {
    if played() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let session = at(&dir, "s.jsonl");
    let child = holder("the_three_numbers_after_a_pid", &session);
    for more in 1..4 {
        let other = at(&dir, &format!("{more}.jsonl"));
        copy(lock(&session).path(), lock(&other).path(), |record| {
            record.owner.as_mut().unwrap().pid = child.0.id() + more;
        });
        let inspection = lock(&other).inspect();
        let (assessment, _) = inspection.found.unwrap();
        assert!(!assessment.is_alive(), "{more} more than a pid that lives");
        // A record of OpenClaw with such a number, likewise.
        let origin = format!("{{\"pid\": {}}}", child.0.id() + more);
        std::fs::write(lock(&other).path(), origin).unwrap();
        assert!(!lock(&other).inspect().found.unwrap().0.is_alive(), "{more}");
    }
    // The pid itself is somebody's who lives.
    let same = at(&dir, "same.jsonl");
    copy(lock(&session).path(), lock(&same).path(), |_| {});
    assert_eq!(decision(&same).0, State::Held);
}

/// The owner was killed, and its pid was given to the very process that wants the lock.
#[test]
fn the_contender_has_the_dead_owners_pid() {
    if played() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let session = at(&dir, "s.jsonl");
    let mut child = holder("the_contender_has_the_dead_owners_pid", &session);
    let mine = at(&dir, "mine.jsonl");
    copy(lock(&session).path(), lock(&mine).path(), |record| {
        record.owner.as_mut().unwrap().pid = std::process::id();
    });
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert_eq!(decision(&mine), (State::Stale, Action::Reclaim, vec![Reason::RecycledPid]));
    drop(lock(&mine).acquire().unwrap());
    drop(lock(&session).acquire().unwrap());
}

/// A suspended owner lives; a terminated one does not, suspended or not.
#[test]
fn a_suspended_owner() {
    if played() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let session = at(&dir, "s.jsonl");
    let child = holder("a_suspended_owner", &session);
    let unclaimed = at(&dir, "copy.jsonl");
    copy(lock(&session).path(), lock(&unclaimed).path(), |_| {});
    let process = Process::of(child.0.id());
    assert!(process.stop());
    for session in [&session, &unclaimed] {
        let refused = lock(session).acquire().map(drop);
        assert!(matches!(refused, Err(SessionLockError::Timeout(_))), "{refused:?}");
        assert_eq!(decision(session).0, State::Held);
    }
    assert!(process.kill());
    assert!(process.ends(Duration::from_secs(60)));
    drop(lock(&session).acquire().unwrap());
    drop(lock(&unclaimed).acquire().unwrap());
}

/// Somebody, a scanner for instance, has the lock file open and shares nothing: it may be in order,
/// so it is waited for, and there again when the other is done.
#[test]
fn a_lock_that_somebody_keeps_to_himself() {
    let dir = tempfile::tempdir().unwrap();
    let session = at(&dir, "s.jsonl");
    let path = lock(&session).path().to_owned();
    std::fs::write(&path, "{\"pid\": 4194304, \"createdAt\": \"2026-01-01T00:00:00Z\"}").unwrap();
    let mut alone = std::fs::File::options();
    let alone = alone.read(true).share_mode(0).open(&path).unwrap();
    let refused = lock(&session).acquire().expect_err("nobody can look at it");
    assert!(matches!(refused, SessionLockError::Timeout(_)), "{refused:?}");
    assert!(refused.to_string().contains("it cannot be opened"), "{refused}");
    let swept = session_lock::sweep(dir.path(), &SessionOptions::default(), true).unwrap();
    assert!(swept.locks.iter().all(|swept| !swept.removed), "{swept:?}");
    assert!(path.exists());
    drop(alone);
    drop(lock(&session).acquire().unwrap());
}
