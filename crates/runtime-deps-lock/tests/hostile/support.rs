//! An install root, and ways to be hostile to it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsOptions};

/// Far above what any of this takes, far below any grace.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Root(tempfile::TempDir);

impl Root {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.path().join(DEFAULT_LOCK_NAME)
    }

    pub(crate) fn owner_file(&self) -> PathBuf {
        self.dir().join("owner.json")
    }

    pub(crate) fn lock(&self) -> DepsLock {
        DepsLock::new(self.path(), options()).unwrap()
    }

    /// Makes everything at the lock's path an hour old.
    pub(crate) fn age(&self) {
        let then = SystemTime::now() - Duration::from_secs(3600);
        for path in [self.owner_file(), self.dir()] {
            let regular = std::fs::metadata(&path).is_ok_and(|m| m.is_file() || m.is_dir());
            if regular {
                crate::os::set_modified(&path, then);
            }
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        crate::os::names(self.path())
    }
}

pub(crate) fn options() -> DepsOptions {
    DepsOptions::default().timeout(Duration::from_millis(100))
}

/// What `body` makes of the root's lock, in bounded time: on a thread that is left behind if it
/// hangs, so that the test fails instead of hanging with it.
#[track_caller]
pub(crate) fn promptly<T: Send + 'static>(
    root: &Root,
    body: impl FnOnce(&DepsLock) -> T + Send + 'static,
) -> T {
    let lock = root.lock();
    let (done, result) = channel();
    std::thread::spawn(move || done.send(body(&lock)));
    match result.recv_timeout(BOUND) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("it still is not done after {BOUND:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("it panicked"),
    }
}

#[cfg(unix)]
pub(crate) fn make_fifo(at: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(at).status().unwrap().success());
}

/// Runs `body` without the privileges that let root pass every permission bit.
#[cfg(target_os = "linux")]
pub(crate) fn without_privileges<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

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
