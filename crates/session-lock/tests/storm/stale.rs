//! Stale storms: a killed holder's lock, and eight contenders that see it at the same time.

use crate::contention::settled;
use crate::crew::{Actor, Barrier, Orders};
use crate::journal::Journal;
use crate::support::{Arena, scaled, stormy};

const CONTENDERS: u32 = 8;

pub(crate) fn killed_holders() {
    let _weather = stormy();
    let arena = Arena::new();
    let rounds = scaled(200);
    for _ in 0..rounds {
        let barrier = Barrier::of((0..CONTENDERS).map(|_| contender(&arena)));
        plant(&arena);
        barrier.open().into_iter().for_each(|actor| drop(actor.finish()));
    }
    let tally = settled(&arena, "stale::killed_holders");
    assert_eq!(tally.begun, (rounds * (CONTENDERS + 1)) as usize);
    assert_eq!(tally.closed_by_death, rounds as usize);
}

/// A contender for the arena's lock.
pub(crate) fn contender(arena: &Arena) -> Orders {
    Orders::new("contender").path("lock", &arena.lock()).path("journal", &arena.session())
}

/// A holder of the arena's lock, which has it.
pub(crate) fn hold(arena: &Arena, max_hold_ms: u64) -> Actor {
    let orders = Orders::new("holder")
        .path("lock", &arena.lock())
        .path("journal", &arena.session())
        .with("max_hold", max_hold_ms);
    let mut holder = orders.start();
    holder.expect("held");
    holder
}

/// Leaves the lock of a holder that was killed.
pub(crate) fn plant(arena: &Arena) {
    hold(arena, 300_000).kill(&Journal::open(&arena.session()));
    assert!(arena.lock().exists(), "a killed holder leaves its lock");
}
