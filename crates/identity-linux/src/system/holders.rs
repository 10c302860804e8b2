//! Who holds a byte-range lock, for people.
//!
//! An open-file-description lock has no owner that `F_OFD_GETLK` could name, but every
//! descriptor of that description shows the lock in its `fdinfo`.

use super::procfs::{ProcessDir, Procfs, numbers, read};
use crate::parse::{ByteRangeLock, byte_range_locks};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, StatxFlags, makedev, statx};

/// See [`OwnerIdentity::lock_holders`](lock_core::identity::OwnerIdentity::lock_holders).
///
/// Reading another user's `fdinfo` takes the right to trace it; who cannot be looked at is left
/// out. So is everybody when `/proc` shows another namespace: its numbers are not ours.
pub(super) fn lock_holders(device: u64, inode: u64, offset: u64) -> Vec<u32> {
    let Ok(procfs) = Procfs::of_this_namespace() else { return Vec::new() };
    let file = File { device, inode };
    let mut pids = procfs.pids();
    pids.retain(|pid| procfs.process(*pid).is_ok_and(|dir| holds(&dir, &file, offset)));
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// A file, as `stat(2)` names it.
struct File {
    device: u64,
    inode: u64,
}

fn holds(process: &ProcessDir, file: &File, offset: u64) -> bool {
    if let Ok(fdinfo) = process.open("fdinfo") {
        let open = numbers(&fdinfo);
        if !open.is_empty() {
            return any_descriptor_holds(process, "fd", &fdinfo, &open, file, offset);
        }
    }
    // No descriptors: perhaps a leader that exited before its threads, which keep them.
    let Ok(tasks) = process.open("task") else { return false };
    numbers(tasks).into_iter().any(|thread| {
        process.open(&format!("task/{thread}/fdinfo")).is_ok_and(|fdinfo| {
            let open = numbers(&fdinfo);
            let fd = format!("task/{thread}/fd");
            any_descriptor_holds(process, &fd, &fdinfo, &open, file, offset)
        })
    })
}

fn any_descriptor_holds(
    process: &ProcessDir,
    descriptors: &str,
    fdinfo: &OwnedFd,
    open: &[u32],
    file: &File,
    offset: u64,
) -> bool {
    open.iter().any(|descriptor| {
        let Ok(info) = read(fdinfo, &descriptor.to_string()) else { return false };
        byte_range_locks(&info)
            .filter(|lock| lock.covers(offset))
            .any(|lock| is_on(&lock, process, &format!("{descriptors}/{descriptor}"), file))
    })
}

/// Whether `lock`, seen at the descriptor `path`, is on `file`.
///
/// The numbers in the line are the file system's own. They differ from those of `stat(2)` on
/// btrfs (a device number per subvolume) and on overlay, so the descriptor itself is asked,
/// without letting a network file system go to its server; the line is for the case that only
/// the line may be read.
fn is_on(lock: &ByteRangeLock, process: &ProcessDir, path: &str, file: &File) -> bool {
    match statx(process.as_fd(), path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO) {
        Ok(found) => {
            makedev(found.stx_dev_major, found.stx_dev_minor) == file.device
                && found.stx_ino == file.inode
        }
        Err(_) => makedev(lock.device.0, lock.device.1) == file.device && lock.inode == file.inode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_where_the_descriptor_may_not_be_asked() {
        let procfs = Procfs::of_this_namespace().unwrap();
        let me = procfs.process(std::process::id()).unwrap();
        let lock = ByteRangeLock { device: (0xfe, 0x1a), inode: 7, first: 0, last: 0 };
        let device = makedev(0xfe, 0x1a);
        let on = |device, inode| is_on(&lock, &me, "fd/none", &File { device, inode });
        assert!(on(device, 7));
        assert!(!on(device, 8));
        assert!(!on(device + 1, 7));
    }
}
