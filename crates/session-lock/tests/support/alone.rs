//! Whatever is in a directory of locks is left alone, in bounded time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use session_lock::{SessionLock, SessionLockError, SessionOptions, sweep};

/// A record of an owner that no kernel has.
pub(crate) const DEAD: &str = "{\"pid\": 4194304, \"createdAt\": \"2026-01-01T00:00:00Z\"}";

/// Runs `body`, and fails if it hangs.
pub(crate) fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let running = thread::spawn(move || done.send(body()).unwrap());
    match result.recv_timeout(Duration::from_secs(30)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(running.join().unwrap_err())
        }
    }
}

pub(crate) fn acquire(session: &Path) -> Result<(), SessionLockError> {
    let session = session.to_owned();
    bounded(move || {
        let options = SessionOptions::default().timeout(Duration::from_millis(50));
        SessionLock::new(session, options)?.acquire().map(drop)
    })
}

/// What is in a directory: names, kinds, permissions and contents.
pub(crate) fn snapshot(
    dir: &Path,
) -> Vec<(PathBuf, fs::FileType, fs::Permissions, Option<Vec<u8>>)> {
    let describe = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let small = meta.is_file() && meta.len() < 1 << 20;
        let content = small.then(|| fs::read(entry.path()).ok()).flatten();
        (entry.path(), meta.file_type(), meta.permissions(), content)
    };
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(describe).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Acquiring, inspecting and sweeping all leave what is there alone; returns what acquiring said.
pub(crate) fn is_left_alone(dir: &Path) -> SessionLockError {
    let session = dir.join("chat.jsonl");
    let before = snapshot(dir);
    let error = acquire(&session).expect_err("no lock to be had");
    assert_eq!(snapshot(dir), before, "after acquiring: {error}");
    let dir = dir.to_owned();
    bounded({
        let dir = dir.clone();
        move || {
            let lock = SessionLock::existing(session, SessionOptions::default()).unwrap();
            let inspection = lock.inspect();
            assert!(inspection.found.is_some() || inspection.error.is_some());
            let swept = sweep(dir, &SessionOptions::default(), true).unwrap();
            assert!(swept.locks.iter().all(|s| !s.removed), "{swept:?}");
        }
    });
    assert_eq!(snapshot(&dir), before, "after sweeping");
    error
}
