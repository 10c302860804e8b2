//! Overdue holders: stopped past their promise and evicted, or letting go at the very moment.

use std::path::Path;
use std::time::Duration;

use lock_core::ReleaseOutcome;
use lock_core::lockfile::sys::Native;
use lock_core::lockfile::{Layout, SectionError};
use session_lock::SessionGuard;

use crate::actor::{Given, say, wait_for_go};
use crate::contention::settled;
use crate::crew::{Actor, Barrier, FCNTL, Orders, STAT};
use crate::journal::Journal;
use crate::stale::contender;
use crate::support::{Arena, Dice, Terms, acquire, lock_over, now, scaled, stormy};

const MAX_HOLD_MS: u64 = 50;

/// A holder with a short promise, which it breaks.
pub(crate) fn breaker(arena: &Arena) -> Orders {
    let session = arena.session();
    let orders = Orders::new("overdue").path("session", &session).path("journal", &session);
    orders.with("max_hold", MAX_HOLD_MS)
}

/// Evicted not before its promise ran out; finds out; leaves its successor alone.
pub(crate) fn stopped_holders() {
    let _weather = stormy();
    let arena = Arena::new();
    let rounds = scaled(60);
    let mut dice = Dice::new();
    for _ in 0..rounds {
        // Some wait for the moment, some come in just before it.
        let mut late = || dice.below(MAX_HOLD_MS * 1200);
        let late = [0, late(), late(), late()];
        let crew = late.map(|after| contender(&arena).with("after_us", after));
        let barrier = Barrier::of(crew);
        let mut holder = breaker(&arena).start();
        holder.expect("held");
        holder.stop();
        barrier.open().into_iter().for_each(|actor| drop(actor.finish()));
        wakes_up_evicted(&arena, holder);
    }
    let tally = settled(&arena, "overdue::stopped_holders");
    assert_eq!(tally.evicted, rounds as usize);
}

/// Lets an evicted holder go on while a successor has the lock.
pub(crate) fn wakes_up_evicted(arena: &Arena, holder: Actor) {
    let file = Layout::File;
    let (timeout, max_hold) = (Duration::from_secs(30), Duration::from_secs(300));
    let lock = lock_over(Native, &arena.lock(), file);
    let successor = acquire(&lock, Terms { layout: file, timeout, max_hold }).expect("the lock");
    let inode = || crate::os::file_id(&arena.lock());
    let before = inode();
    holder.go_on();
    let said = holder.finish();
    assert!(said.contains("is_held false") && said.contains("release Lost"), "{said}");
    assert_eq!(inode(), before, "the successor's file was replaced");
    assert!(successor.is_held());
    let outcome = successor.release();
    assert!(matches!(outcome, ReleaseOutcome::Released), "{outcome:?}");
}

/// Lets go of its own accord, around the time when it may be evicted.
pub(crate) fn racing_holders() {
    let _weather = stormy();
    let arena = Arena::new();
    let mut dice = Dice::new();
    let (mut released, mut lost) = (0, 0);
    for round in 0..scaled(60) {
        let barrier = Barrier::of((0..4).map(|_| contender(&arena).with("hold_us", 3_000)));
        let mut orders = breaker(&arena).with("lets_go_us", 48_000 + dice.below(5_000));
        // Also in slow motion: between its look at the path and the removal, say.
        let untold = Path::new("/dev/null");
        match round % 4 {
            0 => orders = orders.slowed("unlinkat", "delay_enter=20000", untold),
            1 => orders = orders.slowed(STAT, "delay_exit=5000", untold),
            _ => {}
        }
        let mut holder = orders.start();
        holder.expect("held");
        let crew = barrier.open();
        let said = holder.finish();
        match said {
            _ if said.contains("release Released") => released += 1,
            _ if said.contains("release Lost") => lost += 1,
            _ => panic!("a holder said {said}"),
        }
        crew.into_iter().for_each(|actor| drop(actor.finish()));
    }
    println!("overdue::racing_holders: {released} let go in time, {lost} were evicted");
    settled(&arena, "overdue::racing_holders");
}

/// Overdue holders that go on with fenced writes until one is refused: no write of theirs may
/// come after, or into, a section of whoever evicted them.
pub(crate) fn fenced_writers() {
    let _weather = stormy();
    let arena = Arena::new();
    let mut dice = Dice::new();
    let mut writes = 0;
    for round in 0..scaled(40) {
        let late = [(); 3].map(|()| dice.below(MAX_HOLD_MS * 1200));
        let crew = late.map(|after| contender(&arena).with("after_us", after));
        let barrier = Barrier::of(crew);
        let session = arena.session();
        let mut orders = Orders::new("fencer").path("session", &session).path("journal", &session);
        orders = orders.with("max_hold", MAX_HOLD_MS);
        let untold = Path::new("/dev/null");
        match round % 4 {
            0 => orders = orders.slowed(STAT, "delay_exit=2000", untold),
            1 => orders = orders.slowed(FCNTL, "delay_exit=1000", untold),
            _ => {}
        }
        let mut writer = orders.start();
        writer.expect("held");
        let crew = barrier.open();
        let said = writer.finish();
        writes += said.trim().parse::<u32>().expect("a number");
        crew.into_iter().for_each(|actor| drop(actor.finish()));
    }
    println!("overdue::fenced_writers: {writes} fenced writes");
    let tally = settled(&arena, "overdue::fenced_writers");
    assert_eq!(tally.evicted, 0, "no section of this storm may be interrupted");
    assert!(writes > scaled(40), "{writes} fenced writes only");
}

/// Writes in fenced sections until one is refused.
pub(crate) fn fencer(given: &Given) {
    let journal = Journal::open(&given.path("journal"));
    let who = format!("{}.0", given.nr());
    let guard = given.session_lock().acquire().unwrap_or_else(|e| panic!("{e}"));
    say("held");
    let mut seq = 0;
    loop {
        let written = guard.section(Duration::from_secs(10), || {
            journal.begin(&who, seq, now(), Duration::ZERO);
            std::thread::sleep(Duration::from_micros(100));
            journal.end(&who, seq, now());
        });
        match written {
            // Whoever wants to evict has to get a word in.
            Ok(()) => std::thread::sleep(Duration::from_micros(500)),
            Err(SectionError::Lost) => break,
            Err(error) => panic!("{error}"),
        }
        seq += 1;
    }
    assert!(!guard.is_held());
    let outcome = SessionGuard::release(guard);
    assert!(matches!(outcome, ReleaseOutcome::Lost), "{outcome:?}");
    say(&seq.to_string());
}

/// Takes the lock, and lets go when told to or after a time, whoever has it by then.
pub(crate) fn actor(given: &Given) {
    let journal = Journal::open(&given.path("journal"));
    let who = format!("{}.0", given.nr());
    let guard = given.session_lock().acquire().unwrap_or_else(|e| panic!("{e}"));
    let record = guard.record();
    let evictable = record.monotonic.zip(record.max_hold).map(|(t, max)| t + max).expect("times");
    journal.evictable(given.nr(), evictable);
    journal.begin(&who, 1, now(), Duration::ZERO);
    say("held");
    match given.number("lets_go_us", 0) {
        0 => wait_for_go(),
        micros => {
            let at = evictable - given.millis("max_hold", 0) + Duration::from_micros(micros);
            std::thread::sleep(at.saturating_sub(now()));
        }
    }
    say(&format!("is_held {}", guard.is_held()));
    journal.end(&who, 1, now());
    say(&format!("release {:?}", SessionGuard::release(guard)));
}
