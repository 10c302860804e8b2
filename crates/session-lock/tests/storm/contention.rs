//! Plain contention: processes and threads that all want one session file, and some that die.

use std::path::Path;
use std::time::{Duration, Instant};

use session_lock::{ReleaseOutcome, SessionLock, SessionOptions};

use crate::crew::{Actor, Orders};
use crate::journal::{Journal, Tally, check};
use crate::support::{Arena, Dice, now, scaled, spread, stormy};

/// Eight processes, ten thousand acquisitions, an actor killed every few milliseconds. Every fourth
/// one is impatient: it gives up within its deadline, and again and again.
pub(crate) fn processes() {
    let _weather = stormy();
    let arena = Arena::new();
    let started = std::cell::Cell::new(0);
    let orders = || {
        let session = arena.session();
        let orders = Orders::new("hammer").path("session", &session).path("journal", &session);
        match started.replace(started.get() + 1) % 4 {
            3 => orders.with("timeout", 20).with("may_time_out", 1),
            _ => orders,
        }
    };
    let mut crew: Vec<Actor> = (0..8).map(|_| orders().start()).collect();
    let target = scaled(10_000) as usize;
    let started = Instant::now();
    kill_some(&mut crew, &arena.session(), target, Duration::from_millis(40), || orders().start());
    crew.into_iter().for_each(|actor| drop(actor.finish()));
    let took = started.elapsed();
    if !cfg!(target_os = "linux") {
        // Stages have names, and killed stagers leave them.
        sweep_litter(&arena);
    }
    let tally = settled(&arena, "contention::processes");
    assert!(tally.begun >= target, "{} sections only", tally.begun);
    assert!(tally.kills > 10, "{tally:?}");
    // Who waits past a deadline complains, which `settled` has seen to.
    println!("contention::processes: {} times given up", tally.timeouts);
    assert!(tally.timeouts > 0, "no deadline passed: {tally:?}");
    // Where rounds are few it is `stale::killed_holders` that sees to it.
    assert!(tally.closed_by_death > 0 || cfg!(windows), "nobody died inside: {tally:?}");
    println!("contention::processes: took {took:?}");
}

/// Two processes with eight threads each.
pub(crate) fn threads() {
    let _weather = stormy();
    let arena = Arena::new();
    let session = arena.session();
    let orders = || {
        let orders = Orders::new("hammer").path("session", &session).path("journal", &session);
        orders.with("threads", 8).start()
    };
    let crew = [orders(), orders()];
    let target = scaled(4_000) as usize;
    wait_for(&session, target);
    crew.into_iter().for_each(|actor| drop(actor.finish()));
    let tally = settled(&arena, "contention::threads");
    assert!(tally.begun >= target, "{} sections only", tally.begun);
}

/// Stages that have names, because the file system knows no other: killed stagers leave them
/// behind, and sweepers meet living ones.
pub(crate) fn named_stages() {
    fallback("named");
}

/// Stages that are linked to the lock's path and then lose their own name.
#[cfg(unix)]
pub(crate) fn linked_stages() {
    fallback("linked");
}

fn fallback(sys: &str) {
    let _weather = stormy();
    let arena = Arena::new();
    let orders = || {
        let orders = Orders::new("hammer").path("lock", &arena.lock());
        orders.path("journal", &arena.session()).with("sys", sys)
    };
    let mut crew: Vec<Actor> = (0..8).map(|_| orders().start()).collect();
    let target = scaled(2_000) as usize;
    let pace = Duration::from_millis(15);
    kill_some(&mut crew, &arena.session(), target, pace, || orders().start());
    crew.into_iter().for_each(|actor| drop(actor.finish()));
    let litter = sweep_litter(&arena);
    println!("contention::{sys}_stages: {litter} pieces of litter at the end");
    settled(&arena, &format!("contention::{sys}_stages"));
}

fn sweep_litter(arena: &Arena) -> usize {
    let found = session_lock::sweep(arena.path(), &SessionOptions::default(), true);
    found.expect("a sweep").litter.swept.len()
}

/// Threads of one process that ask for the same lock at the same moment, and may share it: the
/// slower one gets a handle at once, also while the faster one is not quite done acquiring.
pub(crate) fn reentrant_threads() {
    let _weather = stormy();
    let arena = Arena::new();
    let options = SessionOptions::default().timeout(Duration::from_secs(30)).reentrant(true);
    let lock = SessionLock::new(arena.session(), options).expect("a lock");
    let mut waits = Vec::new();
    let (mut shared, mut late) = (0, 0);
    for _ in 0..scaled(300) {
        let (start, end) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        let one = || {
            start.wait();
            let before = now();
            let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
            let waited = now() - before;
            assert!(guard.is_held());
            end.wait();
            (waited, guard.release())
        };
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(one);
            (one(), other.join().expect("no panic"))
        });
        waits.extend([one.0, two.0]);
        match (one.1, two.1) {
            (ReleaseOutcome::Released, ReleaseOutcome::StillHeld)
            | (ReleaseOutcome::StillHeld, ReleaseOutcome::Released) => shared += 1,
            outcomes => panic!("two handles of one acquisition: {outcomes:?}"),
        }
        late += usize::from(one.0 > Duration::from_millis(500));
        late += usize::from(two.0 > Duration::from_millis(500));
    }
    println!("contention::reentrant_threads: {shared} shared; waits: {}", spread(&mut waits));
    assert!(late <= 1, "{late} threads fell into the safety net: {}", spread(&mut waits));
    settled(&arena, "contention::reentrant_threads");
}

/// However fast the sections are had.
const LEAST_KILLS: usize = 12;

/// Kills random actors and replaces them, until the journal has nearly `target` sections; then
/// waits for the rest.
pub(crate) fn kill_some(
    crew: &mut [Actor],
    journal: &Path,
    target: usize,
    pace: Duration,
    replace: impl Fn() -> Actor,
) {
    let log = Journal::open(journal);
    let mut dice = Dice::new();
    let mut kills = 0;
    while begun(journal) < target * 9 / 10 || kills < LEAST_KILLS {
        std::thread::sleep(pace.mul_f64(0.5 + dice.below(1000) as f64 / 1000.0));
        let victim = dice.below(crew.len() as u64) as usize;
        let replaced = std::mem::replace(&mut crew[victim], replace());
        replaced.kill(&log);
        kills += 1;
    }
    wait_for(journal, target);
}

/// Waits until the journal has `target` sections.
pub(crate) fn wait_for(journal: &Path, target: usize) {
    let limit = Instant::now() + Duration::from_secs(120) * scaled(1);
    loop {
        let begun = begun(journal);
        if begun >= target {
            return;
        }
        assert!(Instant::now() < limit, "{begun} of {target} sections in two minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn begun(journal: &Path) -> usize {
    let text = std::fs::read(journal).expect("the journal");
    text.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'B')).count()
}

/// The end of a storm over a session: a clean journal, nothing left behind, and a lock to be
/// had at once.
pub(crate) fn settled(arena: &Arena, trial: &str) -> Tally {
    let mut tally = check(&arena.session());
    println!("{trial}: {}", tally.summary());
    tally.assert_clean(trial);
    assert_eq!(arena.leftovers(), [""; 0], "{trial}: left behind");
    let options = SessionOptions::default().timeout(Duration::ZERO);
    let lock = SessionLock::new(arena.session(), options).expect("a lock");
    let guard = lock.acquire().unwrap_or_else(|e| panic!("{trial}: not to be had: {e}"));
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert_eq!(arena.leftovers(), [""; 0], "{trial}: left behind");
    tally
}
