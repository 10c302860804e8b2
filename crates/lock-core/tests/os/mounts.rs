//! File systems that a test mounts: on a thread with mounts of its own, so that nobody else sees
//! them and nothing is left to unmount, however the test ends.
//!
//! `/proc/self/mountinfo` shows the process's mounts, not the thread's: what is mounted here is a
//! file system of unknown kind to the protocol.

use std::path::Path;
use std::process::Command;

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Why nothing can be mounted here, if so.
pub(crate) fn obstacle() -> Option<String> {
    let private = std::thread::scope(|scope| scope.spawn(make_private).join());
    private.unwrap_or_else(|_| Err("the thread panicked".to_owned())).err()
}

/// Runs `body` on a thread, and on those that it starts, with a small file system at `at`.
pub(crate) fn with_tmpfs<T: Send>(at: &Path, options: &str, body: impl FnOnce() -> T + Send) -> T {
    let mounted = || {
        make_private().expect("mounts of its own");
        mount(&["-t", "tmpfs", "-o", options, "none"], at).expect("a file system");
        body()
    };
    std::thread::scope(|scope| match scope.spawn(mounted).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Lets nobody write any more to what is mounted at `at`, for the body of [`with_tmpfs`].
pub(crate) fn make_read_only(at: &Path) {
    mount(&["-o", "remount,ro"], at).expect("a read-only file system");
}

fn make_private() -> Result<(), String> {
    // SAFETY: descriptors stay shared; only this thread's view of mounts and directories changes.
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWNS) };
    unshared.map_err(|error| format!("unshare(2): {error}"))?;
    // Nothing that is mounted here reaches others.
    mount(&["--make-rprivate"], Path::new("/"))
}

fn mount(words: &[&str], at: &Path) -> Result<(), String> {
    match Command::new("mount").args(words).arg(at).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        Err(error) => Err(format!("mount(8): {error}")),
    }
}
