//! An eviction that races a release, a fenced write, a drop, a signal handler's twin, a fork:
//! thousands of times, by watchdogs and by contenders, with the writes in one journal.

use std::time::Duration;

use lock_core::ReleaseOutcome;
use session_lock::{SectionError, SessionGuard, SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::journal::{Journal, check};
use crate::support::{Arena, Dice, now, scaled};
#[cfg(target_os = "linux")]
use crate::sys::{Fork, exit_now, fork, must_succeed};

const RACERS: usize = 4;
/// Long enough for a write or two.
const MAX_HOLD_US: u64 = if cfg!(windows) { 40_000 } else { 2_000 };

pub(crate) fn eviction() {
    let arena = Arena::new();
    let mut actors: Vec<_> = (0..RACERS)
        .map(|_| {
            let orders = Orders::new("racer").path("session", &arena.session());
            orders.with("rounds", scaled(1000)).start()
        })
        .collect();
    let handles: Vec<_> = actors.iter().map(|actor| actor.handle()).collect();
    let mut dice = Dice::new();
    while actors.iter_mut().any(|actor| actor.is_running()) {
        let stopped = &handles[dice.below(RACERS as u64) as usize];
        stopped.stop();
        std::thread::sleep(Duration::from_micros(dice.below(8_000)));
        stopped.go_on();
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
    }
    for actor in actors {
        println!("races::eviction: {}", actor.finish().trim());
    }
    let mut tally = check(&arena.session());
    println!("races::eviction: {}", tally.summary());
    tally.assert_clean("races::eviction");
    assert!(tally.begun > scaled(400) as usize, "{} fenced writes only", tally.begun);
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn racer(given: &Given) {
    let max_hold = Duration::from_micros(MAX_HOLD_US);
    let options = SessionOptions::default().timeout(Duration::from_secs(60)).max_hold(max_hold);
    let lock = SessionLock::new(given.path("session"), options).expect("a lock");
    let journal = Journal::open(&given.path("session"));
    let who = format!("{}.0", given.nr());
    let mut dice = Dice::new();
    let (mut seq, mut released, mut lost, mut written) = (0, 0, 0, 0);
    for round in 0..given.number("rounds", 1) {
        let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
        let promised = guard.record().monotonic.expect("a time") + max_hold;
        // Mostly at about the moment when it may be evicted.
        let at = dice.below(MAX_HOLD_US / 2) + MAX_HOLD_US * 3 / 4;
        std::thread::sleep((promised - max_hold + Duration::from_micros(at)).saturating_sub(now()));
        let held = guard.is_held();
        let asked = now();
        if !held && asked < promised {
            journal.complain(&who, "it was lost before its promise was over");
        }
        let mut write = || {
            seq += 1;
            let section = guard.section(Duration::from_secs(10), || {
                journal.begin(&who, seq, now(), Duration::ZERO);
                std::thread::sleep(Duration::from_micros(100));
                journal.end(&who, seq, now());
            });
            match section {
                Ok(()) => written += 1,
                Err(SectionError::Lost) => {}
                Err(error) => panic!("{error}"),
            }
        };
        match round % 5 {
            0 => match SessionGuard::release(guard) {
                ReleaseOutcome::Released => released += 1,
                ReleaseOutcome::Lost => lost += 1,
                // A contender was stopped inside the binding byte.
                ReleaseOutcome::Abandoned(_) => {}
                outcome => journal.complain(&who, &format!("{outcome:?}")),
            },
            1 => write(),
            2 => drop(guard),
            3 => {
                write();
                write();
                drop(SessionGuard::release(guard));
            }
            #[cfg(target_os = "linux")]
            _ => {
                let Fork::Parent(child) = fork() else {
                    let foreign =
                        matches!(guard.section(Duration::ZERO, || ()), Err(SectionError::Forked));
                    drop(guard);
                    exit_now(i32::from(!foreign));
                };
                write();
                must_succeed(child, "races");
            }
            #[cfg(not(target_os = "linux"))]
            _ => write(),
        }
    }
    say(&format!("{released} released, {lost} lost, {written} written"));
}
