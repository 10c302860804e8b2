//! How an owner publishes its lock, and how it finds out that nobody can see it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lock_core::filesystem::FsClass;
use lock_core::filesystem::FsClass::{GuestLocal, Local, Network, Unknown, Volatile};
use lock_core::lockfile::{Attempt, ReleaseOutcome};
use lock_core::record::LockRecord;
use rstest::rstest;

use crate::setup::{acquired, leave, lock, names, stamp, unseen};
use crate::sys::Pretended;

#[rstest]
fn a_lock_that_is_seen_is_claimed(
    #[values(Local, Volatile, GuestLocal, Network, Unknown)] class: FsClass,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let sys = Pretended::new(class);
    let guard = acquired(&lock(sys.clone(), path.clone(), unseen()));
    assert!(guard.record().kernel_lock.is_some());
    let published = LockRecord::parse(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(published.kernel_lock, guard.record().kernel_lock);
    assert_eq!(published.seen_as.reach(), class.reach());
    assert_eq!(sys.published.load(Ordering::Relaxed), 1);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(dir.path()).is_empty());
}

/// The self-test goes through a fresh open, at each acquisition. Where it fails, the lock is
/// taken back and published again with a record that claims nothing.
#[rstest]
fn a_lock_that_is_not_seen_is_not_claimed(#[values(GuestLocal, Network, Unknown)] class: FsClass) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let sys = Pretended { locks_are_unseen: true, ..Pretended::new(class) };
    let file = lock(sys.clone(), path.clone(), unseen());
    for round in 1..=2 {
        let guard = acquired(&file);
        assert_eq!(guard.record().kernel_lock, None);
        let published = LockRecord::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((published.kernel_lock, &published.id), (None, &guard.record().id));
        assert_eq!(sys.published.load(Ordering::Relaxed), 2 * round);
        assert_eq!(names(dir.path()), ["s.lock"]);
        assert!(guard.is_held());
        assert!(guard.section(Duration::ZERO, || ()).is_ok());
        assert!(matches!(guard.release(), ReleaseOutcome::Released));
    }
    assert!(names(dir.path()).is_empty());
}

/// The ways of publishing that file systems leave: all of them, each without litter.
#[rstest]
#[case::vfat(Pretended { no_unnamed: true, no_link: true, ..Pretended::new(Local) })]
#[case::nfs(Pretended { no_unnamed: true, no_rename_new: true, ..Pretended::new(Network) })]
#[case::old_overlay(Pretended { no_unnamed: true, ..Pretended::new(GuestLocal) })]
fn ways_to_publish(#[case] sys: Pretended) {
    let dir = tempfile::tempdir().unwrap();
    let file = lock(sys, dir.path().join("s.lock"), unseen());
    let guard = acquired(&file);
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(file.attempt(&stamp()).unwrap(), Attempt::Contended));
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(dir.path()).is_empty());
}

/// A retransmitted request reports "exists" for its own success: the file there is compared
/// with ours before it counts as somebody else's.
#[rstest]
fn our_own_file_is_not_contention(#[values(false, true)] no_unnamed: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let nfs = Pretended { no_unnamed, no_rename_new: true, ..Pretended::new(Network) };
    let sys = Pretended { link_answers_twice: true, ..nfs };
    let guard = acquired(&lock(sys.clone(), path.clone(), unseen()));
    assert!(guard.is_held());
    assert!(matches!(lock(sys, path, unseen()).attempt(&stamp()).unwrap(), Attempt::Contended));
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
}

/// Off local file systems an inode number can come back under an open descriptor: what the
/// path leads to is told by what it says as well.
#[rstest]
#[case(Local, true)]
#[case(Volatile, true)]
#[case(GuestLocal, false)]
#[case(Network, false)]
#[case(Unknown, false)]
fn the_same_inode_with_another_record(#[case] class: FsClass, #[case] held: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let guard = acquired(&lock(Pretended::new(class), path.clone(), unseen()));
    leave(&path, |_| {});
    let theirs = std::fs::read(&path).unwrap();
    assert_eq!(guard.is_held(), held);
    if !held {
        assert!(matches!(guard.release(), ReleaseOutcome::Lost));
        assert_eq!(std::fs::read(&path).unwrap(), theirs);
    }
}
