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

/// Commands for `lockctl` to run, and how they end.
#[cfg_attr(unix, path = "command_unix.rs")]
#[cfg_attr(windows, path = "command_windows.rs")]
pub(crate) mod command;

#[cfg(target_os = "linux")]
pub(crate) mod mounts;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use lock_core::lockfile::sys::{Facts, Native, Place, Sys};

pub(crate) use imp::{
    Process, append, cpu_time, open_files, remove, remove_tree, rename_new, rename_over,
    threads_named, watches_files,
};

/// How much smaller storms are here: starting a process and opening a file cost fifty times as much
/// under Wine.
pub(crate) const STORM_SCALE: f64 = if cfg!(windows) { 0.02 } else { 1.0 };

/// The steps in which [`cpu_time`] counts.
pub(crate) const CPU_STEP: Duration = Duration::from_millis(if cfg!(windows) { 16 } else { 0 });

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
    ((count as f64 * STORM_SCALE).ceil() as usize).max(5)
}

/// What is in a directory, sorted, when what is on its way out has gone: on Windows a name can
/// outlive its file until the last who looks at it has closed it.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let last = Instant::now() + Duration::from_millis(if cfg!(windows) { 1000 } else { 0 });
    loop {
        let entries = std::fs::read_dir(directory).expect("a directory").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let on_its_way =
            names.iter().any(|name| name.ends_with("lock-tomb") || name.ends_with(".lock"));
        if !on_its_way || Instant::now() >= last {
            return names;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a directory, also where one of this name was removed a moment ago.
pub(crate) fn create_dir(path: &Path) {
    let last = Instant::now() + Duration::from_millis(if cfg!(windows) { 2000 } else { 0 });
    while let Err(error) = std::fs::create_dir(path) {
        assert!(Instant::now() < last, "{}: {error}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends the grace of a lock directory that is without an owner, where they are made in place: a
/// death before the record is in leaves such a one, which others would have to wait for. The
/// directories of the living look old then, too, and go: their makers make others.
pub(crate) fn end_the_grace(lock_directory: &Path) {
    if cfg!(windows) && !lock_directory.join("owner.json").exists() {
        let _ = imp::set_modified(lock_directory, SystemTime::now() - Duration::from_secs(3600));
    }
}

/// Sets when a file, a directory or a link itself was last changed.
pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    imp::set_modified(path, time).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Makes a file or a directory look as if it had been changed so long ago.
pub(crate) fn make_old(path: &Path, age: Duration) {
    set_modified(path, SystemTime::now() - age);
}

/// Ends whatever was started, with the test that started it.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
