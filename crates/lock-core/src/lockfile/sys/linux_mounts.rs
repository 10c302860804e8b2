//! Which file system an open file is on, from the mount table of this process.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::filesystem::Filesystem;

/// Read afresh each time: mount ids and device numbers are reused after an unmount, and a
/// stale answer could call a network file system local.
pub(super) fn filesystem(fd: BorrowedFd<'_>) -> Filesystem {
    let Ok(table) = std::fs::read("/proc/self/mountinfo") else { return Filesystem::unknown() };
    classify(&table, fd, 0).unwrap_or_else(Filesystem::unknown)
}

/// Overlays nest; nobody nests them deeper than this.
const MAX_LAYERS: u8 = 4;

fn classify(table: &[u8], fd: BorrowedFd<'_>, depth: u8) -> Option<Filesystem> {
    let (kind, options) = Filesystem::find_mount(table, mount_id(fd)?)?;
    Some(Filesystem::classify(&kind, &options, |upper: &Path| {
        if depth == MAX_LAYERS {
            return None;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let upper = rustix::fs::open(upper, flags, Mode::empty()).ok()?;
        classify(table, upper.as_fd(), depth + 1)
    }))
}

/// `mnt_id` in `/proc/self/fdinfo/N` (`proc_pid_fdinfo(5)`, Linux 3.15).
fn mount_id(fd: BorrowedFd<'_>) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}
