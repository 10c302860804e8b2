//! Slow motion: contenders whose system calls are delayed, one call after the other, and which
//! are stopped at random. Plain storms do not even catch a protocol without its binding byte;
//! this does, and has to prove it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::contention::settled;
use crate::crew::{Actor, Barrier, FCNTL, FSTAT, Orders, STAT};
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
    (FCNTL, "delay_enter", 10000),
    (FCNTL, "delay_exit", 10000),
    (FCNTL, "delay_exit", 60000),
    ("linkat", "delay_enter", 30000),
    ("linkat", "delay_exit", 30000),
    (STAT, "delay_enter", 20000),
    (STAT, "delay_exit", 20000),
    (FSTAT, "delay_enter", 20000),
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
    (FCNTL, "delay_exit", 10000),
    ("openat", "delay_exit", 4000),
    (STAT, "delay_exit", 20000),
];

pub(crate) fn slow_motion() {
    let _weather = stormy();
    let arena = Arena::new();
    let mut delayed = vec![0; DELAYS.len()];
    let mut stops = 0;
    for round in 0..scaled(4) {
        for (index, delay) in DELAYS.iter().enumerate() {
            // A dead holder and an overdue one in turn.
            let gusts = if (index as u32 + round).is_multiple_of(2) {
                plant(&arena);
                race(&arena, contender, *delay)
            } else {
                let mut holder = breaker(&arena).start();
                holder.expect("held");
                holder.stop();
                let gusts = race(&arena, contender, *delay);
                wakes_up_evicted(&arena, holder);
                gusts
            };
            stops += gusts.stops;
            delayed[index] += gusts.delayed;
        }
    }
    println!("slow::killed_holders: {stops} times stopped and continued");
    assert!(stops > 0, "nobody was stopped");
    all_were_delayed("slow::killed_holders", DELAYS, &delayed);
    settled(&arena, "slow::killed_holders");
}

pub(crate) fn directory() {
    let _weather = stormy();
    let arena = Arena::new();
    let orders = |arena: &Arena| contender(arena).with("layout", "directory");
    let mut delayed = vec![0; DIRECTORY_DELAYS.len()];
    for _ in 0..scaled(4) {
        for (delay, delayed) in DIRECTORY_DELAYS.iter().zip(&mut delayed) {
            crate::directory::plant(&arena);
            *delayed += race(&arena, orders, *delay).delayed;
        }
    }
    all_were_delayed("directory::slow_motion", DIRECTORY_DELAYS, &delayed);
    crate::directory::settled(&arena, "directory::slow_motion", 0);
}

/// A delay that nobody suffers tests nothing, and looks as if it did.
fn all_were_delayed(trial: &str, delays: &[Delay], counts: &[usize]) {
    println!("{trial}: {} delayed calls: {counts:?}", counts.iter().sum::<usize>());
    for (delay, count) in delays.iter().zip(counts) {
        assert!(*count > 0, "{trial}: no call was delayed by {delay:?}");
    }
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

/// What a race went through.
struct Gusts {
    /// How often a contender was stopped.
    stops: usize,
    /// How many calls of contenders were delayed, once they were there.
    delayed: usize,
}

/// Six contenders, four of them slow, each in its own measure, and two that come in later, into
/// the middle of whatever the slow ones are at.
fn race(arena: &Arena, orders: impl Fn(&Arena) -> Orders, (calls, side, most): Delay) -> Gusts {
    let mut dice = Dice::new();
    let mut some = || format!("{side}={}", most / 4 + dice.below(most * 3 / 4));
    let traces = tempfile::tempdir().expect("a directory");
    let trace = |nr| traces.path().join(format!("trace.{nr}"));
    let slow = (0..4).map(|nr| orders(arena).slowed(calls, &some(), &trace(nr)));
    let slow: Vec<_> = slow.collect();
    let late = (0..2).map(|_| orders(arena).with("after_us", dice.below(most * 2)));
    let crew = Barrier::of(slow.into_iter().chain(late));
    let crew = crew.open();
    let over = AtomicBool::new(false);
    let stops = std::thread::scope(|scope| {
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
    });
    Gusts { stops, delayed: (0..4).map(|nr| delayed(&trace(nr))).sum() }
}

/// How many delayed calls there are in a trace: those that come after the actor's first word, because
/// what loads the program opens, reads and closes as well.
fn delayed(trace: &Path) -> usize {
    let trace = std::fs::read_to_string(trace).expect("strace wrote it");
    let lines = trace.lines().skip_while(|line| !line.contains("\"hello "));
    lines.filter(|line| line.ends_with("(DELAYED)")).count()
}
