//! Cancelled tasks: futures that are dropped at any point while they acquire.

use std::time::Duration;

use session_lock::ReleaseOutcome;

use crate::actor::{Given, say};
use crate::contention::settled;
use crate::crew::Orders;
use crate::journal::Journal;
use crate::os;
use crate::support::{Arena, Dice, now, scaled, stormy};

/// Hundreds of them, against a process that takes and releases the same lock all the time.
pub(crate) fn dropped_futures() {
    let _weather = stormy();
    let arena = Arena::new();
    let session = arena.session();
    let orders = |role| Orders::new(role).path("session", &session).path("journal", &session);
    let hammer = orders("hammer").with("hold_us", 2_000).start();
    let canceller = orders("canceller").with("rounds", scaled(20)).start();
    print!("cancel::dropped_futures: {}", canceller.finish());
    drop(hammer.finish());
    settled(&arena, "cancel::dropped_futures");
}

const TASKS: u64 = 40;

pub(crate) fn actor(given: &Given) {
    let journal = std::sync::Arc::new(Journal::open(&given.path("journal")));
    let lock = given.session_lock();
    // What a process opens once stays open: the watcher's descriptor.
    drop(lock.acquire().unwrap_or_else(|e| panic!("{e}")));
    drop(lock_core::Watch::new(&given.path("session")));
    let before = os::open_files();
    let mut dice = Dice::new();
    let (mut had, mut dropped) = (0, 0);
    for round in 0..given.number("rounds", 1) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .expect("a runtime");
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (lock, journal) = (lock.clone(), journal.clone());
                let who = format!("{}.{task}", given.nr());
                let patience = Duration::from_micros(dice.below(30_000));
                let aborted = dice.below(3) == 0;
                let acquire = async move {
                    let Ok(guard) = tokio::time::timeout(patience, lock.acquire_async()).await
                    else {
                        return false;
                    };
                    let guard = guard.unwrap_or_else(|e| panic!("{e}"));
                    // No await in here, so that a section that begins also ends.
                    journal.begin(&who, round, now(), Duration::ZERO);
                    if !guard.get().is_held() {
                        journal.complain(&who, "the lock was lost while it was held");
                    }
                    journal.end(&who, round, now());
                    // A dropped guard releases, and so does a release that nobody waits for.
                    let release = guard.release();
                    if task % 2 == 0 {
                        let outcome = release.await;
                        if !matches!(outcome, ReleaseOutcome::Released) {
                            journal.complain(&who, &format!("release: {outcome:?}"));
                        }
                    }
                    true
                };
                (runtime.spawn(acquire), aborted)
            })
            .collect();
        runtime.block_on(async {
            for (task, aborted) in tasks {
                if aborted {
                    tokio::time::sleep(Duration::from_micros(dice.below(2_000))).await;
                    task.abort();
                }
                match task.await {
                    Ok(true) => had += 1,
                    Ok(false) => dropped += 1,
                    Err(error) if error.is_cancelled() => dropped += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        // Waits for what is still under way on blocking threads.
        drop(runtime);
    }
    let after = os::open_files();
    say(&format!("{had} had the lock, {dropped} were dropped; {before} descriptors, then {after}"));
    assert_eq!(before, after, "descriptors leaked");
    assert!(had > 0 && dropped > 0);
}
