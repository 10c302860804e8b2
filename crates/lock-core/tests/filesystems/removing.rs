//! How a lock directory is removed where it cannot be renamed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lock_core::filesystem::FsClass::{Local, Network};
use lock_core::lockfile::{Attempt, ReleaseOutcome};
use lock_core::{AcquireError, Acquisition, Request};

use crate::setup::{acquired, directory_lock, leave, lock, names, policy, stamp, unseen};
use crate::sys::Pretended;

fn request() -> Request {
    let timeout = Some(Duration::ZERO);
    Request { stamp: stamp(), policy: policy(), timeout, reentrant: false, fail_when_stale: false }
}

/// A lock that came with a container's image is in the lower layer of an overlay.
#[test]
fn a_dead_owner_in_the_lower_layer_of_an_overlay() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("root.lock");
    std::fs::create_dir(&path).unwrap();
    leave(&path.join("owner.json"), |_| {});
    let sys = Pretended { no_rename_dir: true, ..Pretended::new(Local) };
    let file = directory_lock(sys, path);
    let guard = Acquisition::new(file, request()).block(|_, _, _| {}).unwrap();
    assert_eq!(names(root.path()), ["root.lock"]);
    drop(guard);
    assert!(names(root.path()).is_empty());
}

#[test]
fn releasing_from_the_bottom_up() {
    let root = tempfile::tempdir().unwrap();
    let sys = Pretended { no_rename_dir: true, ..Pretended::new(Local) };
    let guard = acquired(&directory_lock(sys, root.path().join("root.lock")));
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(root.path()).is_empty());
}

/// Foreign files are never removed, and whoever comes next is told of them.
#[test]
fn foreign_files_stay() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("root.lock");
    std::fs::create_dir(&path).unwrap();
    leave(&path.join("owner.json"), |_| {});
    std::fs::write(path.join("foreign"), "theirs").unwrap();
    let sys = Pretended { no_rename_dir: true, ..Pretended::new(Local) };
    let tried = Acquisition::new(directory_lock(sys, path.clone()), request()).block(|_, _, _| {});
    assert!(matches!(tried, Err(AcquireError::Contended(_))), "{tried:?}");
    assert_eq!(std::fs::read(path.join("foreign")).unwrap(), b"theirs");
}

/// The server's own processes find a file busy while the kernel takes it back from an NFS client:
/// once when they look, once when they remove.
#[test]
fn a_dead_owners_file_that_is_leased_to_a_client() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("s.lock");
    leave(&path, |_| {});
    let sys = Pretended::new(Local);
    for leased in 1..=3 {
        sys.leased.store(leased, Ordering::Relaxed);
        let request = Request { timeout: Some(Duration::from_secs(30)), ..request() };
        let guard = Acquisition::new(lock(sys.clone(), path.clone(), unseen()), request)
            .block(|_, _, _| {})
            .unwrap();
        assert_eq!(sys.leased.load(Ordering::Relaxed), 0);
        drop(guard);
        leave(&path, |_| {});
    }
}

/// Neither a release nor an attempt that came too late leaves a directory, which nobody would
/// sweep for a long time. What the file system keeps it removes by itself.
#[test]
fn nothing_stays_where_deleted_files_keep_a_name() {
    let root = tempfile::tempdir().unwrap();
    let sys = Pretended { keeps_deleted: true, ..Pretended::new(Network) };
    let file = directory_lock(sys, root.path().join("root.lock"));
    let guard = acquired(&file);
    assert!(matches!(file.attempt(&stamp()).unwrap(), Attempt::Contended));
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert_eq!(names(root.path()), [".nfs"]);
    assert!(root.path().join(".nfs").is_file());
}
