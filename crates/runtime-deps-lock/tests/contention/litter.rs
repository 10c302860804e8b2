//! Sweepers against stagers: what a sweep must not touch, and what it must not leave.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(unix)]
use std::sync::mpsc;

use lock_core::lockfile::Attempt;

use crate::root::Root;
use crate::seam::{Seam, When, stamp};

/// Runs `body` once, around the `nth` such call.
fn at_nth(
    nth: usize,
    when: When,
    call: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Seam {
    let (seen, body) = (AtomicUsize::new(0), Mutex::new(Some(body)));
    let seam = Seam::new(move |now, name| {
        if (now, name) == (when, call)
            && seen.fetch_add(1, Ordering::Relaxed) + 1 == nth
            && let Some(body) = body.lock().unwrap().take()
        {
            body();
        }
    });
    Seam { renames: true, ..seam }
}

/// A stage as a crash leaves it, with the record of a process that is gone.
fn plant_stage(root: &Root) -> PathBuf {
    let stage = root.path().join(".0123abcd-0123456789abcdef.lock-stage");
    std::fs::create_dir(&stage).unwrap();
    std::fs::write(stage.join("owner.json"), "{\"pid\": 4194303}\n").unwrap();
    stage
}

/// A sweeper has a stage open; before it goes on, the stage is published, and its owner dies.
/// What the sweeper has open is a lock now, to be judged like any other.
#[cfg(unix)]
pub(crate) fn published_under_a_sweeper() {
    let root = Root::new();
    let stage = plant_stage(&root);
    let lock = root.lock_dir();
    // The first listing is the root's, the second the stage's.
    let sweeper =
        at_nth(2, When::After, "list", move || publish(stage, lock)).lock(&root.lock_dir());
    let litter = sweeper.sweep_litter(true).unwrap();
    assert!(litter.swept.is_empty(), "{litter:?}");
    assert!(root.lock_dir().join("owner.json").exists(), "the sweeper emptied a lock");
}

#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "the test plays the stager, on a path of its own")]
fn publish(stage: PathBuf, lock: PathBuf) {
    std::fs::rename(stage, lock).unwrap();
}

/// A sweeper is at work on a stage just when its stager wants the owner byte: the stager starts
/// again, and neither leaves anything, whether the sweeper removes or only looks.
#[cfg(unix)]
pub(crate) fn stager_under_a_sweeper() {
    for remove in [true, false] {
        let root = Root::new();
        let path = root.lock_dir();
        let (sweeping, wait_sweeping) = mpsc::channel::<()>();
        let (go_on, wait_go_on) = mpsc::channel::<()>();
        let stager = at_nth(1, When::Before, "lock owner", move || {
            let call = if remove { "lock owner" } else { "is_locked" };
            std::thread::spawn(move || {
                let sweeper = at_nth(1, When::After, call, move || {
                    sweeping.send(()).unwrap();
                    wait_go_on.recv().unwrap();
                });
                sweeper.lock(&path).sweep_litter(remove).unwrap();
            });
            wait_sweeping.recv().unwrap();
        });
        let stager = stager.lock(&root.lock_dir());
        let Attempt::Acquired(guard) = stager.attempt(&stamp()).unwrap() else {
            panic!("nobody else wants it")
        };
        let names: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [runtime_deps_lock::DEFAULT_LOCK_NAME], "removing: {remove}");
        go_on.send(()).unwrap();
        let _ = guard.release();
        root.assert_clean("after the sweeper");
    }
}

/// Nobody's stages and tombstones go; what is owned or holds foreign files stays.
pub(crate) fn only_what_nobody_owns() {
    let root = Root::new();
    plant_stage(&root);
    let foreign = root.path().join(".0123abcd-fedcba9876543210.lock-tomb");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("notes.txt"), "mine").unwrap();

    // A stager in the middle of it.
    let sweep_root = root.path();
    let publication = if cfg!(windows) { "rename_file_new" } else { "rename_new" };
    let stager = at_nth(1, When::Before, publication, move || {
        let litter = crate::root::lock_of(&sweep_root).sweep(true).unwrap().litter;
        assert_eq!(litter.swept.len(), 1, "{litter:?}");
        assert_eq!(litter.obstructed.len(), 1, "{litter:?}");
    });
    let stager = stager.lock(&root.lock_dir());
    let Attempt::Acquired(guard) = stager.attempt(&stamp()).unwrap() else { panic!("it is free") };
    assert!(guard.is_held());
    let _ = guard.release();
    assert_eq!(std::fs::read_to_string(foreign.join("notes.txt")).unwrap(), "mine");
}
