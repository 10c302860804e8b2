//! Roots and lock directories that are not what they should be: typed errors, in bounded time,
//! and nothing foreign is ever deleted.
#![cfg(target_os = "linux")]

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use lock_core::lockfile::sys::FileKind;
use lock_core::{LockError, State};
use rstest::rstest;
use runtime_deps_lock::{
    DEFAULT_LOCK_NAME, DepsLock, DepsLockError, DepsOptions, ReleaseOutcome, with_lock,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Far above what any of this takes, far below any grace.
const BOUND: Duration = Duration::from_secs(10);

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn dir(&self) -> PathBuf {
        self.path().join(DEFAULT_LOCK_NAME)
    }

    fn owner_file(&self) -> PathBuf {
        self.dir().join("owner.json")
    }

    fn lock(&self) -> DepsLock {
        DepsLock::new(self.path(), options()).unwrap()
    }

    /// Makes everything at the lock's path an hour old.
    fn age(&self) {
        let then = SystemTime::now() - Duration::from_secs(3600);
        for path in [self.owner_file(), self.dir()] {
            let regular = std::fs::metadata(&path).is_ok_and(|m| m.is_file() || m.is_dir());
            if regular {
                File::open(path).unwrap().set_modified(then).unwrap();
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn options() -> DepsOptions {
    DepsOptions::default().timeout(Duration::from_millis(100))
}

/// Runs `body` in bounded time.
fn promptly<T>(body: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = body();
    assert!(started.elapsed() < BOUND, "it took {:?}", started.elapsed());
    result
}

/// Runs `body` without the privileges that let root pass every permission bit.
fn without_privileges<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let drop_and_run = || {
        let sets = capabilities(None).unwrap();
        let effective = sets.effective
            - CapabilitySet::DAC_OVERRIDE
            - CapabilitySet::DAC_READ_SEARCH
            - CapabilitySet::FOWNER;
        set_capabilities(None, CapabilitySets { effective, ..sets }).unwrap();
        body()
    };
    std::thread::scope(|scope| scope.spawn(drop_and_run).join().unwrap())
}

fn make_fifo(at: &Path) {
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at, kind, 0o644.into(), 0).unwrap();
}

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
fn a_lock_name_that_is_no_plain_name(#[case] name: &str) {
    let root = Root::new();
    let error = DepsLock::new(root.path(), options().lock_name(name)).unwrap_err();
    assert!(matches!(error, DepsLockError::BadLockName { .. }), "{error}");
}

#[test]
fn another_lock_name_is_another_lock() {
    let root = Root::new();
    let guard = root.lock().acquire().unwrap();
    let mirror = options().lock_name(".openclaw-runtime-mirror.lock");
    let other = DepsLock::new(root.path(), mirror).unwrap().acquire().unwrap();
    assert_eq!(root.names(), [DEFAULT_LOCK_NAME, ".openclaw-runtime-mirror.lock"]);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(matches!(other.release(), ReleaseOutcome::Released));
}

#[test]
fn a_root_that_may_not_be_written() {
    let root = Root::new();
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o555)).unwrap();
    let error = without_privileges(|| promptly(|| root.lock().acquire()).unwrap_err());
    let DepsLockError::Lock(LockError::Io { source, .. }) = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
    assert!(root.names().is_empty());
}

/// What is at the lock's path is no directory, or what is in it is no file.
#[rstest]
#[case::file(FileKind::Regular, |r: &Root| std::fs::write(r.dir(), "mine").unwrap())]
#[case::link(FileKind::Symlink, |r: &Root| symlink("elsewhere", r.dir()).unwrap())]
#[case::fifo(FileKind::Other, |r: &Root| make_fifo(&r.dir()))]
#[case::owner_is_a_directory(FileKind::Directory, |r: &Root| {
    std::fs::create_dir_all(r.owner_file()).unwrap();
})]
#[case::owner_is_a_link(FileKind::Symlink, |r: &Root| {
    std::fs::create_dir(r.dir()).unwrap();
    std::fs::write(r.path().join("target"), "{\"pid\": 4194303}").unwrap();
    symlink("../target", r.owner_file()).unwrap();
})]
#[case::owner_is_a_fifo(FileKind::Other, |r: &Root| {
    std::fs::create_dir(r.dir()).unwrap();
    make_fifo(&r.owner_file());
})]
fn no_lock(#[case] kind: FileKind, #[case] plant: impl Fn(&Root)) {
    let root = Root::new();
    plant(&root);
    root.age();
    let before = root.names();
    let error = promptly(|| root.lock().acquire()).unwrap_err();
    let DepsLockError::Lock(LockError::NotALock { kind: found, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(found, kind);
    let inspection = promptly(|| root.lock().inspect());
    assert_eq!((inspection.state(), inspection.was_readable()), (State::Unverifiable, true));
    promptly(|| root.lock().sweep(true)).unwrap();
    assert_eq!(root.names(), before);
    assert!(std::fs::symlink_metadata(root.dir()).is_ok());
}

/// It may well be in order: it is waited for, and never removed, whatever its age.
#[test]
fn an_owner_file_that_may_not_be_read() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    root.age();
    std::fs::set_permissions(root.owner_file(), Permissions::from_mode(0o000)).unwrap();
    without_privileges(|| {
        let error = promptly(|| root.lock().acquire()).unwrap_err();
        assert!(matches!(error, DepsLockError::Timeout(_)), "{error}");
        assert!(error.to_string().contains("it cannot be opened"), "{error}");
        assert!(!root.lock().inspect().was_readable());
        root.lock().sweep(true).unwrap();
    });
    assert!(root.owner_file().exists());
}

/// A dead owner's lock in a root where this process may not remove it: said, not looped over.
#[test]
fn a_stale_lock_that_may_not_be_removed() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    std::fs::set_permissions(root.path(), Permissions::from_mode(0o555)).unwrap();
    let error = without_privileges(|| promptly(|| root.lock().acquire()).unwrap_err());
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
    let error = promptly(|| root.lock().acquire()).unwrap_err();
    assert!(error.to_string().contains("it is longer than"), "{error}");
    root.age();
    let guard = promptly(|| root.lock().acquire()).unwrap();
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(root.names().is_empty());
}

/// Foreign files outlive everything that happens to a lock directory, and doctor tells of them.
#[rstest]
#[case::of_a_dead_owner(Some("{\"pid\": 4194303}"))]
#[case::of_nobody(Some("{\"pi"))]
#[case::without_owner_file(None)]
fn foreign_files_in_a_stale_lock(#[case] record: Option<&str>) {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    if let Some(record) = record {
        std::fs::write(root.owner_file(), record).unwrap();
    }
    root.age();
    let acquired = promptly(|| root.lock().acquire());
    let sweep = root.lock().sweep(true).unwrap();
    if record.is_some() {
        // The path is free; the files are in a tombstone.
        assert!(matches!(acquired.unwrap().release(), ReleaseOutcome::Released));
        assert_eq!(sweep.litter.obstructed.len(), 1);
        let notes = sweep.litter.obstructed[0].join("notes.txt");
        assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
    } else {
        // An ownerless directory is never renamed, and rmdir refuses this one.
        let error = acquired.unwrap_err();
        assert!(error.to_string().contains("it cannot be removed"), "{error}");
        assert!(sweep.locks[0].obstacle.is_some() && !sweep.locks[0].removed);
        assert_eq!(std::fs::read_to_string(root.dir().join("notes.txt")).unwrap(), "mine");
    }
}

#[test]
fn foreign_files_in_a_held_lock() {
    let root = Root::new();
    let guard = root.lock().acquire().unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    assert!(guard.is_held());
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    let litter = root.lock().sweep(true).unwrap().litter;
    let notes = litter.obstructed[0].join("notes.txt");
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
}

/// Somebody removed or replaced the lock by hand: the holder learns of it and harms nobody.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test plays a careless human")]
fn a_lock_that_was_removed_or_replaced() {
    let root = Root::new();
    let guard = root.lock().acquire().unwrap();
    std::fs::remove_dir_all(root.dir()).unwrap();
    assert!(!guard.is_held());
    let successor = root.lock().acquire().unwrap();
    assert!(matches!(guard.release(), ReleaseOutcome::Lost));
    assert!(successor.is_held(), "the release harmed its successor");

    std::fs::rename(root.dir(), root.path().join("moved")).unwrap();
    std::fs::create_dir(root.dir()).unwrap();
    assert!(!successor.is_held());
    assert!(matches!(successor.release(), ReleaseOutcome::Lost));
    assert!(root.dir().is_dir() && root.path().join("moved/owner.json").exists());
}

/// OpenClaw makes the directory, and only then writes the record into it, by path. Contenders
/// that hammer meanwhile never get in between: the directory is never renamed over or removed.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test plays OpenClaw, which removes by path")]
fn openclaw_between_its_mkdir_and_its_write() {
    let root = Root::new();
    let stop = AtomicBool::new(false);
    let inside = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let lock = DepsLock::new(root.path(), options().timeout(Duration::ZERO)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let Ok(guard) = lock.acquire() else { continue };
                    assert!(!inside.swap(true, Ordering::SeqCst), "two holders");
                    inside.store(false, Ordering::SeqCst);
                    drop(guard);
                }
            });
        }
        let record = format!(
            "{{\n  \"pid\": {},\n  \"createdAtMs\": {}\n}}\n",
            std::process::id(),
            SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()
        );
        let mut rounds = 0;
        let deadline = Instant::now() + BOUND;
        while rounds < 300 && Instant::now() < deadline {
            if std::fs::create_dir(root.dir()).is_err() {
                continue;
            }
            assert!(!inside.swap(true, Ordering::SeqCst), "two holders");
            std::thread::sleep(Duration::from_micros(rounds % 7 * 100));
            std::fs::write(root.owner_file(), &record).expect("our directory was taken away");
            assert_eq!(std::fs::read_to_string(root.owner_file()).unwrap(), record);
            inside.store(false, Ordering::SeqCst);
            std::fs::remove_dir_all(root.dir()).unwrap();
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(rounds > 20, "OpenClaw hardly ever got the lock: {rounds} times");
    });
}
