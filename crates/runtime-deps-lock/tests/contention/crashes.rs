//! Processes that are killed at random.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::actors::Actor;
use crate::os;
use crate::root::{Inside, Root};
use runtime_deps_lock::{DepsLock, DepsOptions};

/// What a waiter may need after a death, on a loaded machine: far below any grace period.
const AT_ONCE: Duration = Duration::from_secs(10);

/// After each of many random deaths among busy processes nobody is stuck, and nothing is left.
pub(crate) fn at_random() {
    let root = Root::new();
    let mut killed = HashSet::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let start = |n: usize| {
        let mut actor = Actor::start("loop", &root.path(), n);
        assert_eq!(actor.line(), "ready\n");
        (n, actor)
    };
    let mut actors: Vec<_> = (0..3).map(start).collect();
    for n in 3..3 + os::scaled(117) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_micros(seed % 3000));
        let (victim, actor) = actors.remove(seed as usize % actors.len());
        actor.kill();
        killed.insert(victim.to_string());
        os::end_the_grace(&root.lock_dir());
        actors.push(start(n));
    }
    for (victim, actor) in actors {
        actor.kill();
        killed.insert(victim.to_string());
    }
    os::end_the_grace(&root.lock_dir());
    acquire_at_once(&root, "random deaths");
    let ends = root.check(|who| killed.contains(who));
    // Who has hardly started when it is killed gets nothing done.
    let least = if cfg!(windows) { 1 } else { killed.len() };
    assert!(ends > least, "the processes hardly got anything done: {ends}");
    clean(&root, "random deaths");
}

/// Where the dead left a lock, its reclaim sweeps what they left beside it, too: without a doctor.
pub(crate) fn acquire_at_once(root: &Root, context: &str) {
    let reclaims = root.lock_dir().exists();
    let started = Instant::now();
    let options = DepsOptions::default().timeout(AT_ONCE);
    let guard = DepsLock::new(root.path(), options).unwrap().acquire();
    let guard = guard.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(guard.is_held(), "{context}");
    Inside::begin(&root.path(), "last".to_owned()).end();
    assert!(started.elapsed() < AT_ONCE, "{context}: it took {:?}", started.elapsed());
    drop(guard);
    if reclaims {
        root.assert_clean(context);
    }
}

pub(crate) fn clean(root: &Root, context: &str) {
    let sweep = root.lock().sweep(true).unwrap();
    assert!(sweep.litter.obstructed.is_empty(), "{context}: {:?}", sweep.litter);
    root.assert_clean(context);
}
