//! Renewed promises: contenders see them, readers read the record, a crash leaves it whole.

use std::time::Duration;

use lock_core::record::LockRecord;
use session_lock::{SectionError, SessionLock, SessionLockError, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say, wait_for_go};
use crate::help::{hold, lock, millis, now_or_never};
use crate::support::{Arena, Dice, now, quiet, scaled};

/// A stopped holder is evicted when its extended promise is over, not before.
pub(crate) fn contender_waits() {
    let _quiet = quiet();
    let arena = Arena::new();
    let plain = std::thread::spawn({
        let arena = Arena::new();
        move || evicted_after(&arena, 0)
    });
    let extended = evicted_after(&arena, 600);
    let plain = plain.join().expect("no panic");
    println!(
        "extend::contender_waits: a promise of 300 ms ended after {plain:?}, extended by \
              600 ms from 100 ms on after {extended:?}"
    );
    assert!((millis(300)..millis(600)).contains(&plain), "{plain:?}");
    // Contenders count in whole promises.
    assert!((millis(900)..millis(1200)).contains(&extended), "{extended:?}");
}

fn evicted_after(arena: &Arena, extend_ms: u64) -> Duration {
    let orders = Orders::new("extender").path("session", &arena.session()).with("max_hold", 300);
    let mut holder = orders.with("extend", extend_ms).start();
    let began = Duration::from_nanos(holder.expect("held ").parse().expect("nanoseconds"));
    holder.stop();
    let published = std::fs::read(arena.lock()).expect("a record");
    // What OpenClaw makes of it.
    let json: serde_json::Value = serde_json::from_slice(&published).expect("JSON");
    assert_eq!(json["maxHoldMs"], 300);
    let options = SessionOptions::default().timeout(millis(if extend_ms == 0 { 10 } else { 300 }));
    let hasty = SessionLock::new(arena.session(), options).expect("a lock").acquire();
    assert!(matches!(hasty, Err(SessionLockError::Timeout(_))), "{hasty:?}");
    let options = SessionOptions::default().timeout(Duration::from_secs(10));
    let patient = SessionLock::new(arena.session(), options).expect("a lock").acquire();
    let evicted = now() - began;
    drop(patient.expect("the lock"));
    holder.go_on();
    drop(holder.finish());
    evicted
}

pub(crate) fn extender(given: &Given) {
    let guard = given.session_lock().acquire().unwrap_or_else(|e| panic!("{e}"));
    let extend = given.millis("extend", 0);
    if !extend.is_zero() {
        std::thread::sleep(millis(100));
        // Also from inside a write section, where progress is made.
        let extended = guard.section(millis(100), || guard.extend(extend));
        extended.expect("it is held").expect("it can be extended");
    }
    say(&format!("held {}", guard.record().monotonic.expect("a time").as_nanos()));
    wait_for_go();
    assert!(guard.extend(extend.max(millis(1))).is_err(), "a lost lock cannot be extended");
}

/// A record stays within what readers read.
pub(crate) fn limit() {
    let arena = Arena::new();
    let guard = hold(&arena.session(), millis(100));
    let refused = guard.extend(Duration::from_secs(7200));
    assert!(matches!(refused, Err(SectionError::Io(_))), "{refused:?}");
    let before = std::fs::read(guard.path()).expect("a record");
    assert_eq!(LockRecord::parse(&before).expect("a record").renewals, 0, "nothing was promised");
    guard.extend(Duration::from_secs(6000)).expect("that fits");
    let after = std::fs::read(guard.path()).expect("a record");
    assert!(after.len() <= 64 * 1024 && after.starts_with(&before));
    let record = LockRecord::parse(&after).expect("a record");
    assert!(record.promised().expect("a promise") >= Duration::from_secs(6000));
    serde_json::from_slice::<serde_json::Value>(&after).expect("JSON");
    // What is not later than promised changes nothing.
    guard.extend(millis(1)).expect("nothing to do");
    assert_eq!(std::fs::read(guard.path()).expect("a record"), after);
    std::thread::sleep(millis(200));
    assert!(guard.is_held(), "the watchdog goes by the extended promise");
}

/// Killed at any moment of an extension: the record is readable, and the lock to be had at once.
pub(crate) fn killed() {
    let arena = Arena::new();
    let mut dice = Dice::new();
    let mut renewed = 0;
    // In µs. Grows until it reaches an extension, however long that takes here.
    let mut reach = 3_000;
    let mut rounds = 0;
    while rounds < scaled(100) || renewed == 0 {
        rounds += 1;
        let mut renewer = Orders::new("renewer").path("session", &arena.session()).start();
        renewer.expect("held");
        std::thread::sleep(Duration::from_micros(dice.below(reach)));
        renewer.strike();
        drop(renewer.end());
        let content = std::fs::read(arena.lock()).expect("a record");
        serde_json::from_slice::<serde_json::Value>(&content).expect("JSON");
        let record = LockRecord::parse(&content).expect("a record");
        renewed += u32::from(record.renewals > 0);
        if renewed == 0 {
            reach *= 2;
            assert!(reach < 5_000_000, "no record was ever renewed");
        }
        drop(now_or_never(&arena.session()).expect("a dead holder is reclaimed at once"));
    }
    println!("extend::killed: {renewed} of {rounds} records had been renewed");
}

pub(crate) fn renewer(given: &Given) {
    let guard = lock(&given.path("session"), millis(1000)).acquire().expect("the lock");
    say("held");
    for more in 1.. {
        guard.extend(millis(1000) * more).expect("it is held");
    }
}
