//! The helpers on Unix. Processes are reached by pidfd on Linux, which stays exact when they are
//! gone; elsewhere by pid.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

/// Reaches a process that may be gone.
pub(crate) struct Process {
    pid: Pid,
    #[cfg(target_os = "linux")]
    pidfd: Option<std::os::fd::OwnedFd>,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed()).expect("not zero");
        Self {
            pid,
            #[cfg(target_os = "linux")]
            pidfd: rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok(),
        }
    }

    /// `false`: it is gone.
    #[cfg(target_os = "linux")]
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        let send = |fd| rustix::process::pidfd_send_signal(fd, signal).is_ok();
        // Kernels and emulators that know no pidfd.
        self.pidfd.as_ref().map_or_else(|| kill_process(self.pid, signal).is_ok(), send)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        kill_process(self.pid, signal).is_ok()
    }

    /// Keeps it from running, with all its threads. `false`: it is gone.
    pub(crate) fn stop(&self) -> bool {
        self.signal(Signal::STOP)
    }

    /// Lets it run again.
    pub(crate) fn go_on(&self) -> bool {
        self.signal(Signal::CONT)
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    /// Whether it ends within `time`: a zombie has ended.
    pub(crate) fn ends(&self, time: Duration) -> bool {
        let last = Instant::now() + time;
        while !self.has_ended() {
            if Instant::now() >= last {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[cfg(target_os = "linux")]
    fn has_ended(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(pidfd) = &self.pidfd else {
            return kill_process(self.pid, Signal::from_named_raw(0).unwrap_or(Signal::CONT))
                .is_err();
        };
        let mut end = [PollFd::new(pidfd, PollFlags::IN)];
        poll(&mut end, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn has_ended(&self) -> bool {
        rustix::process::test_kill_process(self.pid).is_err()
    }
}

/// The processor time that this process took so far.
pub(crate) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("positive")
}

/// How many descriptors this process has open.
pub(crate) fn open_files() -> usize {
    std::fs::read_dir("/dev/fd").expect("a list of descriptors").count()
}

/// Removes a file as a human would.
pub(crate) fn remove(path: &Path) {
    rustix::fs::unlink(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Removes a directory and all that is in it, as a human would.
#[expect(clippy::disallowed_methods, reason = "a test plays the part of everybody else")]
pub(crate) fn remove_tree(path: &Path) {
    std::fs::remove_dir_all(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Puts a file in another's place as an editor would.
pub(crate) fn rename_over(from: &Path, to: &Path) {
    rustix::fs::rename(from, to).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// Gives a directory another name, if that is free.
pub(crate) fn rename_new(from: &Path, to: &Path) -> std::io::Result<()> {
    use lock_core::lockfile::sys::{Native, Place, Sys};
    Native.rename_new(Place::absolute(from), Place::absolute(to))
}

/// Sets when a file, a directory or a link itself was last changed.
pub(crate) fn set_modified(path: &Path, time: SystemTime) -> std::io::Result<()> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let then = Timespec::try_from(since).expect("a time");
    let times = Timestamps { last_access: then, last_modification: then };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Whether a process waits for a file to change, where that can be seen.
pub(crate) fn watches_files(pid: u32) -> Option<bool> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?.flatten();
    let mut texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    Some(texts.any(|text| text.contains("inotify wd")))
}

/// How many threads of this process have this name, where that can be seen.
pub(crate) fn threads_named(name: &str) -> Option<usize> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?.flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    Some(names.filter(|its| its.trim() == name).count())
}

/// Appends a line that others append to as well: the system puts each behind the last.
pub(crate) fn append(mut file: &std::fs::File, _path: &Path, line: &[u8]) {
    use std::io::Write;
    let written = file.write(line).expect("the file takes a line");
    assert_eq!(written, line.len(), "a line was split");
}
