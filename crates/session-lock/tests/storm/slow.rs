//! Slow motion: contenders whose system calls are delayed, one call after the other, and which
//! are stopped at random. Plain storms do not even catch a protocol without its binding byte;
//! this does, and has to prove it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::contention::settled;
use crate::crew::{Actor, Barrier, Orders};
use crate::journal::check;
use crate::overdue::{breaker, wakes_up_evicted};
use crate::stale::{contender, plant};
use crate::support::{Arena, Dice, scaled, stormy};

/// A system call, whether it is delayed before or after, and by how many microseconds at most.
type Delay = (&'static str, &'static str, u64);

/// For lock files.
const DELAYS: &[Delay] = &[
    ("unlinkat", "delay_enter", 30000),
    ("unlinkat", "delay_exit", 30000),
    ("fcntl", "delay_enter", 10000),
    ("fcntl", "delay_exit", 10000),
    ("fcntl", "delay_exit", 60000),
    ("linkat", "delay_enter", 30000),
    ("linkat", "delay_exit", 30000),
    ("newfstatat", "delay_enter", 20000),
    ("newfstatat", "delay_exit", 20000),
    ("fstat", "delay_enter", 20000),
    ("pread64", "delay_enter", 20000),
    ("pwrite64", "delay_enter", 20000),
    ("openat", "delay_enter", 4000),
    ("openat", "delay_exit", 4000),
    ("close", "delay_enter", 4000),
    ("inotify_add_watch", "delay_enter", 30000),
];

/// The same for lock directories.
const DIRECTORY_DELAYS: &[Delay] = &[
    ("renameat", "delay_enter", 30000),
    ("renameat", "delay_exit", 30000),
    ("renameat2", "delay_enter", 30000),
    ("renameat2", "delay_exit", 30000),
    ("mkdirat", "delay_exit", 30000),
    ("unlinkat", "delay_enter", 30000),
    ("fcntl", "delay_exit", 10000),
    ("openat", "delay_exit", 4000),
    ("newfstatat", "delay_exit", 20000),
];

pub(crate) fn slow_motion() {
    let _weather = stormy();
    let arena = Arena::new();
    let mut stops = 0;
    for round in 0..scaled(2) {
        for (index, delay) in DELAYS.iter().enumerate() {
            // A dead holder and an overdue one in turn.
            if (index as u32 + round).is_multiple_of(2) {
                plant(&arena);
                stops += race(&arena, contender, *delay);
            } else {
                let mut holder = breaker(&arena).start();
                holder.expect("held");
                holder.stop();
                stops += race(&arena, contender, *delay);
                wakes_up_evicted(&arena, holder);
            }
        }
    }
    println!("slow::killed_holders: {stops} times stopped and continued");
    settled(&arena, "slow::killed_holders");
}

pub(crate) fn directory() {
    let _weather = stormy();
    let arena = Arena::new();
    let orders = |arena: &Arena| contender(arena).with("layout", "directory");
    for _ in 0..scaled(2) {
        for delay in DIRECTORY_DELAYS {
            crate::directory::plant(&arena);
            race(&arena, orders, *delay);
        }
    }
    crate::directory::settled(&arena, "directory::slow_motion", 0);
}

/// The same storm over a protocol that takes no binding bytes.
pub(crate) fn catches_the_mutant() {
    let _weather = stormy();
    let orders = |arena: &Arena| contender(arena).with("sys", "mutant").with("hold_us", 20_000);
    let most = 40;
    for round in 0..most {
        let arena = Arena::new();
        let delay = DELAYS[round % DELAYS.len()];
        plant(&arena);
        race(&arena, orders, delay);
        let tally = check(&arena.session());
        if let Some(caught) = tally.violations.first() {
            let count = tally.violations.len();
            println!("slow::catches_the_mutant: round {round}, {delay:?}: {count}, {caught}");
            return;
        }
    }
    panic!("{most} rounds of slow motion did not notice that nobody takes the binding byte");
}

/// Six contenders, four of them slow, each in its own measure, and two that come in later, into
/// the middle of whatever the slow ones are at. Says how often one was stopped.
fn race(arena: &Arena, orders: impl Fn(&Arena) -> Orders, (call, side, most): Delay) -> usize {
    let mut dice = Dice::new();
    let mut some = || format!("{side}={}", most / 4 + dice.below(most * 3 / 4));
    let slow = (0..4).map(|_| orders(arena).slowed(call, &some()));
    let slow: Vec<_> = slow.collect();
    let late = (0..2).map(|_| orders(arena).with("after_us", dice.below(most * 2)));
    let crew = Barrier::of(slow.into_iter().chain(late));
    let crew = crew.open();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let handles: Vec<_> = crew.iter().map(Actor::handle).collect();
        let over = &over;
        let gusts = scope.spawn(move || {
            let mut dice = Dice::new();
            let mut stops = 0;
            while !over.load(Ordering::Relaxed) {
                let handle = &handles[dice.below(handles.len() as u64) as usize];
                if handle.stop() {
                    stops += 1;
                    std::thread::sleep(Duration::from_micros(dice.below(20_000)));
                    handle.go_on();
                }
                std::thread::sleep(Duration::from_micros(dice.below(10_000)));
            }
            stops
        });
        crew.into_iter().for_each(|actor| drop(actor.finish()));
        over.store(true, Ordering::Relaxed);
        gusts.join().expect("no panic")
    })
}
