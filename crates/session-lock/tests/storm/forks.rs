//! Forked children: they inherit the guard's memory and descriptors, and must not use either.

use std::io::{Read, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lock_core::lockfile::sys::{Access, Byte, Native, Place, Sys};
use lock_core::lockfile::{Layout, Reclaimed, SectionError};
use rustix::process::{Pid, Signal, WaitOptions, kill_process};
use session_lock::{ReleaseOutcome, SessionGuard, SessionLock, SessionOptions};

use crate::actor::{Given, say};
use crate::contention::settled;
use crate::crew::Orders;
use crate::support::{Arena, lock_over, scaled, stormy};
use crate::sys::{Fork, ended, exit_now, fork};

const PATIENCE: Duration = Duration::from_secs(1);

fn now_or_never(arena: &Arena) -> Option<SessionGuard> {
    let options = SessionOptions::default().timeout(Duration::ZERO);
    SessionLock::new(arena.session(), options).expect("a lock").acquire().ok()
}

/// A child's guard says that it is not held and does nothing, whatever is done with it.
pub(crate) fn children_touch_nothing() {
    let _weather = stormy();
    let arena = Arena::new();
    let mut forker = Orders::new("forker").path("session", &arena.session()).start();
    for what in ["used", "dropped", "contended"] {
        forker.expect(what);
        assert!(now_or_never(&arena).is_none(), "a child that {what} it let go of the lock");
        forker.tell("go on");
    }
    forker.expect("lingering");
    let guard = now_or_never(&arena).expect("a lingering child must not keep a released lock");
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    drop(forker.finish());
    settled(&arena, "forks::children_touch_nothing");
}

pub(crate) fn forker(given: &Given) {
    let lock = given.session_lock();
    let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
    let kept = || {
        assert!(guard.is_held());
        guard.section(PATIENCE, || ()).expect("it is held");
    };

    let Fork::Parent(child) = fork() else {
        let lost = !guard.is_held();
        let section = matches!(guard.section(PATIENCE, || ()), Err(SectionError::Forked));
        let release = matches!(guard.release(), ReleaseOutcome::Forked);
        exit_now(if lost && section && release { 0 } else { 1 });
    };
    must_succeed(child);
    kept();
    told("used");

    let Fork::Parent(child) = fork() else {
        drop(guard);
        exit_now(0);
    };
    must_succeed(child);
    kept();
    told("dropped");

    let Fork::Parent(child) = fork() else {
        let options = SessionOptions::default().timeout(Duration::ZERO);
        let again = SessionLock::new(given.path("session"), options).map(|lock| lock.acquire());
        exit_now(if matches!(again, Ok(Err(_))) { 0 } else { 1 });
    };
    must_succeed(child);
    kept();
    told("contended");

    let (mut read, write) = pipe().expect("a pipe");
    let Fork::Parent(child) = fork() else {
        drop(write);
        let _ = read.read(&mut [0]);
        exit_now(0);
    };
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    say("lingering");
    crate::actor::wait_for_go();
    drop(write);
    must_succeed(child);
}

fn told(what: &str) {
    say(what);
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a pipe");
    assert_eq!(line, "go on\n");
}

fn must_succeed(child: Pid) {
    let limit = Instant::now() + Duration::from_secs(30);
    let status = loop {
        if let Some(status) = ended(child, WaitOptions::NOHANG) {
            break status;
        }
        if Instant::now() > limit {
            let _ = kill_process(child, Signal::KILL);
            panic!("a forked child hangs");
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    assert_eq!(status.exit_status(), Some(0), "a forked child found something else: {status:?}");
}

/// Children forked while other threads acquire and release: a mutex that one of those had at
/// that moment is never unlocked in the child.
pub(crate) fn children_of_busy_threads() {
    let _weather = stormy();
    let (arena, other) = (Arena::new(), Arena::new());
    let orders = Orders::new("busy-forker").path("session", &arena.session());
    let forker = orders.path("other", &other.session()).with("forks", scaled(300)).start();
    print!("forks::children_of_busy_threads: {}", forker.finish());
    settled(&arena, "forks::children_of_busy_threads");
    settled(&other, "forks::children_of_busy_threads, other");
}

pub(crate) fn busy_forker(given: &Given) {
    let mut guard = Some(given.session_lock().acquire().unwrap_or_else(|e| panic!("{e}")));
    let options = SessionOptions::default();
    let over = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        let lock = SessionLock::new(given.path("other"), options).expect("a lock");
        let over = &over;
        let busy = scope.spawn(move || {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                drop(lock.acquire().unwrap_or_else(|e| panic!("{e}")));
                rounds += 1;
            }
            rounds
        });
        for _ in 0..given.number("forks", 1) {
            let Fork::Parent(child) = fork() else {
                let held = guard.as_ref().is_some_and(|g| g.is_held());
                drop(guard.take());
                exit_now(i32::from(held));
            };
            must_succeed(child);
        }
        assert!(guard.as_ref().is_some_and(|g| g.is_held()));
        over.store(true, Ordering::Relaxed);
        rounds = busy.join().expect("no panic");
    });
    let forks = given.number("forks", 1);
    say(&format!("{forks} forks beside {rounds} acquisitions of another thread"));
    let outcome = guard.take().map(SessionGuard::release);
    assert!(matches!(outcome, Some(ReleaseOutcome::Released)), "{outcome:?}");
}

/// A child forked in the middle of a reclaim that comes to nothing: it shares the description
/// that has the binding byte, and must not keep the byte from the living.
pub(crate) fn children_keep_no_binding_byte() {
    let _weather = stormy();
    let arena = Arena::new();
    let holder = crate::stale::hold(&arena, 300_000);
    let reclaimer = Orders::new("reclaimer").path("lock", &arena.lock()).start();
    drop(reclaimer.finish());
    drop(holder.finish());
    settled(&arena, "forks::children_keep_no_binding_byte");
}

pub(crate) fn reclaimer(given: &Given) {
    let lock = lock_over(Native, &given.path("lock"), Layout::File);
    let look = lock.look().expect("a lock").expect("a lock");
    let mut child = None;
    let outcome = lock.reclaim(&look, PATIENCE, |_| {
        let Fork::Parent(pid) = fork() else {
            // Nothing of the parent's is dropped here: its descriptors stay open in the child.
            std::thread::sleep(Duration::from_secs(60));
            exit_now(0);
        };
        child = Some(pid);
        false
    });
    assert!(matches!(outcome, Ok(Reclaimed::Changed)), "{outcome:?}");
    let place = Place::absolute(lock.path());
    let (file, _) = Native.open(place, Access::Read).expect("the lock file");
    let kept = Native.is_locked(&file, Byte::Binding).expect("an answer");
    let child = child.expect("it was forked");
    kill_process(child, Signal::KILL).expect("it lingers");
    ended(child, WaitOptions::empty());
    assert!(!kept, "the child keeps the binding byte");
}
