//! Where directories cannot be renamed at all: the record is renamed out beside the lock, then the
//! emptied directory is removed. In between it names no owner, and whoever finds it so for longer
//! than the grace removes it, too. With no grace at all, as in [`crate::slow_path`], that happens
//! all the time.

use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use lock_core::ReleaseOutcome;
use lock_core::lockfile::Attempt;

use crate::root::{Planted, Root};
use crate::script::{Script, hammer_over, sluggish};
use crate::seam::{Seam, When, acquire, stamp};

fn from_the_bottom(seam: Seam) -> Seam {
    Seam { bottom_up: true, renames: true, ..seam }
}

/// Takes the lock as an installer that runs once, without slowness or hooks.
pub(crate) fn once(root: &Path) {
    hammer_over(from_the_bottom(Seam::new(|_, _| {})), root, &std::process::id().to_string(), 1);
}

pub(crate) fn threads() {
    let root = Root::new();
    let times = crate::os::scaled(250);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let path = root.path();
            let seam = from_the_bottom(sluggish(0x9e37_79b9 * (thread + 1)));
            scope.spawn(move || hammer_over(seam, &path, &format!("t{thread}"), times));
        }
    });
    assert_eq!(root.check(|_| false), times * 4);
    root.assert_clean("after the storm");
}

pub(crate) fn planted() {
    let root = Root::new();
    let rounds = crate::os::scaled(1000);
    for round in 0..rounds {
        let lock = root.lock_dir();
        Planted::plant_or_dead(round, &lock);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let path = root.path();
                let seam = from_the_bottom(sluggish((round * 3 + thread) as u64 * 0x1234_5677));
                scope.spawn(move || hammer_over(seam, &path, &format!("{round}.{thread}"), 1));
            }
        });
    }
    assert_eq!(root.check(|_| false), rounds * 3);
    root.assert_clean("after the storm");
}

/// A releaser stands still between its two steps. Others find the directory ownerless, and one of
/// them holds the lock by the time it goes on: that one's directory stays.
pub(crate) fn successor_holds() {
    let root = Root::new();
    let path = root.lock_dir();
    let (held, wait_held) = mpsc::channel();
    let (checked, wait_checked) = mpsc::channel::<()>();
    let others = {
        let path = path.clone();
        move || {
            std::thread::spawn(move || {
                let guard =
                    acquire(&from_the_bottom(Seam::new(|_, _| {})).lock(&path), Duration::ZERO);
                held.send(()).unwrap();
                wait_checked.recv().unwrap();
                assert!(guard.is_held());
                assert!(matches!(guard.release(), ReleaseOutcome::Released));
            });
            wait_held.recv().unwrap();
        }
    };
    let releaser = from_the_bottom(Script::default().at(When::Before, "remove_dir", others).seam());
    let Attempt::Acquired(guard) = releaser.lock(&path).attempt(&stamp()).unwrap() else {
        panic!("it is free")
    };
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(path.join("owner.json").exists(), "the successor's record is gone");
    checked.send(()).unwrap();
    while path.exists() {
        std::thread::yield_now();
    }
    root.assert_clean("after both");
}

/// The same, but the successor has only just made its directory, which then goes: it makes
/// another, and nobody waits out a grace.
pub(crate) fn successor_is_making_its_own() {
    let root = Root::new();
    let path = root.lock_dir();
    let (made, wait_made) = mpsc::channel();
    let (removed, wait_removed) = mpsc::channel::<()>();
    let (done, wait_done) = mpsc::channel();
    let successor = {
        let path = path.clone();
        move || {
            std::thread::spawn(move || {
                let first_made = move || {
                    made.send(()).unwrap();
                    wait_removed.recv().unwrap();
                };
                // The first attempt finds the releaser's directory.
                let script = Script::default().at(When::After, "create_dir", || {}).at(
                    When::After,
                    "create_dir",
                    first_made,
                );
                let lock = from_the_bottom(script.seam()).lock(&path);
                let guard = acquire(&lock, Duration::ZERO);
                let held = guard.is_held();
                done.send((held, guard.release())).unwrap();
            });
            wait_made.recv().unwrap();
        }
    };
    let releaser = Script::default()
        .at(When::Before, "remove_dir", successor)
        .at(When::After, "remove_dir", move || removed.send(()).unwrap())
        .seam();
    let Attempt::Acquired(guard) = from_the_bottom(releaser).lock(&path).attempt(&stamp()).unwrap()
    else {
        panic!("it is free")
    };
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    let (held, outcome) = wait_done.recv_timeout(Duration::from_secs(10)).expect("it gets it");
    assert!(held && matches!(outcome, ReleaseOutcome::Released), "{outcome:?}");
    root.assert_clean("after both");
}

/// A publisher was held up after it made its directory, so long that the directory it opens is
/// another owner's. That one is just releasing: its record is out, the directory is empty. The
/// publication makes the late one the holder; the releaser finds its directory in use and is done.
pub(crate) fn late_publication() {
    let root = Root::new();
    let path = root.lock_dir();
    let (start, wait_start) = mpsc::channel::<()>();
    let (opened, wait_opened) = mpsc::channel::<()>();
    let (emptied, wait_emptied) = mpsc::channel::<()>();
    let (published, wait_published) = mpsc::channel::<()>();
    let (holds, wait_holds) = mpsc::channel::<()>();

    let first = {
        let path = path.clone();
        std::thread::spawn(move || {
            wait_start.recv().unwrap();
            let script = Script::default().at(When::Before, "remove_dir", move || {
                emptied.send(()).unwrap();
                wait_published.recv().unwrap();
            });
            let Attempt::Acquired(guard) =
                from_the_bottom(script.seam()).lock(&path).attempt(&stamp()).unwrap()
            else {
                panic!("it is free")
            };
            holds.send(()).unwrap();
            wait_opened.recv().unwrap();
            guard.release()
        })
    };
    let its_dir = path.clone();
    let late = Script::default()
        .at(When::After, "create_dir", move || {
            std::fs::remove_dir(&its_dir).unwrap();
            start.send(()).unwrap();
            wait_holds.recv().unwrap();
        })
        .at(When::After, "open_dir", move || opened.send(()).unwrap())
        .at(When::Before, "rename_file_new", move || wait_emptied.recv().unwrap())
        .at(When::After, "rename_file_new", move || published.send(()).unwrap())
        .seam();
    let attempt = from_the_bottom(late).lock(&path).attempt(&stamp()).unwrap();
    assert!(matches!(first.join().unwrap(), ReleaseOutcome::Released));
    let Attempt::Acquired(guard) = attempt else { panic!("nobody else has it") };
    assert!(guard.is_held(), "the releaser took it along");
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    root.assert_clean("after both");
}

/// What somebody else put into the lock directory is neither deleted nor moved.
pub(crate) fn foreign_files() {
    let root = Root::new();
    let lock = from_the_bottom(Seam::new(|_, _| {})).lock(&root.lock_dir());
    let Attempt::Acquired(guard) = lock.attempt(&stamp()).unwrap() else { panic!("it is free") };
    std::fs::write(root.lock_dir().join("notes.txt"), "mine").unwrap();
    let ReleaseOutcome::Abandoned(error) = guard.release() else { panic!("it cannot go") };
    assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
    let left: Vec<_> = std::fs::read_dir(root.lock_dir()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(std::fs::read_to_string(root.lock_dir().join("notes.txt")).unwrap(), "mine");
}

/// Somebody outside the protocol replaces the record between the check and the rename, on a
/// system that renames by name.
#[cfg(unix)]
pub(crate) fn replaced_meanwhile() {
    let root = Root::new();
    let owner = root.lock_dir().join("owner.json");
    let replace = {
        let (new, owner) = (root.path().join("new"), owner.clone());
        move || rename_over(&new, &owner)
    };
    let script = Script::default().at(When::After, "rename_file_new", || {}).at(
        When::Before,
        "rename_file_new",
        replace,
    );
    let lock = from_the_bottom(script.seam()).lock(&root.lock_dir());
    let Attempt::Acquired(guard) = lock.attempt(&stamp()).unwrap() else { panic!("it is free") };
    assert!(!matches!(guard.release(), ReleaseOutcome::Released));
    assert_eq!(std::fs::read_to_string(&owner).unwrap(), "theirs");
    let left: Vec<_> =
        std::fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [runtime_deps_lock::DEFAULT_LOCK_NAME]);
}

#[cfg(unix)]
fn rename_over(new: &Path, owner: &Path) {
    std::fs::write(new, "theirs").unwrap();
    crate::os::rename_over(new, owner);
}
