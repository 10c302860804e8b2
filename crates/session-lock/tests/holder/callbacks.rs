//! Callbacks do what they like: they neither wait for themselves nor stop the watchdog.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use lock_core::{End, ReleaseOutcome};
use session_lock::{SectionError, SessionGuard};

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::help::{hold, lock, millis, remove};
use crate::support::Arena;

const LONG: Duration = Duration::from_secs(300);

/// However a hold ends, its callback can use, drop and take locks.
pub(crate) fn may_do_anything() {
    let arena = Arena::new();
    // What finds out: a look, a write, the watchdog's look, the watchdog's clock.
    for (round, by) in ["is_held", "section", "watchdog", "clock"].into_iter().enumerate() {
        let session = arena.path().join(format!("{by}{round}"));
        let max_hold = if by == "clock" { millis(150) } else { LONG };
        let guard = Arc::new(Mutex::new(Some(hold(&session, max_hold))));
        let path = session.with_extension("lock");
        let (tell, hear) = mpsc::channel();
        {
            let (shared, session) = (Arc::clone(&guard), session.clone());
            let callback = move |end: End| {
                let mut guard = shared.lock().expect("no panic");
                let held = guard.as_ref().expect("a guard");
                let section = held.section(millis(100), || ());
                assert!(matches!(section, Err(SectionError::Lost)), "{section:?}");
                assert!(!held.is_held());
                drop(guard.take());
                let again = hold(&session, LONG);
                assert!(matches!(again.release(), ReleaseOutcome::Released));
                tell.send(end).expect("somebody listens");
            };
            guard.lock().expect("no panic").as_ref().expect("a guard").on_end(callback);
        }
        if by != "clock" {
            remove(guard.lock().expect("no panic").as_ref().expect("a guard").path());
        }
        {
            let guard = guard.lock().expect("no panic");
            match (by, guard.as_ref()) {
                ("is_held", Some(guard)) => assert!(!guard.is_held()),
                ("section", Some(guard)) => {
                    assert!(matches!(guard.section(millis(10), || ()), Err(SectionError::Lost)));
                }
                _ => {}
            }
        }
        let end = hear.recv_timeout(Duration::from_secs(5));
        let end = end.unwrap_or_else(|_| panic!("{by}: the callback hangs"));
        assert_eq!(end == End::Overdue, by == "clock", "{by}: {end:?}");
        assert!(!path.exists());
    }
    // A release tells its callbacks too, which find the lock free.
    let guard = hold(&arena.session(), LONG);
    let (tell, hear) = mpsc::channel();
    let session = arena.session();
    guard.on_end(move |end| {
        drop(hold(&session, LONG));
        tell.send(end).expect("somebody listens");
    });
    assert!(matches!(SessionGuard::release(guard), ReleaseOutcome::Released));
    assert_eq!(hear.recv_timeout(Duration::from_secs(5)), Ok(End::Released));
}

/// Callbacks and wakers that block or panic keep the watchdog from no other lock.
pub(crate) fn stop_nobody() {
    let arena = Arena::new();
    drop(Orders::new("panicker").path("dir", &arena.path()).start().finish());
}

struct Explosive;

impl Wake for Explosive {
    fn wake(self: Arc<Self>) {
        panic!("in a waker, on purpose");
    }
}

pub(crate) fn panicker(given: &Given) {
    std::panic::set_hook(Box::new(|_| {}));
    let dir = given.path("dir");
    let (panics, blocks, wakes) =
        (hold(&dir.join("a"), millis(100)), hold(&dir.join("b"), millis(100)), dir.join("c"));
    let (tell, hear) = mpsc::channel();
    panics.on_end(|_| panic!("in a callback, on purpose"));
    panics.on_end(move |end| tell.send(end).expect("somebody listens"));
    blocks.on_end(|_| std::thread::sleep(Duration::from_secs(60)));
    let wakes = hold(&wakes, millis(100));
    let mut lost = Box::pin(wakes.lost());
    let waker = Waker::from(Arc::new(Explosive));
    assert!(lost.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let later = hold(&dir.join("d"), millis(300));
    assert_eq!(hear.recv_timeout(Duration::from_secs(5)), Ok(End::Overdue));
    assert_eq!(later.lost().wait(Duration::from_secs(5)), Some(End::Overdue));
    let next = lock(&dir.join("a"), millis(100)).acquire().expect("the watchdog let go of it");
    assert_eq!(next.lost().wait(Duration::from_secs(5)), Some(End::Overdue));
    let gone = |guard: &SessionGuard| !guard.path().exists();
    crate::help::eventually(Duration::from_secs(3), "all go", || {
        [&blocks, &wakes, &later, &next].into_iter().all(gone)
    });
    say("all went");
}
