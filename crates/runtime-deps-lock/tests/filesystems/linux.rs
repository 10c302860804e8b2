//! Small file systems, mounted for one test each.

use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use lock_core::{LockError, State};
use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsLockError, DepsOptions, with_lock};

use crate::os::mounts::{make_read_only, obstacle, with_tmpfs};
use crate::os::{self, names};

type Test = (&'static str, fn(&Path));

const TESTS: &[(&str, Test)] = &[
    ("size=8k", ("a_full_disk", full)),
    ("nr_inodes=2", ("no_more_inodes", out_of_inodes)),
    ("size=64k", ("an_empty_root_that_is_read_only", read_only)),
    ("size=64k", ("a_stale_lock_that_is_read_only", stale_and_read_only)),
];

pub(crate) fn trials() -> Vec<Trial> {
    let obstacle = obstacle();
    if let Some(why) = &obstacle {
        eprintln!("{} tests are ignored: {why}", TESTS.len());
    }
    let trial = |&(options, (name, test)): &(&'static str, Test)| {
        let run = move || {
            let root = tempfile::tempdir().unwrap();
            with_tmpfs(root.path(), options, || test(root.path()));
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(obstacle.is_some())
    };
    TESTS.iter().map(trial).collect()
}

/// Long enough that a lock which is merely held would be told as a timeout, in time.
fn options() -> DepsOptions {
    DepsOptions::default().timeout(Duration::from_millis(200))
}

/// Why nothing was installed.
#[track_caller]
fn refused(root: &Path) -> ErrorKind {
    let done = with_lock(root, options(), || panic!("it must not run"));
    match done {
        Err(DepsLockError::Lock(LockError::Io { source, path, .. })) => {
            assert!(path.starts_with(root), "{}", path.display());
            source.kind()
        }
        other => panic!("{other:?}"),
    }
}

fn full(root: &Path) {
    let fill = root.join("fill");
    let mut file = std::fs::File::create(&fill).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    assert_eq!(refused(root), ErrorKind::StorageFull);
    assert_eq!(names(root), ["fill"]);
    file.set_len(0).unwrap();
    with_lock(root, options(), || ()).expect("there is room again");
    assert_eq!(names(root), ["fill"]);
}

fn out_of_inodes(root: &Path) {
    std::fs::write(root.join("fill"), "").unwrap();
    assert_eq!(refused(root), ErrorKind::StorageFull);
    assert_eq!(names(root), ["fill"]);
    os::remove(&root.join("fill"));
    // The directory takes the one inode there is, and its record finds none.
    assert_eq!(refused(root), ErrorKind::StorageFull);
    assert_eq!(names(root), [""; 0], "a directory without its record is taken back");
}

fn read_only(root: &Path) {
    make_read_only(root);
    assert_eq!(refused(root), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(names(root), [""; 0]);
    let lock = DepsLock::new(root, options()).unwrap();
    assert_eq!(lock.inspect().state(), State::Unlocked);
    let sweep = lock.sweep(true).unwrap();
    assert!(sweep.locks.is_empty() && sweep.litter.swept.is_empty());
}

/// It can be told that it is stale, and that it cannot be removed.
fn stale_and_read_only(root: &Path) {
    let dir = root.join(DEFAULT_LOCK_NAME);
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("owner.json"), format!("{{\"pid\": {}}}", os::NOBODY)).unwrap();
    make_read_only(root);
    assert_eq!(refused(root), ErrorKind::ReadOnlyFilesystem);
    let lock = DepsLock::new(root, options()).unwrap();
    assert_eq!(lock.inspect().state(), State::Stale);
    let sweep = lock.sweep(true).unwrap();
    assert!(!sweep.locks[0].removed && sweep.locks[0].obstacle.is_some(), "{sweep:?}");
    assert!(dir.join("owner.json").exists());
}
