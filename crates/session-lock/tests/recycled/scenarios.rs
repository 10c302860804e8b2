//! A dead owner, its successor under the same number, and a contender: this process, pid 1.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lock_core::policy::{Action, Reason};
use serde_json::{Value, json};
use session_lock::{ReleaseOutcome, SessionLock, SessionLockError, SessionOptions};

use crate::actor::{Actor, PID, next_pid};

/// A directory with the lock of an owner that was killed.
struct Left {
    _dir: tempfile::TempDir,
    file: PathBuf,
    record: Value,
}

impl Left {
    fn behind() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.jsonl");
        let holder = Actor::start(&["hold", file.to_str().unwrap()]);
        let record: Value =
            serde_json::from_slice(&std::fs::read(lock_of(&file)).unwrap()).unwrap();
        assert_eq!(record["pid"], PID);
        assert_eq!(record["starttime"], holder.start_tick());
        assert!(record["owner"]["processId"].is_string(), "this needs Linux 6.9: {record:#}");
        Self { _dir: dir, file, record }
    }

    /// Puts another record into the lock file.
    fn rewrite(&self, record: &Value) {
        std::fs::write(lock_of(&self.file), record.to_string()).unwrap();
    }

    /// The record, without some keys of its `owner`.
    fn without(&self, keys: &[&str]) -> Value {
        let mut record = self.record.clone();
        for key in keys {
            record["owner"].as_object_mut().unwrap().remove(*key).unwrap();
        }
        record
    }

    /// As OpenClaw would have written it.
    fn of_the_origin(&self, start_time: bool) -> Value {
        let mut record =
            json!({ "pid": PID, "createdAt": self.record["createdAt"], "maxHoldMs": 300_000 });
        if start_time {
            record["starttime"] = self.record["starttime"].clone();
        }
        record
    }

    fn lock(&self) -> SessionLock {
        let options = SessionOptions::default().timeout(Duration::ZERO);
        SessionLock::new(&self.file, options).unwrap()
    }

    #[track_caller]
    fn is_reclaimed_because(&self, reason: Reason) {
        let lock = self.lock();
        let (assessment, decision) = lock.inspect().found.unwrap();
        assert_eq!(decision.reasons, [reason], "{assessment:#?}");
        assert_eq!(decision.action, Action::Reclaim);
        let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
        assert_ne!(guard.record().owner.as_ref().unwrap().pid, PID);
        assert!(matches!(guard.release(), ReleaseOutcome::Released));
    }

    #[track_caller]
    fn is_respected(&self) {
        let before = std::fs::read(lock_of(&self.file)).unwrap();
        let lock = self.lock();
        let (assessment, decision) = lock.inspect().found.unwrap();
        assert!(assessment.is_alive(), "{assessment:#?}");
        assert_eq!((decision.action, decision.reasons), (Action::Wait, Vec::new()));
        let refused = lock.acquire().map(drop).unwrap_err();
        assert!(matches!(refused, SessionLockError::Timeout(_)), "{refused}");
        assert_eq!(std::fs::read(lock_of(&self.file)).unwrap(), before);
    }
}

fn lock_of(file: &Path) -> PathBuf {
    file.with_extension("jsonl.lock")
}

/// A successor that started at another tick than the owner.
fn successor_of(left: &Left) -> Actor {
    std::thread::sleep(Duration::from_millis(25));
    let successor = Actor::start(&["idle"]);
    assert_ne!(left.record["starttime"], successor.start_tick());
    successor
}

pub(crate) fn at_another_tick() {
    let left = Left::behind();
    let _successor = successor_of(&left);
    left.rewrite(&left.without(&["kernelLock"]));
    left.is_reclaimed_because(Reason::RecycledPid);
}

/// As a kernel before 6.9 would have it: the start time decides.
pub(crate) fn at_another_tick_without_process_ids() {
    let left = Left::behind();
    let _successor = successor_of(&left);
    left.rewrite(&left.without(&["kernelLock", "processId"]));
    left.is_reclaimed_because(Reason::RecycledPid);
}

/// Pid, start time and boot id are all equal: the inode of the pidfs decides.
pub(crate) fn within_one_tick() {
    let until = Instant::now() + Duration::from_secs(60);
    let mut attempts = 0;
    while Instant::now() < until {
        attempts += 1;
        let left = Left::behind();
        let successor = Actor::start(&["idle"]);
        if left.record["starttime"] != successor.start_tick() {
            continue;
        }
        println!("the same tick at attempt {attempts}");
        // What cannot tell them apart respects the successor: a lock that is held for too
        // long, never one that is taken from a living owner.
        left.rewrite(&left.of_the_origin(true));
        left.is_respected();
        left.rewrite(&left.without(&["kernelLock", "processId"]));
        left.is_respected();
        left.rewrite(&left.without(&["kernelLock"]));
        left.is_reclaimed_because(Reason::RecycledPid);
        return;
    }
    panic!("no two processes with one pid within one tick, in {attempts} attempts");
}

/// Runs `body` while a thread of this process has the owner's number.
fn beside_a_thread(body: impl FnOnce()) {
    let of_a_thread = PathBuf::from(format!("/proc/self/task/{PID}"));
    let thread = loop {
        next_pid();
        let thread = std::thread::spawn(std::thread::park);
        if of_a_thread.exists() {
            break thread;
        }
        thread.thread().unpark();
        thread.join().unwrap();
    };
    body();
    thread.thread().unpark();
    thread.join().unwrap();
}

pub(crate) fn as_a_thread() {
    let left = Left::behind();
    left.rewrite(&left.without(&["kernelLock"]));
    beside_a_thread(|| left.is_reclaimed_because(Reason::RecycledPid));
}

/// Untouched, the record's claim is what counts, whoever has the number.
pub(crate) fn the_record_as_it_was() {
    let left = Left::behind();
    {
        let _successor = successor_of(&left);
        left.is_reclaimed_because(Reason::LockReleased);
    }
    let left = Left::behind();
    beside_a_thread(|| left.is_reclaimed_because(Reason::LockReleased));
    let left = Left::behind();
    left.is_reclaimed_because(Reason::LockReleased);
}

pub(crate) fn origin_at_another_tick() {
    let left = Left::behind();
    left.rewrite(&left.of_the_origin(true));
    {
        let _successor = successor_of(&left);
        left.is_reclaimed_because(Reason::RecycledPid);
    }
    let left = Left::behind();
    left.rewrite(&left.of_the_origin(true));
    left.is_reclaimed_because(Reason::DeadPid);
}

/// Nothing in it tells the two apart.
pub(crate) fn origin_without_a_start_time() {
    let left = Left::behind();
    let _successor = successor_of(&left);
    left.rewrite(&left.of_the_origin(false));
    left.is_respected();
}

pub(crate) fn origin_as_a_thread() {
    for start_time in [true, false] {
        let left = Left::behind();
        left.rewrite(&left.of_the_origin(start_time));
        beside_a_thread(|| left.is_reclaimed_because(Reason::RecycledPid));
    }
}

/// The owner itself is not taken for its successor, by whatever its record says.
pub(crate) fn a_living_owner() {
    let left = Left::behind();
    let dead = left.record.clone();
    let _holder = Actor::start(&["hold", left.file.to_str().unwrap()]);
    let record: Value =
        serde_json::from_slice(&std::fs::read(lock_of(&left.file)).unwrap()).unwrap();
    assert_ne!(record["owner"]["id"], dead["owner"]["id"]);
    left.is_respected();
    let left = Left { record, ..left };
    left.rewrite(&left.without(&["kernelLock", "processId"]));
    left.is_respected();
    left.rewrite(&left.of_the_origin(true));
    left.is_respected();
}
