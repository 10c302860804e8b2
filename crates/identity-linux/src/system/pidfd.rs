//! A pidfd: a descriptor for one incarnation of a process, which never comes to mean another.

use super::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FsWord, fstatfs};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `PID_FS_MAGIC`, from `linux/magic.h`: "PIDF".
const PID_FS_MAGIC: FsWord = 0x5049_4446;

/// See the module.
pub(super) struct Pidfd(OwnedFd);

impl Pidfd {
    /// `pidfd_open(2)`. Needs no permission over the process.
    pub(super) fn open(pid: Pid) -> Result<Self, Errno> {
        pidfd_open(pid, PidfdFlags::empty()).map(Self)
    }

    /// Opens the process with the unique id `unique`, without going through its pid.
    ///
    /// `ESTALE` from a child or a sibling namespace says nothing: it is also the answer for a
    /// process that lives but is not visible there.
    pub(super) fn open_unique(unique: u64) -> Result<Self, Errno> {
        // Which pidfd names the file system does not matter; that of this process is there.
        let any = Self::open(rustix::process::getpid())?;
        sys::open_process_by_handle(any.0.as_fd(), unique).map(Self)
    }

    /// The id of this incarnation, never reused within a boot and the same from every
    /// namespace. `None` on kernels without pidfs, where all pidfds share one inode.
    pub(super) fn unique(&self) -> Result<Option<u64>, Errno> {
        if fstatfs(&self.0)?.f_type != PID_FS_MAGIC {
            return Ok(None);
        }
        // A kernel with 64-bit words numbers its inodes with the whole id. With 32-bit words
        // the inode number is the lower half only, and repeats; the file handle has it whole,
        // and not having one (before Linux 6.14) means not having a unique id.
        #[cfg(target_pointer_width = "64")]
        return Ok(Some(rustix::fs::fstat(&self.0)?.st_ino));
        #[cfg(not(target_pointer_width = "64"))]
        return Ok(sys::process_id_in_handle(self.0.as_fd()).ok());
    }

    /// Whether every thread of the process has exited: only then a pidfd becomes readable.
    ///
    /// A failing `poll(2)` proves nothing and so counts as alive.
    pub(super) fn has_exited(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::IN)
    }

    /// The pid namespace that the process is in (Linux 6.11; needs the right to trace it).
    pub(super) fn namespace(&self) -> Result<OwnedFd, Errno> {
        sys::pid_namespace(self.0.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inode_and_file_handle_agree() {
        let me = Pidfd::open(rustix::process::getpid()).unwrap();
        let unique = me.unique().unwrap().expect("this kernel has no pidfs (Linux 6.9)");
        assert_eq!(sys::process_id_in_handle(me.0.as_fd()).unwrap(), unique);
        let again = Pidfd::open_unique(unique).unwrap();
        assert_eq!(again.unique().unwrap(), Some(unique));
        assert!(!again.has_exited());
    }

    #[test]
    fn the_inode_of_anything_but_pidfs_is_no_id() {
        // As every pidfd before Linux 6.9: some inode, which says nothing.
        let other = Pidfd(std::fs::File::open("/").unwrap().into());
        assert_eq!(other.unique(), Ok(None));
    }

    #[test]
    fn an_id_that_no_process_has_does_not_open() {
        assert_eq!(Pidfd::open_unique(u64::MAX).err(), Some(Errno::STALE));
    }
}
