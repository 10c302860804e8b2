//! Several handles of one hold: the longest promise counts, and an old one harms nobody.

use std::time::Duration;

use lock_core::{End, ReleaseOutcome};
use session_lock::{SectionError, SessionGuard, SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say, wait_for_go};
use crate::help::{hold, millis};
use crate::support::{Arena, now, quiet};

fn lock(arena: &Arena, max_hold: Duration) -> SessionLock {
    let options = SessionOptions::default().timeout(millis(300)).max_hold(max_hold);
    SessionLock::new(arena.session(), options.reentrant(true)).expect("a lock")
}

/// In whichever order they come, and when the handle with the longest is gone.
pub(crate) fn longest_promise() {
    let _quiet = quiet();
    for (first, second) in [(200, 700), (700, 200)] {
        let arena = Arena::new();
        let a = lock(&arena, millis(first)).acquire().expect("the lock");
        let began = a.record().monotonic.expect("a time");
        let b = lock(&arena, millis(second)).acquire().expect("a handle");
        assert_eq!(a.record().id, b.record().id);
        assert!(matches!(SessionGuard::release(b), ReleaseOutcome::StillHeld));
        assert_eq!(a.lost().wait(Duration::from_secs(5)), Some(End::Overdue));
        let held = now() - began;
        assert!((millis(700)..millis(1000)).contains(&held), "{first}, {second}: {held:?}");
        // An evicted hold has no more handles to share.
        let fresh = lock(&arena, millis(first)).acquire().expect("the lock");
        assert_ne!(fresh.record().id, a.record().id);
    }
    // A handle comes with its promise, or not at all: a thread is inside for longer than this.
    let arena = Arena::new();
    let a = lock(&arena, Duration::from_secs(1)).acquire().expect("the lock");
    std::thread::scope(|scope| {
        let (tell, inside) = std::sync::mpsc::channel();
        let a = &a;
        scope.spawn(move || {
            a.section(millis(100), || {
                tell.send(()).expect("somebody waits");
                std::thread::sleep(millis(1500));
            })
        });
        inside.recv().expect("it gets in");
        let b = lock(&arena, Duration::from_secs(60)).acquire();
        if let Ok(b) = b {
            assert!(b.is_held(), "a handle with a promise that ended");
        }
    });
    // Taking it once more inside a write section does not wait for itself.
    let arena = Arena::new();
    let a = lock(&arena, Duration::from_secs(10)).acquire().expect("the lock");
    let nested = a.section(millis(100), || {
        let b = lock(&arena, Duration::from_secs(20)).acquire().expect("a handle");
        assert!(matches!(b.section(millis(10), || ()), Err(SectionError::Nested)));
        b.release()
    });
    assert!(matches!(nested, Ok(ReleaseOutcome::StillHeld)), "{nested:?}");
}

/// Handles of a holder that was stopped and evicted: all are lost, none touches the successor.
pub(crate) fn old_handle() {
    let arena = Arena::new();
    let mut stopped = Orders::new("stopped").path("session", &arena.session()).start();
    stopped.expect("held");
    stopped.stop();
    let options = SessionOptions::default().timeout(Duration::from_secs(10));
    let successor = SessionLock::new(arena.session(), options).expect("a lock").acquire();
    let successor = successor.expect("an overdue holder is evicted");
    stopped.go_on();
    stopped.tell("go on");
    drop(stopped.finish());
    assert!(successor.is_held());
    assert!(matches!(SessionGuard::release(successor), ReleaseOutcome::Released));
    drop(hold(&arena.session(), millis(100)));
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn stopped(given: &Given) {
    let options = SessionOptions::default().max_hold(millis(100)).reentrant(true);
    let options = options.timeout(Duration::ZERO);
    let lock = SessionLock::new(given.path("session"), options).expect("a lock");
    let (a, b) = (lock.acquire().expect("the lock"), lock.acquire().expect("a handle"));
    say("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a pipe");
    assert!(!a.is_held() && !b.is_held());
    assert!(lock.acquire().is_err(), "a handle of a hold that was lost");
    assert!(matches!(b.append(b"late\n"), Err(e) if e.to_string().contains("lost")));
    assert!(matches!(SessionGuard::release(a), ReleaseOutcome::StillHeld));
    assert!(matches!(SessionGuard::release(b), ReleaseOutcome::Lost));
    wait_for_go();
}
