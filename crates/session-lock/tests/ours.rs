//! Records of ours: reboots, clocks, re-entrancy, and how a release ends.

mod support;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use lock_core::identity::{BootId, OwnerId, PidNamespace};
use lock_core::policy::{Action, Reason};
use lock_core::record::{Dialect, LockRecord};
use rstest::rstest;
use session_lock::{End, ReleaseOutcome, SessionLock, SessionLockError, SessionOptions};
use support::*;

const PROMISE: Duration = Duration::from_secs(300);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The bytes of a record of ours by `owner`, taken so long ago, that claims no kernel lock.
fn record(bench: &Bench, owner: OwnerId, age: Duration) -> String {
    let record = LockRecord {
        created_at: Some(bench.now() - age),
        monotonic: Some(lock_core::Clock::monotonic(&*bench.clock) - age),
        ..LockRecord::new(owner, "hand-made-1".to_owned())
    };
    String::from_utf8(record.to_bytes(Dialect::Session { max_hold: PROMISE })).unwrap()
}

#[test]
fn a_reboot_frees_the_lock_on_a_disk_whoever_has_the_pid_now() {
    let bench = Bench::new();
    let before =
        OwnerId { boot: BootId::Kernel(EARLIER_BOOT.to_owned()), ..owner(OTHER, OTHER_START) };
    bench.plant_lock(&record(&bench, before, Duration::ZERO), Duration::ZERO);
    if bench.is_on_a_disk() {
        let decided = bench.decide(bench.options());
        assert_eq!(decided, (Action::Reclaim, vec![Reason::BootIdMismatch]));
        drop(must_reclaim(&bench.lock()));
    } else {
        must_respect(&bench.lock());
        drop(must_reclaim(&bench.lock_with(bench.options().single_host(true))));
    }
}

#[rstest]
#[case::boot_unknown(OwnerId { boot: BootId::Unknown, ..owner(8, 1) })]
#[case::boot_doubtful(OwnerId { boot: BootId::Doubtful(EARLIER_BOOT.to_owned()), ..owner(8, 1) })]
#[case::other_namespace(OwnerId { namespace: Some(PidNamespace { inode: 2, id: None }), ..owner(8, 1) })]
#[case::namespace_unknown(OwnerId { namespace: None, ..owner(8, 1) })]
fn what_cannot_be_verified_is_waited_for(#[case] owner: OwnerId) {
    let bench = Bench::new();
    bench.plant_lock(&record(&bench, owner, Duration::ZERO), Duration::ZERO);
    assert_eq!(bench.decide(bench.options()), (Action::Wait, vec![]));
    let error = must_respect(&bench.lock());
    let text = error.to_string();
    assert!(text.contains("lockctl session break"), "the error says how to override: {text}");
}

#[rstest]
#[case::young(Duration::from_secs(60), Action::Wait, &[])]
#[case::at_the_promise(PROMISE, Action::Wait, &[])]
#[case::overdue(PROMISE + MS, Action::Reclaim, &[Reason::HoldExceeded])]
#[case::old(Duration::from_secs(1_801), Action::Reclaim, &[Reason::TooOld, Reason::HoldExceeded])]
fn a_clock_that_is_a_day_off_changes_no_decision(
    #[case] age: Duration,
    #[case] action: Action,
    #[case] reasons: &[Reason],
) {
    let bench = Bench::new();
    bench.plant_lock(&record(&bench, owner(OTHER, OTHER_START), age), Duration::ZERO);
    for step in [SignedDuration::ZERO, DAY, -DAY, -DAY] {
        bench.clock.move_wall(step);
        assert_eq!(bench.decide(bench.options()), (action, reasons.to_vec()), "{step}");
    }
}

#[test]
fn a_dead_owner_is_dead_whatever_the_clock_says() {
    let bench = Bench::new();
    bench.clock.move_wall(-DAY);
    bench.plant_lock(&record(&bench, owner(8, 1), Duration::ZERO), Duration::ZERO);
    drop(must_reclaim(&bench.lock()));
}

#[test]
fn an_age_that_rests_on_the_wall_clock_evicts_nobody() {
    let bench = Bench::new();
    let elsewhere = OwnerId { time_offset: None, ..owner(OTHER, OTHER_START) };
    bench.plant_lock(&record(&bench, elsewhere, PROMISE * 2), Duration::ZERO);
    let decided = bench.decide(bench.options());
    assert_eq!(decided, (Action::Report, vec![Reason::HoldExceeded]));
    let first = first_line(&must_respect(&bench.lock()));
    // A contender on a shared file system goes by its server's clock, which says: just now.
    let stale = first.starts_with("session file lock stale (hold-exceeded): pid=7 ");
    assert!(stale || bench.is_shared(), "{first}");
}

#[test]
fn one_lock_is_taken_again_only_by_opt_in() {
    let bench = Bench::new();
    let reentrant = bench.lock_with(bench.options().reentrant(true));
    let first = reentrant.acquire().unwrap();
    assert!(matches!(must_respect(&bench.lock()), SessionLockError::Timeout(_)));

    let second = reentrant.acquire().unwrap();
    assert!(matches!(first.release(), ReleaseOutcome::StillHeld));
    assert!(second.is_held() && bench.lock_path().exists());
    assert!(matches!(second.release(), ReleaseOutcome::Released));
    assert!(!bench.lock_path().exists());
}

/// Through a symbolic link, which not everybody may make on Windows.
#[cfg(unix)]
#[test]
fn two_paths_to_one_directory_are_one_lock() {
    let bench = Bench::new();
    let link = bench.dir().join("link");
    std::os::unix::fs::symlink(".", &link).unwrap();
    let lock = |dir: &std::path::Path, reentrant| {
        let options = bench.options().reentrant(reentrant);
        SessionLock::new(dir.join("chat.jsonl"), options).unwrap()
    };
    let direct = lock(bench.dir(), true).acquire().unwrap();
    assert_eq!(lock(&link, true).path(), direct.path());
    must_respect(&lock(&link, false));
    let linked = lock(&link, true).acquire().unwrap();
    assert!(matches!(direct.release(), ReleaseOutcome::StillHeld));
    assert!(matches!(linked.release(), ReleaseOutcome::Released));
}

#[test]
fn a_handle_is_not_had_of_a_lock_that_is_gone() {
    let bench = Bench::new();
    let lock = bench.lock_with(bench.options().reentrant(true));
    let first = lock.acquire().unwrap();
    remove(&bench.lock_path());
    let second = lock.acquire().unwrap();
    assert!(!first.is_held() && second.is_held(), "not a handle, but a lock of its own");
    assert!(matches!(first.release(), ReleaseOutcome::Lost));
    assert!(matches!(second.release(), ReleaseOutcome::Released));
}

#[test]
fn threads_exclude_each_other_on_the_systems_own_clock_and_identity() {
    let bench = Bench::new();
    let session = bench.dir().join("chat.jsonl");
    let inside = AtomicU32::new(0);
    let total = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let options = SessionOptions::default().timeout(Duration::from_secs(60));
                let lock = SessionLock::new(&session, options).unwrap();
                for _ in 0..25 {
                    let guard = lock.acquire().unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    total.fetch_add(1, Ordering::Relaxed);
                    assert!(matches!(guard.release(), ReleaseOutcome::Released));
                }
            });
        }
    });
    assert_eq!(total.into_inner(), 100);
    assert!(!bench.lock_path().exists());
}

#[test]
fn a_guard_whose_file_was_removed_by_hand_has_lost_its_lock() {
    let bench = Bench::new();
    let guard = bench.lock().acquire().unwrap();
    remove(&bench.lock_path());
    assert!(!guard.is_held());
    assert!(guard.section(PROMISE, || panic!("a write without the lock")).is_err());
    assert!(matches!(guard.release(), ReleaseOutcome::Lost));
}

#[rstest]
#[case::released(true)]
#[case::dropped(false)]
fn a_successors_file_is_not_touched(#[case] release: bool) {
    let bench = Bench::new();
    let guard = bench.lock().acquire().unwrap();
    let copy = fs::read(bench.lock_path()).unwrap();
    remove(&bench.lock_path());
    // Even if it says the very same: another inode is another lock.
    fs::write(bench.lock_path(), &copy).unwrap();
    assert!(!guard.is_held());
    if release {
        assert!(matches!(guard.release(), ReleaseOutcome::Lost));
    } else {
        drop(guard);
    }
    assert_eq!(fs::read(bench.lock_path()).unwrap(), copy);
}

/// By way of a contender, that is: its own watchdog lets go, and may be faster than the contender.
#[test]
fn a_process_never_evicts_itself() {
    for _ in 0..100 {
        let bench = Bench::new();
        let slow = bench.lock_with(bench.options().max_hold(PROMISE)).acquire().unwrap();
        bench.clock.advance(PROMISE * 10);
        let contender = bench.lock().acquire();
        let is_there = bench.lock_path().exists();
        if slow.lost().wait(Duration::ZERO) == Some(End::Overdue) {
            continue;
        }
        let error = contender.expect_err("it is held");
        assert!(matches!(error, SessionLockError::Stale(_)), "{error:?}");
        assert!(is_there);
        return;
    }
    panic!("the watchdog was faster each time");
}

#[test]
fn a_release_leaves_no_trace() {
    let bench = Bench::new();
    let guard = bench.lock().acquire().unwrap();
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert_eq!(fs::read_dir(bench.dir()).unwrap().count(), 0);
}

/// A copy of a lock file is nobody's lock, and never the way to another session's guard.
#[test]
fn a_copy_of_our_own_lock_is_not_our_lock() {
    let bench = Bench::new();
    let options = bench.options().reentrant(true);
    let guard = bench.lock_with(options.clone()).acquire().unwrap();
    let copy = bench.dir().join("other.jsonl");
    fs::copy(bench.lock_path(), copy.with_extension("jsonl.lock")).unwrap();
    let second = SessionLock::new(&copy, options).unwrap().acquire().unwrap();
    assert_ne!(second.record().id, guard.record().id);
    assert_eq!(second.session().file_name(), copy.file_name());
    assert!(guard.is_held() && second.is_held());
}

/// A file that names no owner yet is what an OpenClaw leaves between creating and writing.
#[test]
fn failing_when_stale_does_not_fail_for_a_young_file_without_an_owner() {
    let bench = Bench::new();
    let path = bench.plant_lock("", Duration::ZERO);
    let clock = std::sync::Arc::new(session_lock::SystemClock);
    let options = bench.options().timeout(Duration::from_secs(20)).fail_when_stale(true);
    let lock = bench.lock_with(options.clock(clock));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| lock.acquire().map(|guard| guard.release()));
        thread::sleep(Duration::from_millis(300));
        assert!(!waiter.is_finished(), "it gave up on a young file");
        remove(&path);
        assert!(matches!(waiter.join().unwrap(), Ok(ReleaseOutcome::Released)));
    });
}

/// Whatever a record promises, nothing overflows.
#[test]
fn an_endless_promise_is_just_respected() {
    let bench = Bench::new();
    let theirs = record(&bench, owner(OTHER, OTHER_START), Duration::ZERO);
    let promise = format!("\"maxHoldMs\": {}", PROMISE.as_millis());
    let endless = theirs.replace(&promise, "\"maxHoldMs\": 18446744073709551615");
    assert_ne!(endless, theirs);
    bench.plant_lock(&(endless + &"\n".repeat(3000)), Duration::ZERO);
    must_respect(
        &bench.lock_with(
            bench
                .options()
                .timeout(Duration::from_millis(50))
                .clock(std::sync::Arc::new(session_lock::SystemClock)),
        ),
    );
}
