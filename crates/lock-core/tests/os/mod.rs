//! What tests need of the system that `std` does not have, in one place: every test crate includes
//! this module by its path, and has no `cfg` of its own for such things.
//!
//! What is about a mechanism of one system (forks, signals, `strace`, namespaces) is not here: such
//! tests are in modules of their own, which say so.
#![allow(dead_code, unused_imports, reason = "each test crate uses its own part")]
#![allow(unsafe_code, reason = "what std does not have is asked of the system itself")]

#[cfg(unix)]
#[path = "unix.rs"]
mod imp;
#[cfg(windows)]
#[path = "windows.rs"]
mod imp;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, SystemTime};

use lock_core::lockfile::sys::{Facts, Native, Place, Sys};

pub(crate) use imp::{
    Process, append, cpu_time, open_files, remove, remove_tree, rename_new, rename_over,
    threads_named, watches_files,
};

/// How much smaller storms are here: starting a process costs fifty times as much on Windows, and
/// more under Wine.
pub(crate) const STORM_SCALE: f64 = if cfg!(windows) { 0.05 } else { 1.0 };

/// How many times longer than on Linux things take that the system does in its own time: a byte
/// of a dead process that is given back, a thread that is started.
pub(crate) const PATIENCE: u32 = if cfg!(windows) { 10 } else { 1 };

/// A pid that no process has, and that is within the limits of every system: divisible by four, as
/// pids are on Windows, and above the limit of the others.
pub(crate) const NOBODY: u32 = 4_194_304;

/// Which file is at a path, as this system tells files apart.
pub(crate) fn file_id(path: &Path) -> u64 {
    facts(path).inode
}

/// What the seam says of a path.
pub(crate) fn facts(path: &Path) -> Facts {
    Native.stat(Place::absolute(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `count` times the scale of storms here.
pub(crate) fn scaled(count: usize) -> usize {
    (count as f64 * STORM_SCALE).ceil() as usize
}

/// Sets when a file, a directory or a link itself was last changed.
pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    imp::set_modified(path, time).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Makes a file or a directory look as if it had been changed so long ago.
pub(crate) fn make_old(path: &Path, age: Duration) {
    set_modified(path, SystemTime::now() - age);
}

/// The same for what may be gone meanwhile.
pub(crate) fn try_make_old(path: &Path, age: Duration) -> bool {
    imp::set_modified(path, SystemTime::now() - age).is_ok()
}

/// Ends whatever was started, with the test that started it.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
