//! The policy and the defaults, number by number: what is promised to OpenClaw, not what the code
//! happens to say.

use std::time::Duration;

use lock_core::policy::{Disposition, Policy};
use runtime_deps_lock::{DEFAULT_LOCK_NAME, DEFAULT_TIMEOUT, DepsLock, DepsOptions, POLICY};

#[test]
fn the_policy() {
    let expected = Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Report,
        invalid_created_at: Disposition::Ignore,
        too_old: Disposition::Ignore,
        stale_after: Duration::MAX,
        hold_exceeded: Disposition::Ignore,
        nameless_grace: Duration::from_millis(30_000),
        dated_nameless_grace: Some(Duration::from_millis(600_000)),
    };
    assert_eq!(POLICY, expected);
}

#[test]
fn the_constants() {
    assert_eq!(DEFAULT_LOCK_NAME, ".openclaw-runtime-deps.lock");
    assert_eq!(DEFAULT_TIMEOUT, Duration::from_millis(300_000));
}

/// What a waiter is told that it still has, when nobody said how long it should wait.
#[test]
fn a_waiter_waits_five_minutes_unless_told_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let first_pause = |options: DepsOptions| {
        let lock = DepsLock::new(root.path(), options).unwrap();
        let mut held = Some(lock.acquire().unwrap());
        let mut told = None;
        let waited = lock.acquire_telling(|_, _, left| {
            told.get_or_insert(left);
            drop(held.take());
        });
        drop(waited.unwrap());
        told.expect("it had to wait")
    };
    let left = first_pause(DepsOptions::default()).expect("a deadline");
    assert!(left <= Duration::from_secs(300) && left > Duration::from_secs(290), "{left:?}");
    let left = first_pause(DepsOptions::default().timeout(Duration::from_secs(7))).unwrap();
    assert!(left <= Duration::from_secs(7) && left > Duration::ZERO, "{left:?}");
    assert_eq!(first_pause(DepsOptions::default().wait_forever()), None);
    let path = dunce::canonicalize(root.path()).unwrap().join(".openclaw-runtime-deps.lock");
    assert_eq!(DepsLock::new(root.path(), DepsOptions::default()).unwrap().path(), path);
}
