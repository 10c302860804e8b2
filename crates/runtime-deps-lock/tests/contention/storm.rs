//! Many installers at once, on the real system calls.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::actors::Actor;
use crate::os;
use crate::root::{Inside, Planted, Root};
use runtime_deps_lock::{DepsOptions, ReleaseOutcome, with_lock};

const MANY: usize = 16;

/// What an installation does: it must find nothing half-done, and nothing done by itself.
fn install(root: &Path, who: &str) {
    let inside = Inside::begin(root, who.to_owned());
    inside.end();
}

/// 16 processes install at once, each exactly once. The lock is let go only when every one of them
/// was seen, from outside, to wait for it.
pub(crate) fn processes() {
    let root = Root::new();
    let held = root.lock().acquire().unwrap();
    let actors: Vec<_> = (0..MANY).map(|n| Actor::start("once", &root.path(), n)).collect();
    let all_wait = || actors.iter().all(|a| os::watches_files(a.pid()).unwrap_or(true));
    wait_until(all_wait, "all processes wait");
    assert!(root.transcript().is_empty(), "somebody installed while the lock was held");
    drop(held);
    actors.into_iter().for_each(Actor::join);
    assert_eq!(root.check(|_| false), MANY);
    let mut who: Vec<_> = root.transcript().into_iter().map(|(_, who)| who).collect();
    who.sort();
    who.dedup();
    assert_eq!(who.len(), MANY, "every process installs once");
    root.assert_clean("after 16 processes");
}

fn wait_until(done: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// 16 threads of one process, eleven times each, and one of them panics each time. At first all of
/// them wait at once.
pub(crate) fn threads() {
    let root = Root::new();
    let start = Barrier::new(MANY + 1);
    let waiting = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..MANY {
            let (root, start, waiting) = (&root, &start, &waiting);
            scope.spawn(move || {
                start.wait();
                let mut told = false;
                let guard = root.lock().acquire_telling(|_, _, _| {
                    if !std::mem::replace(&mut told, true) {
                        waiting.fetch_add(1, Ordering::Relaxed);
                    }
                });
                install(&root.path(), &format!("{thread}-first"));
                drop(guard.unwrap());
                for n in 0..10 {
                    let done = std::panic::catch_unwind(|| {
                        with_lock(root.path(), DepsOptions::default(), || {
                            install(&root.path(), &format!("{thread}-{n}"));
                            assert_ne!(thread, 3, "this installer panics");
                        })
                    });
                    match done {
                        Ok(done) => done.unwrap(),
                        Err(_) => assert_eq!(thread, 3),
                    }
                }
            });
        }
        let held = root.lock().acquire().unwrap();
        start.wait();
        wait_until(|| waiting.load(Ordering::Relaxed) == MANY, "all threads wait");
        assert!(root.transcript().is_empty(), "somebody installed while the lock was held");
        drop(held);
    });
    assert_eq!(root.check(|_| false), MANY * 11);
    root.assert_clean("after 16 threads");
}

/// Thousands of rounds in which 2 to 4 threads meet a directory that names no owner.
pub(crate) fn planted_for_threads() {
    let root = Root::new();
    let rounds = os::scaled(2400);
    let mut expected = 0;
    for round in 0..rounds {
        Planted::of(round).plant(&root.lock_dir());
        let contenders = 2 + round % 3;
        let start = Barrier::new(contenders);
        std::thread::scope(|scope| {
            for thread in 0..contenders {
                let (root, start) = (&root, &start);
                scope.spawn(move || {
                    let lock = root.lock();
                    start.wait();
                    let guard = lock.acquire().unwrap();
                    let inside = Inside::begin(&root.path(), format!("{round}.{thread}"));
                    assert!(guard.is_held());
                    inside.end();
                    assert!(matches!(guard.release(), ReleaseOutcome::Released));
                });
            }
        });
        expected += contenders;
    }
    assert_eq!(root.check(|_| false), expected);
    root.assert_clean("after planted directories");
}

/// The same with processes.
pub(crate) fn planted_for_processes() {
    let root = Root::new();
    let mut actors: Vec<_> =
        ["a", "b", "c"].map(|n| Actor::start("rounds", &root.path(), n)).into();
    let rounds = os::scaled(900);
    for round in 0..rounds {
        Planted::of(round).plant(&root.lock_dir());
        actors.iter_mut().for_each(|actor| actor.tell(&round.to_string()));
        actors.iter_mut().for_each(|actor| assert_eq!(actor.line(), "done\n"));
    }
    actors.into_iter().for_each(Actor::join);
    assert_eq!(root.check(|_| false), rounds * 3);
    root.assert_clean("after planted directories");
}

/// The slow path between processes.
#[cfg(unix)]
pub(crate) fn slow_processes() {
    let root = Root::new();
    let actors: Vec<_> = (1..5).map(|n| Actor::start("slow", &root.path(), n)).collect();
    actors.into_iter().for_each(Actor::join);
    assert_eq!(root.check(|_| false), 4 * 60);
    root.assert_clean("after slow processes");
}

/// Released on success, error and panic: at once, not by the next one's reclaim.
pub(crate) fn releases() {
    let root = Root::new();
    let with = |install: fn() -> Result<(), &'static str>| {
        std::panic::catch_unwind(|| with_lock(root.path(), DepsOptions::default(), install))
    };
    assert_eq!(with(|| Ok(())).unwrap().unwrap(), Ok(()));
    root.assert_clean("after a success");
    assert_eq!(with(|| Err("no network")).unwrap().unwrap(), Err("no network"));
    root.assert_clean("after an error");
    assert!(with(|| panic!("this installer panics")).is_err());
    root.assert_clean("after a panic");
    drop(root.lock().acquire().unwrap());
    root.assert_clean("after a dropped guard");
}
