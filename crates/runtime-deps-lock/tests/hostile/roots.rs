//! Roots that cannot be used, and lock directories that are none, or cannot be read.

use std::fs::File;
#[cfg(unix)]
use std::os::unix::fs::symlink;

use lock_core::lockfile::sys::FileKind;
use lock_core::{LockError, State};
use rstest::rstest;
use runtime_deps_lock::{DepsLock, DepsLockError, ReleaseOutcome, with_lock};

#[cfg(unix)]
use crate::support::make_fifo;
#[cfg(target_os = "linux")]
use crate::support::without_privileges;
use crate::support::{Root, options, promptly};

#[test]
fn a_root_that_is_missing_or_a_file() {
    let root = Root::new();
    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for (path, kind) in [
        (root.path().join("missing"), std::io::ErrorKind::NotFound),
        (file.clone(), std::io::ErrorKind::NotADirectory),
    ] {
        let ran = with_lock(&path, options(), || panic!("it must not run"));
        let Err(DepsLockError::Root { path: named, source }) = ran else { panic!("{ran:?}") };
        assert_eq!((named, source.kind()), (path, kind));
    }
    assert_eq!(root.names(), ["file"]);
}

#[rstest]
#[case("")]
#[case(".")]
#[case("..")]
#[case("a/b")]
#[case("/a")]
#[case("a/")]
#[case("./a")]
#[case("a/..")]
#[case("a\0b")]
#[case("\0")]
fn a_lock_name_that_is_no_plain_name(#[case] name: &str) {
    let root = Root::new();
    let error = DepsLock::new(root.path(), options().lock_name(name)).unwrap_err();
    assert!(matches!(error, DepsLockError::BadLockName { .. }), "{error}");
}

/// Two names on one root do not exclude each other; each excludes itself.
#[test]
fn another_lock_name_is_another_lock() {
    let root = Root::new();
    let mirror = || {
        let named = options().lock_name(".openclaw-runtime-mirror.lock");
        DepsLock::new(root.path(), named).unwrap()
    };
    let guard = root.lock().acquire().unwrap();
    let other = mirror().acquire().unwrap();
    assert_eq!(root.names(), [".openclaw-runtime-deps.lock", ".openclaw-runtime-mirror.lock"]);
    for lock in [root.lock(), mirror()] {
        assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
    }
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(other.is_held(), "the release of one is not that of the other");
    assert!(matches!(mirror().acquire().unwrap_err(), DepsLockError::Timeout(_)));
    assert!(matches!(other.release(), ReleaseOutcome::Released));
    assert!(root.names().is_empty());
}

/// The file system decides how long a name may be: the longest works, one more is told.
#[cfg(unix)]
#[test]
fn a_long_lock_name() {
    let root = Root::new();
    let named = |length| options().lock_name("n".repeat(length));
    with_lock(root.path(), named(255), || assert_eq!(root.names(), ["n".repeat(255)])).unwrap();
    assert!(root.names().is_empty());
    let error = with_lock(root.path(), named(256), || panic!("it must not run")).unwrap_err();
    let DepsLockError::Lock(LockError::Io { source, .. }) = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::InvalidFilename);
    assert!(root.names().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_root_that_may_not_be_written() {
    let root = Root::new();
    chmod(root.path(), 0o555);
    let error = without_privileges(|| promptly(&root, DepsLock::acquire).unwrap_err());
    let DepsLockError::Lock(LockError::Io { source, .. }) = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(root.names().is_empty());
}

#[cfg(target_os = "linux")]
fn chmod(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What is at the lock's path is no directory, or what is in it is no file.
#[rstest]
#[case::file(FileKind::Regular, |r: &Root| std::fs::write(r.dir(), "mine").unwrap())]
#[cfg_attr(unix, case::link(FileKind::Symlink, |r: &Root| symlink("elsewhere", r.dir()).unwrap()))]
#[cfg_attr(unix, case::fifo(FileKind::Other, |r: &Root| make_fifo(&r.dir())))]
#[case::owner_is_a_directory(FileKind::Directory, |r: &Root| {
    std::fs::create_dir_all(r.owner_file()).unwrap();
})]
#[cfg_attr(unix, case::owner_is_a_link(FileKind::Symlink, |r: &Root| {
    std::fs::create_dir(r.dir()).unwrap();
    std::fs::write(r.path().join("target"), "{\"pid\": 4194303}").unwrap();
    symlink("../target", r.owner_file()).unwrap();
}))]
#[cfg_attr(unix, case::owner_is_a_fifo(FileKind::Other, |r: &Root| {
    std::fs::create_dir(r.dir()).unwrap();
    make_fifo(&r.owner_file());
}))]
fn no_lock(#[case] kind: FileKind, #[case] plant: impl Fn(&Root)) {
    let root = Root::new();
    plant(&root);
    root.age();
    let before = root.names();
    let error = promptly(&root, DepsLock::acquire).unwrap_err();
    let DepsLockError::Lock(LockError::NotALock { kind: found, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(found, kind);
    let inspection = promptly(&root, DepsLock::inspect);
    assert_eq!((inspection.state(), inspection.was_readable()), (State::Unverifiable, true));
    promptly(&root, |lock| lock.sweep(true)).unwrap();
    assert_eq!(root.names(), before);
    assert!(std::fs::symlink_metadata(root.dir()).is_ok());
}

/// It may well be in order: it is waited for, and never removed, whatever its age.
#[cfg(target_os = "linux")]
#[test]
fn an_owner_file_that_may_not_be_read() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    root.age();
    chmod(&root.owner_file(), 0o000);
    without_privileges(|| {
        let error = promptly(&root, DepsLock::acquire).unwrap_err();
        assert!(matches!(error, DepsLockError::Timeout(_)), "{error}");
        assert!(error.to_string().contains("it cannot be opened"), "{error}");
        // It is there, and not good. How old it is does not count: it may be a live lock.
        let fields = "ownerFile=invalid, ownerFileSymlink=false, pid=missing, ownerAge=n/a";
        assert!(error.to_string().contains(fields), "{error}");
        assert!(!root.lock().inspect().was_readable());
        root.lock().sweep(true).unwrap();
    });
    assert!(root.owner_file().exists());
}

/// A dead owner's lock in a root where this process may not remove it: said, not looped over.
#[cfg(target_os = "linux")]
#[test]
fn a_stale_lock_that_may_not_be_removed() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    chmod(root.path(), 0o555);
    let error = without_privileges(|| promptly(&root, DepsLock::acquire).unwrap_err());
    assert!(error.to_string().contains("ermission denied"), "{error}");
    assert!(root.owner_file().exists());
}

#[test]
fn a_huge_owner_file_names_no_owner() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    // Valid JSON that names a dead owner, had it been read: but nobody reads 1 GiB.
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    File::options().append(true).open(root.owner_file()).unwrap().set_len(1 << 30).unwrap();
    let error = promptly(&root, DepsLock::acquire).unwrap_err();
    assert!(error.to_string().contains("it is longer than"), "{error}");
    root.age();
    let guard = promptly(&root, DepsLock::acquire).unwrap();
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(root.names().is_empty());
}
