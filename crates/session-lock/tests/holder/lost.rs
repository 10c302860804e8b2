//! Losing a lock: whoever waits for it is told, whichever way it waits.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use lock_core::{End, ReleaseOutcome};
use session_lock::{SectionError, SessionGuard};

use crate::help::{hold, millis, remove};
use crate::support::{Arena, quiet};

const LONG: Duration = Duration::from_secs(300);

/// A runtime of one future.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait_for(future: impl Future<Output = End>) -> End {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(end) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return end;
        }
        std::thread::park_timeout(Duration::from_secs(20));
    }
}

fn replace(path: &Path) {
    let other = path.with_extension("other");
    std::fs::write(&other, "{}").expect("a file");
    crate::os::rename_over(&other, path);
}

/// By removal, by replacement, by its own watchdog: the future, the blocking form and the
/// callback all hear of it.
pub(crate) fn told() {
    let _quiet = quiet();
    let arena = Arena::new();
    let ways = [
        ("removed", LONG, End::Taken),
        ("replaced", LONG, End::Taken),
        ("evicted", millis(200), End::Overdue),
    ];
    for (way, max_hold, expected) in ways {
        let session = arena.path().join(way);
        let guard = hold(&session, max_hold);
        let (tell, hear) = mpsc::channel();
        guard.on_end({
            let tell = tell.clone();
            move |end| tell.send(("callback", end)).expect("somebody listens")
        });
        let (blocking, future, dropped) = (guard.lost(), guard.lost(), guard.lost());
        let other = tell.clone();
        std::thread::spawn(move || {
            tell.send(("blocking", blocking.wait(Duration::from_secs(20)).expect("an end")))
        });
        std::thread::spawn(move || other.send(("future", wait_for(future))));
        // One that was polled, and is given up.
        let mut dropped = Box::pin(dropped);
        assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(dropped);
        // After the watchdog has set up its watch.
        std::thread::sleep(millis(120));
        assert!(guard.is_held());
        let lost = Instant::now();
        match way {
            "removed" => remove(guard.path()),
            "replaced" => replace(guard.path()),
            _ => {}
        }
        for _ in 0..3 {
            let (who, end) = hear.recv_timeout(Duration::from_secs(5)).expect("all are told");
            println!("lost::told: {way}, by {who}: {:?}", lost.elapsed());
            assert_eq!(end, expected, "{way}, {who}");
            assert!(lost.elapsed() < millis(400), "{way}, {who}");
        }
        assert!(!guard.is_held());
        assert!(matches!(guard.section(millis(10), || ()), Err(SectionError::Lost)));
        assert!(matches!(guard.extend(LONG), Err(SectionError::Lost)));
        let (late, hear) = mpsc::channel();
        guard.on_end(move |end| late.send(end).expect("somebody listens"));
        assert_eq!(hear.try_recv(), Ok(expected), "who asks too late is told at once");
        let outcome = SessionGuard::release(guard);
        assert!(matches!(outcome, ReleaseOutcome::Lost), "{outcome:?}");
        let path = arena.path().join(format!("{way}.lock"));
        assert_eq!(path.exists(), way == "replaced", "what is there now is not ours to touch");
    }
}

/// Its event comes while a thread is inside a write section, and is not forgotten.
pub(crate) fn during_a_section() {
    let _quiet = quiet();
    let arena = Arena::new();
    let guard = hold(&arena.session(), LONG);
    std::thread::sleep(millis(120));
    let written = guard.section(millis(100), || {
        remove(guard.path());
        std::thread::sleep(millis(200));
    });
    assert!(written.is_ok());
    let since = Instant::now();
    assert_eq!(guard.lost().wait(Duration::from_secs(5)), Some(End::Taken));
    assert!(since.elapsed() < millis(400), "noticed after {:?}", since.elapsed());
}

/// What no event tells is found out within a second or so.
#[cfg(unix)]
pub(crate) fn directory_renamed() {
    let arena = Arena::new();
    let (here, there) = (arena.path().join("here"), arena.path().join("there"));
    let guard = hold(&here.join("chat.jsonl"), LONG);
    std::thread::sleep(millis(120));
    rustix::fs::rename(&here, &there).expect("it can be renamed");
    assert_eq!(guard.lost().wait(Duration::from_secs(5)), Some(End::Taken));
    assert!(matches!(SessionGuard::release(guard), ReleaseOutcome::Lost));
    assert!(there.join("chat.jsonl.lock").exists(), "another path's lock was touched");
}
