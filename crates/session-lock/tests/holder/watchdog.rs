//! The watchdog: on time, for everybody, once; and it costs nothing.

use std::time::{Duration, Instant};

use lock_core::End;
use lock_core::lockfile::{Attempt, Layout, SectionError, Stamp};
use lock_core::record::Dialect;

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::help::{Log, eventually, hold, millis, owner_byte_is_held, take_binding_byte};
use crate::mutant::Altered;
use crate::os;
use crate::support::{Arena, Terms, acquire, lock_over, now, quiet};

const MAX_HOLD: Duration = Duration::from_millis(500);

/// One release fails, one lock is inside a write section, one meets a busy contender: the others
/// are served on time, and these as soon as it can be done.
pub(crate) fn several_guards() {
    let _quiet = quiet();
    let arena = Arena::new();
    print!("{}", Orders::new("several").path("dir", &arena.path()).start().finish());
}

pub(crate) fn several(given: &Given) {
    let log = Log::start();
    let dir = given.path("dir");
    let at = |name: &str| dir.join(name);
    let terms = Terms { layout: Layout::File, timeout: MAX_HOLD, max_hold: MAX_HOLD };
    // First, so that the watchdog meets it first.
    let stuck = lock_over(Altered::STUCK, &at("stuck.lock"), Layout::File);
    let stuck = acquire(&stuck, terms).expect("the lock");
    let busy = hold(&at("busy"), MAX_HOLD);
    let byte = take_binding_byte(busy.path());
    let writing = hold(&at("writing"), MAX_HOLD);
    let plain = hold(&at("plain"), MAX_HOLD);
    let (began, wrote, again) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let wrote = writing.section(millis(100), || {
                std::thread::sleep(MAX_HOLD * 2);
                assert!(writing.path().exists(), "the file went under a write section");
                now()
            });
            (wrote.expect("it was held"), writing.section(millis(500), || ()))
        });
        let began = plain.record().monotonic.expect("a time");
        let late = |end: Option<End>, what: &str| {
            assert_eq!(end, Some(End::Overdue), "{what}");
            let after = now() - began;
            assert!(after < MAX_HOLD * 2, "{what} ended {after:?} after it began");
        };
        late(plain.lost().wait(millis(2000)), "the plain one");
        late(writing.lost().wait(millis(2000)), "the writing one");
        assert!(!writing.is_held());
        late(busy.lost().wait(millis(2000)), "the busy one");
        late(stuck.lost().wait(millis(2000)), "the stuck one");
        eventually(millis(2000), "the plain one goes", || !plain.path().exists());
        let gone = now() - began;
        assert!(gone >= MAX_HOLD, "it went too early: {gone:?}");
        say(&format!("watchdog::several_guards: let go {gone:?} after the record's time"));
        eventually(millis(2000), "the owner byte goes", || !owner_byte_is_held(stuck.path()));
        assert!(owner_byte_is_held(busy.path()), "somebody is at work on it");
        drop(byte);
        eventually(millis(2000), "the busy one goes", || !busy.path().exists());
        let (wrote, again) = writer.join().expect("no panic");
        (began, wrote, again)
    });
    assert!(wrote - began > MAX_HOLD * 2 - millis(50));
    assert!(matches!(again, Err(SectionError::Lost)), "{again:?}");
    eventually(millis(2000), "the writing one goes", || !writing.path().exists());
    for (path, text) in [
        (plain.path(), "held longer than promised: let go path="),
        (writing.path(), "held longer than promised: let go path="),
        (busy.path(), "held longer than promised: let go path="),
        (stuck.path(), "let go, but its file could not be removed path="),
    ] {
        let lines = || log.lines(&path.display().to_string());
        // It is logged right after the file went.
        eventually(millis(2000), "a warning", || !lines().is_empty());
        let lines = lines();
        let one = lines.len() == 1 && lines[0].contains(text) && lines[0].contains("WARN");
        let limits = lines[0].contains("held=") && lines[0].contains(r#"max="500ms""#);
        assert!(one && limits, "{lines:?}");
    }
    // Whoever releases is told the outcome; it is not logged besides.
    assert!(matches!(plain.release(), lock_core::ReleaseOutcome::Lost));
    assert_eq!(log.lines("plain").len(), 1, "{:?}", log.lines("plain"));
    // A released lock whose signal is kept has nothing to warn of later.
    let quick = hold(&at("quick"), MAX_HOLD);
    let signal = quick.lost();
    let panics = || quick.section(millis(100), || panic!("in a write section"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert!(matches!(quick.release(), lock_core::ReleaseOutcome::Released));
    std::thread::sleep(MAX_HOLD + millis(150));
    assert_eq!(signal.end(), Some(End::Released));
    assert_eq!(log.lines("quick"), [""; 0]);
}

/// A held lock costs no time, and the thread goes a while after the last lock.
pub(crate) fn idle() {
    let _quiet = quiet();
    let arena = Arena::new();
    print!("{}", Orders::new("idler").path("session", &arena.session()).start().finish());
}

/// `None` where nobody can tell.
fn watchdogs() -> Option<usize> {
    os::threads_named("lock-watchdog")
}

pub(crate) fn idler(given: &Given) {
    let session = given.path("session");
    for round in 0..2 {
        let guard = hold(&session, Duration::from_secs(300));
        eventually(millis(2000), "a watchdog", || watchdogs().is_none_or(|n| n == 1));
        std::thread::sleep(millis(200));
        let before = os::cpu_time();
        let seconds = if round == 0 { 5 } else { 1 };
        std::thread::sleep(Duration::from_secs(seconds));
        let spent = os::cpu_time() - before;
        // Where time is counted in steps, each of the looks, one a second, may be charged a whole one.
        let looks = u32::try_from(seconds).expect("a few") + 1;
        assert!(
            spent < millis(10) + os::CPU_STEP * looks,
            "{spent:?} of CPU to hold a lock for {seconds} s"
        );
        say(&format!("watchdog::idle: {spent:?} of CPU to hold a lock for {seconds} s"));
        let released = Instant::now();
        drop(guard);
        if watchdogs().is_some() {
            let left = || watchdogs() == Some(0);
            let gone = eventually(Duration::from_secs(5), "the thread goes", left);
            assert!(released.elapsed() >= Duration::from_secs(2), "it went after {gone:?}");
        }
    }
    // Locks that are taken while a thread makes up its mind to go find one, or get their own.
    let linger = Duration::from_secs(2);
    for round in 0..3_u32 {
        let guard = hold(&session, MAX_HOLD);
        drop(guard);
        std::thread::sleep(linger + millis(20) * round);
        let guard = hold(&session, millis(20));
        assert_eq!(guard.lost().wait(millis(2000)), Some(End::Overdue));
    }
}

/// What was published and cannot be kept is taken back.
pub(crate) fn blind_and_uninherited() {
    let arena = Arena::new();
    let lock = lock_over(Altered::BLIND, &arena.lock(), Layout::File);
    let dialect = Dialect::Session { max_hold: MAX_HOLD };
    let mut stamp = Stamp { dialect, label: None, inheritable: false };
    let Ok(Attempt::Acquired(guard)) = lock.attempt(&stamp) else {
        panic!("its own first record was in its way");
    };
    assert!(guard.record().kernel_lock.is_none(), "it claims a lock that nobody sees");
    drop(guard);
    // No second description for children to inherit.
    let lock = lock_over(Altered { open: false, ..Altered::NATIVE }, &arena.lock(), Layout::File);
    stamp.inheritable = true;
    assert!(lock.attempt(&stamp).is_err());
    assert_eq!(arena.leftovers(), [""; 0]);
}
