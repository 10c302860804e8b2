//! Forked children: they hold nothing, keep nothing and take nothing along.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lock_core::{End, ReleaseOutcome};
use rustix::process::{Pid, Signal, kill_process};
use session_lock::{SectionError, SessionGuard, SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say, wait_for_go};
use crate::help::{hold, millis, now_or_never};
use crate::support::{Arena, Dice, quiet, scaled};
use crate::sys::{Fork, exit_now, fork, must_succeed};

const LONG: Duration = Duration::from_secs(300);

/// A child that lives on without exec keeps no lock of its killed parent.
pub(crate) fn bystander() {
    let _quiet = quiet();
    let arena = Arena::new();
    for _ in 0..5 {
        let mut forker = Orders::new("forker").path("session", &arena.session());
        forker = forker.with("how", "bystander");
        let mut forker = forker.start();
        let child: i32 = forker.expect("child ").parse().expect("a pid");
        assert!(now_or_never(&arena.session()).is_none());
        let start = Instant::now();
        forker.signal(Signal::KILL);
        // Its output stays open in the child: not heard to its end, only reaped.
        drop(forker);
        let guard = now_or_never(&arena.session()).expect("the child keeps a dead parent's lock");
        println!("forked::bystander: had {:?} after the kill", start.elapsed());
        drop(guard);
        let child = Pid::from_raw(child).expect("a pid");
        kill_process(child, Signal::KILL).expect("the child lives");
    }
}

/// Each handle of a child says that it is foreign.
pub(crate) fn foreign_handles() {
    let arena = Arena::new();
    let forker = Orders::new("forker").path("session", &arena.session());
    drop(forker.with("how", "handles").start().finish());
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn forker(given: &Given) {
    let options = SessionOptions::default().reentrant(true).timeout(Duration::from_secs(1));
    let lock = SessionLock::new(given.path("session"), options).expect("a lock");
    let guard = lock.acquire().expect("the lock");
    if given.word("how") == Some("bystander") {
        match fork() {
            Fork::Parent(_) => wait_for_go(),
            // Its own word, not its parent's: until it has run for the first time, and the fork's
            // hooks with it, it does keep the lock, however long the scheduler takes.
            Fork::Child => {
                say(&format!("child {}", std::process::id()));
                std::thread::sleep(Duration::from_secs(60));
                exit_now(0);
            }
        }
        return;
    }
    let second = lock.acquire().expect("a handle");
    let lost = guard.lost();
    let Fork::Parent(child) = fork() else {
        let foreign = !guard.is_held()
            && matches!(guard.section(millis(10), || ()), Err(SectionError::Forked))
            && matches!(guard.extend(LONG), Err(SectionError::Forked))
            && lost.end().is_none()
            && matches!(SessionGuard::release(second), ReleaseOutcome::Forked)
            && matches!(SessionGuard::release(guard), ReleaseOutcome::Forked);
        drop(lost);
        exit_now(i32::from(!foreign));
    };
    must_succeed(child, "handles");
    assert!(matches!(SessionGuard::release(second), ReleaseOutcome::StillHeld));
    assert!(guard.is_held());
    assert!(matches!(SessionGuard::release(guard), ReleaseOutcome::Released));
    assert_eq!(lost.end(), Some(End::Released));
}

/// Forks while other threads acquire, write, are evicted and release; half of the children drop
/// what they have, half take locks of their own.
pub(crate) fn storm() {
    let arena = Arena::new();
    let orders = Orders::new("storm").path("dir", &arena.path()).with("forks", scaled(800));
    print!("forked::storm: {}", orders.start().finish());
    assert_eq!(arena.leftovers(), [""; 0]);
}

/// Lets the threads come to an end, also when something is found.
struct StopAll<'a>(&'a AtomicBool);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn stormer(given: &Given) {
    let dir = given.path("dir");
    let kept = hold(&dir.join("kept"), LONG);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut busy = Vec::new();
        for thread in 0..3 {
            let (over, session) = (&over, dir.join(format!("busy{thread}")));
            busy.push(scope.spawn(move || {
                let (mut rounds, mut evicted) = (0, 0);
                let mut dice = Dice::new();
                while !over.load(Ordering::Relaxed) {
                    let guard = hold(&session, millis(2));
                    let _ = guard.section(millis(10), || {
                        std::thread::sleep(Duration::from_micros(dice.below(300)));
                    });
                    if dice.below(4) == 0 {
                        guard.lost().wait(Duration::from_secs(10)).expect("the watchdog lives");
                        evicted += 1;
                    }
                    drop(guard);
                    rounds += 1;
                }
                (rounds, evicted)
            }));
        }
        let forks = given.number("forks", 1);
        let mut guard = Some(kept);
        let stop = StopAll(&over);
        for round in 0..forks {
            let Fork::Parent(child) = fork() else {
                let held = guard.as_ref().is_some_and(|guard| guard.is_held());
                if round % 2 == 0 {
                    drop(guard.take());
                }
                // And whatever its parent's threads were at: it can take locks of its own.
                if round % 4 < 2 {
                    let own = hold(&dir.join("childs"), millis(300));
                    if round % 16 == 0 {
                        drop(own.watch());
                    }
                    own.section(millis(100), || ()).expect("it is held");
                    assert!(matches!(SessionGuard::release(own), ReleaseOutcome::Released));
                }
                exit_now(i32::from(held));
            };
            must_succeed(child, "storm");
        }
        assert!(guard.as_ref().is_some_and(|guard| guard.is_held()), "a child took it along");
        drop(stop);
        let rounds: Vec<_> = busy.into_iter().map(|busy| busy.join().expect("no panic")).collect();
        say(&format!("{forks} forks beside (rounds, evictions) {rounds:?}"));
    });
}
