//! Extensions that race evictions and reclaims: a promise that was renewed in time is kept.

use std::time::Duration;

use session_lock::{SectionError, SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::help::millis;
use crate::support::{Arena, Dice, now, scaled};

const MAX_HOLD: Duration = Duration::from_millis(4);

/// Three processes want the lock, promise 4 ms, and renew at the last moment or too late.
pub(crate) fn races() {
    let arena = Arena::new();
    let orders = || {
        let orders = Orders::new("promiser").path("session", &arena.session());
        orders.with("rounds", scaled(700))
    };
    let mut actors = [orders().start(), orders().start(), orders().start()];
    let handles = actors.each_ref().map(|actor| actor.handle());
    let mut dice = Dice::new();
    while actors.iter_mut().any(|actor| actor.is_running()) {
        let stopped = &handles[dice.below(3) as usize];
        stopped.stop();
        std::thread::sleep(Duration::from_micros(dice.below(12_000)));
        stopped.go_on();
        std::thread::sleep(Duration::from_micros(dice.below(30_000)));
    }
    for actor in actors {
        println!("extend::races: {}", actor.finish().trim());
    }
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn promiser(given: &Given) {
    let options = SessionOptions::default().timeout(Duration::from_secs(30)).max_hold(MAX_HOLD);
    let lock = SessionLock::new(given.path("session"), options).expect("a lock");
    let mut dice = Dice::new();
    let (mut renewed, mut refused, mut acquired) = (0, 0, 0);
    while renewed + refused < given.number("rounds", 1) {
        let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
        acquired += 1;
        loop {
            std::thread::sleep(Duration::from_micros(dice.below(4_500)));
            let promised = now() + MAX_HOLD;
            match guard.extend(MAX_HOLD) {
                Ok(()) => renewed += 1,
                Err(SectionError::Lost) => {
                    refused += 1;
                    assert!(!guard.is_held());
                    break;
                }
                // A contender was stopped inside the binding byte.
                Err(SectionError::Busy { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            // Nobody may take it before that, and no renewal is undone.
            let held = guard.is_held();
            let at = now();
            assert!(held || at >= promised, "lost {:?} before its renewed promise", promised - at);
            if dice.below(8) == 0 {
                break;
            }
        }
        drop(guard);
        std::thread::sleep(millis(1));
    }
    say(&format!("{renewed} renewed, {refused} too late, {acquired} acquisitions"));
}
