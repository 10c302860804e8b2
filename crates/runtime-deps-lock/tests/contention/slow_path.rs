//! Where directories cannot be renamed without clobbering: `mkdir`, then the record is published
//! into the new directory. With no grace at all, so that contenders remove each other's fresh
//! directories all the time: only `rmdir` and the bytes keep them apart.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use lock_core::lockfile::Attempt;

use crate::root::{Planted, Root};
use crate::script::{Script, hammer_over, sluggish};
use crate::seam::{Seam, When, stamp};

const THREADS: usize = 4;

/// Takes the lock `times` times over a sluggish system.
pub(crate) fn hammer(root: &Path, name: &str, seed: u64, times: usize, renames: bool) {
    hammer_over(Seam { renames, ..sluggish(seed) }, root, name, times);
}

fn storm(renames: bool) {
    let root = Root::new();
    let times = 250;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let path = root.path();
            scope.spawn(move || {
                hammer(
                    &path,
                    &format!("t{thread}"),
                    0x9e37_79b9 * (thread as u64 + 1),
                    times,
                    renames,
                );
            });
        }
    });
    assert_eq!(root.check(|_| false), THREADS * times);
    root.assert_clean("after the storm");
}

pub(crate) fn threads() {
    storm(false);
}

pub(crate) fn threads_with_renames() {
    storm(true);
}

/// Sluggish contenders meet what names no owner, and what names a dead one.
pub(crate) fn planted() {
    let root = Root::new();
    let rounds = 1000;
    for round in 0..rounds {
        let lock = root.lock_dir();
        Planted::plant_or_dead(round, &lock);
        let renames = round / 4 % 2 == 0;
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let path = root.path();
                let seed = (round * 3 + thread) as u64 * 0x1234_5677;
                scope.spawn(move || hammer(&path, &format!("{round}.{thread}"), seed, 1, renames));
            }
        });
    }
    assert_eq!(root.check(|_| false), rounds * 3);
}

/// A stalls right after its `mkdir`, and its directory is removed for ownerless. C makes the
/// next one, which A opens by its path and takes for its own; C holds, and releases. In the
/// middle of that A publishes its record into C's directory, which is a tombstone by then: A
/// must not believe that it holds the lock.
pub(crate) fn publication_into_a_tombstone() {
    let root = Root::new();
    let path = root.lock_dir();
    let (c_made, wait_c_made) = mpsc::channel::<()>();
    let (a_opened, wait_a_opened) = mpsc::channel::<()>();
    let (c_removed, wait_c_removed) = mpsc::channel::<()>();
    let (a_published, wait_a_published) = mpsc::channel::<()>();

    let for_c = Arc::new(Mutex::new(Some((wait_a_opened, wait_a_published, c_made, c_removed))));
    let (start_c, wait_start_c) = mpsc::channel::<()>();
    let c_path = path.clone();
    let c = std::thread::spawn(move || {
        wait_start_c.recv().unwrap();
        let (a_opened, a_published, c_made, c_removed) = for_c.lock().unwrap().take().unwrap();
        let lock = Script::default()
            // The stage that cannot be renamed comes first.
            .at(When::After, "create_dir", || {})
            .at(When::After, "create_dir", move || {
                c_made.send(()).unwrap();
                a_opened.recv().unwrap();
            })
            .at(When::After, "remove", move || {
                c_removed.send(()).unwrap();
                a_published.recv().unwrap();
            })
            .seam()
            .lock(&c_path);
        let Attempt::Acquired(guard) = lock.attempt(&stamp()).unwrap() else {
            panic!("C is first")
        };
        let _ = guard.release();
    });

    let a_path = path.clone();
    let a = Script::default()
        .at(When::After, "create_dir", || {})
        .at(When::After, "create_dir", move || {
            std::fs::remove_dir(&a_path).unwrap();
            start_c.send(()).unwrap();
            wait_c_made.recv().unwrap();
        })
        .at(When::After, "open_dir", move || a_opened.send(()).unwrap())
        .at(When::Before, "link_unnamed", move || wait_c_removed.recv().unwrap())
        .at(When::After, "link_unnamed", move || a_published.send(()).unwrap())
        .seam()
        .lock(&path);
    let attempt = a.attempt(&stamp()).unwrap();
    c.join().unwrap();
    if let Attempt::Acquired(guard) = &attempt {
        assert!(guard.is_held(), "A published into a tombstone and took it for the lock");
    }
    drop(attempt);
    // The tombstone stays where its remover found it full and A emptied it later.
    root.lock().sweep(true).unwrap();
    root.assert_clean("after a publication into a tombstone");
}

/// NFS: the server linked the record, the answer was lost, the repeated request says that the
/// name exists. That is our own success.
pub(crate) fn lying_link() {
    let root = Root::new();
    let lock = Seam { lying_links: true, ..Seam::new(|_, _| {}) }.lock(&root.lock_dir());
    let Attempt::Acquired(guard) = lock.attempt(&stamp()).unwrap() else {
        panic!("our own record was taken for somebody else's")
    };
    assert!(guard.is_held());
    assert!(matches!(guard.release(), lock_core::ReleaseOutcome::Released));
    root.assert_clean("after a link that lied");
}
