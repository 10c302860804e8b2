//! A wedged runtime: no task makes progress, the watchdog does.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use lock_core::{End, ReleaseOutcome};
use session_lock::{AppendError, SectionError};

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::help::{eventually, lock, millis};
use crate::support::{Arena, now, quiet};

const MAX_HOLD: Duration = Duration::from_millis(300);

/// All workers are in CPU loops for three times the promise: the lock goes on time, and the
/// program learns it afterwards.
pub(crate) fn blocked_workers() {
    let _quiet = quiet();
    let arena = Arena::new();
    let actor = Orders::new("blocked-runtime").path("session", &arena.session()).start();
    let said = actor.finish();
    println!("watchdog::blocked_workers: let go {} ms after the record's time", said.trim());
    let let_go: u64 = said.trim().parse().expect("milliseconds");
    assert!((300..600).contains(&let_go), "{let_go} ms");
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn blocked_runtime(given: &Given) {
    const WORKERS: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("a runtime");
    let session = given.path("session");
    let guard = runtime.block_on(lock(&session, MAX_HOLD).acquire_async()).expect("the lock");
    let began = guard.get().record().monotonic.expect("a time");
    let path = guard.get().path().to_owned();
    let (told, gone) = mpsc::channel();
    let observer = std::thread::spawn(move || {
        eventually(Duration::from_secs(5), "the lock file goes", || !path.exists());
        told.send(now() - began).expect("somebody listens");
    });
    let task = runtime.spawn(async move {
        for _ in 1..WORKERS {
            tokio::spawn(async { busy_for(MAX_HOLD * 3) });
        }
        busy_for(MAX_HOLD * 3);
        assert!(!guard.get().is_held());
        assert_eq!(guard.lost().await, End::Overdue);
        let late = guard.append("late\n").await;
        assert!(matches!(late, Err(AppendError::Fence(SectionError::Lost))), "{late:?}");
        let outcome = guard.release().await;
        assert!(matches!(outcome, ReleaseOutcome::Lost), "{outcome:?}");
    });
    runtime.block_on(task).expect("no panic");
    let let_go = gone.recv_timeout(millis(5000)).expect("it went");
    observer.join().expect("no panic");
    assert_eq!(std::fs::read(&session).expect("a session"), b"");
    say(&let_go.as_millis().to_string());
}

fn busy_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
