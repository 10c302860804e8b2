//! A system whose byte locks do not belong to an open file: no lock is taken there, and every
//! lock can be looked at. And a file system whose lock calls fail: locks are taken and released
//! there, but only a human removes a dead owner's.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lock_core::filesystem::FsClass;
use lock_core::identity::{Observed, Process};
use lock_core::lockfile::{Attempt, Layout, LockFile, Reclaimed, ReleaseOutcome};
use lock_core::policy::{Action, Reason};
use lock_core::verdict::{DeathProof, Verdict};
use lock_core::{AcquireError, Acquisition, LockError, Request, State, SystemClock};
use rstest::rstest;

use crate::setup::{Scripted, alive, leave, names, policy, stamp};
use crate::sys::{Pretended, WHY};

fn lockless(path: &Path, layout: Layout, identity: Scripted) -> LockFile<Pretended> {
    let sys = Pretended { no_locks: true, ..Pretended::new(FsClass::Local) };
    LockFile::over(sys, path.to_owned(), layout, Arc::new(identity), Arc::new(SystemClock))
}

fn gone() -> Scripted {
    Scripted(Observed { process: Process::Gone, ..Observed::nothing("") })
}

/// That it says so, and says why.
fn is_refusal(error: &LockError) -> bool {
    matches!(error, LockError::Io { source, .. } if source.kind() == ErrorKind::Unsupported)
        && error.to_string().contains(WHY)
}

#[rstest]
fn a_lock_is_refused_at_once(
    #[values(Layout::File, Layout::Directory)] layout: Layout,
    #[values(false, true)] occupied: bool,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    match layout {
        Layout::File if occupied => leave(&path, |_| {}),
        Layout::Directory if occupied => {
            std::fs::create_dir(&path).unwrap();
            leave(&path.join("owner.json"), |_| {});
        }
        _ => {}
    }
    let before = names(dir.path());
    let lock = lockless(&path, layout, gone());
    assert!(is_refusal(&lock.attempt(&stamp()).unwrap_err()));

    let request = Request {
        stamp: stamp(),
        policy: policy(),
        timeout: Some(Duration::from_secs(60)),
        reentrant: false,
        fail_when_stale: false,
    };
    let asked = Instant::now();
    match Acquisition::new(lock, request).block(|_, _, _| {}) {
        Err(AcquireError::Lock(error)) => assert!(is_refusal(&error), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_eq!(names(dir.path()), before);
}

#[test]
fn a_dead_owner_s_lock_is_judged_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |_| {});
    let lock = lockless(&path, Layout::File, gone());
    let (inspection, look) = lock.inspect_pinned(&policy());
    assert_eq!(inspection.state(), State::Stale);
    let (seen, decision) = inspection.found.unwrap();
    // By its process: what its byte would say cannot be asked.
    assert_eq!(seen.verdict, Verdict::Dead(DeathProof::NoSuchProcess));
    assert_eq!((decision.action, decision.reasons), (Action::Reclaim, vec![Reason::DeadPid]));
    let told = seen.findings();
    let byte = told.iter().find(|f| f.source.as_str() == "kernel-lock").unwrap();
    assert_eq!((byte.finding, byte.detail.as_str()), ("unknown", "it cannot be probed"));

    let look = look.unwrap();
    let removed = lock.reclaim_if_stale(&look, &policy(), Duration::from_secs(1));
    assert!(is_refusal(&removed.unwrap_err()));
    assert!(is_refusal(&lock.break_lock(&look).unwrap_err()));
    assert_eq!(names(dir.path()), ["s.lock"]);
}

#[test]
fn a_living_owner_s_lock_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |_| {});
    let lock = lockless(&path, Layout::File, alive());
    assert_eq!(lock.inspect(&policy()).state(), State::Held);
}

fn failing(path: &Path, identity: Scripted) -> LockFile<Pretended> {
    let sys = Pretended { locks_fail: true, ..Pretended::new(FsClass::Network) };
    let (identity, clock) = (Arc::new(identity), Arc::new(SystemClock));
    LockFile::over(sys, path.to_owned(), Layout::File, identity, clock)
}

/// Between the check and the removal somebody else's lock could come: nobody risks it unasked.
#[test]
fn where_lock_calls_fail_a_human_removes_what_a_dead_owner_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |_| {});
    let lock = failing(&path, gone());

    let timeout = Some(Duration::from_millis(50));
    let request = Request {
        stamp: stamp(),
        policy: policy(),
        timeout,
        reentrant: false,
        fail_when_stale: false,
    };
    let error = Acquisition::new(failing(&path, gone()), request).block(|_, _, _| {}).unwrap_err();
    let AcquireError::Contended(contention) = error else { panic!("{error:?}") };
    let told = contention.obstacle.unwrap();
    assert!(told.contains(WHY) && told.contains("lockctl session break"), "{told}");

    let swept = lock.tend(&policy(), true).unwrap();
    assert!(!swept.removed && swept.obstacle.unwrap().contains(WHY));
    assert_eq!(names(dir.path()), ["s.lock"]);

    let (_, shown) = lock.inspect_pinned(&policy());
    assert!(matches!(lock.break_lock(&shown.unwrap()).unwrap(), Reclaimed::Removed));
    let Attempt::Acquired(guard) = lock.attempt(&stamp()).unwrap() else { panic!("it is free") };
    assert!(guard.record().kernel_lock.is_none());
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(dir.path()).is_empty());
}

/// Exactly what was shown, even there.
#[test]
fn where_lock_calls_fail_a_human_removes_no_successor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |_| {});
    let lock = failing(&path, gone());
    let shown = lock.inspect_pinned(&policy()).1.unwrap();
    assert!(matches!(lock.break_lock(&shown).unwrap(), Reclaimed::Removed));
    leave(&path, |_| {});
    assert!(matches!(lock.break_lock(&shown).unwrap(), Reclaimed::Changed));
    assert_eq!(names(dir.path()), ["s.lock"]);
}
