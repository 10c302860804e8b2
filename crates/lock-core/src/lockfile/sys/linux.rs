//! What Linux alone has: files without a name, renaming without replacing, the mount table.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::At;
use super::unix::{Dir, MODE, Native};
use crate::filesystem::Filesystem;

/// Set once the kernel refused to link a nameless file by its descriptor alone, which needs
/// Linux 6.10 or `CAP_DAC_READ_SEARCH`; from then on the name goes through `/proc`.
static LINK_VIA_PROC: AtomicBool = AtomicBool::new(false);

pub(super) fn create_unnamed(at: At<'_, Native>) -> io::Result<OwnedFd> {
    let parent = match at.dir {
        Dir(None) => at.name.parent().unwrap_or(Path::new("/")),
        Dir(Some(_)) => Path::new("."),
    };
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(at.dir.fd(), parent, flags, MODE).map_err(|e| match e {
        // A kernel or file system without O_TMPFILE sees an attempt to open a directory
        // for writing (EISDIR), or names the flag (EOPNOTSUPP, EINVAL).
        Errno::ISDIR | Errno::OPNOTSUPP | Errno::INVAL => io::ErrorKind::Unsupported.into(),
        e => e.into(),
    })
}

pub(super) fn link_unnamed(file: &OwnedFd, to: At<'_, Native>) -> io::Result<()> {
    if !LINK_VIA_PROC.load(Ordering::Relaxed) {
        match rustix::fs::linkat(file, "", to.dir.fd(), to.name, AtFlags::EMPTY_PATH) {
            // ENOENT is what an unprivileged caller of an older kernel gets. A missing
            // directory says the same, and says it again below.
            Err(Errno::NOENT) => {}
            done => return Ok(done?),
        }
    }
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let follow = AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(rustix::fs::CWD, link, to.dir.fd(), to.name, follow)?;
    LINK_VIA_PROC.store(true, Ordering::Relaxed);
    Ok(())
}

pub(super) fn rename_new(from: At<'_, Native>, to: At<'_, Native>) -> rustix::io::Result<()> {
    let (from_dir, to_dir) = (from.dir.fd(), to.dir.fd());
    rustix::fs::renameat_with(from_dir, from.name, to_dir, to.name, RenameFlags::NOREPLACE)
}

/// Which file system an open file is on. The mount table is read afresh each time: mount ids
/// and device numbers are reused after an unmount, and a stale answer could call a network file
/// system local.
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
