//! Open-file-description locks, which rustix does not have.
//!
//! Linux has them since 3.15 (`fcntl_locking(2)`). XNU has them with the same meaning and the
//! same struct as POSIX locks (`bsd/sys/fcntl.h`: 90 to 92): for Apple's own use for years, public
//! and described in `fcntl(2)` since macOS 14. There too `F_OFD_GETLK` asks for no access mode and
//! the last close of the description unlocks (`bsd/kern/kern_descrip.c`); but all kinds of locks
//! of a file are in one list, so that somebody's `flock` on a lock file makes its bytes look held.
//! Where the call is refused (an older kernel: EINVAL; a file system without locks, as macOS
//! mounts SMB: ENOTSUP), a lock is published with a record that claims none.
#![allow(unsafe_code, reason = "fcntl takes a pointer to struct flock")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::Byte;

/// The struct with a 64-bit offset.
#[cfg(target_os = "linux")]
pub(crate) type Range = libc::flock64;
#[cfg(target_os = "macos")]
pub(crate) type Range = libc::flock;

// Of a narrower type on macOS.
#[allow(clippy::unnecessary_cast, reason = "the types of the constants differ between targets")]
pub(crate) const TAKE: libc::c_int = libc::F_WRLCK as libc::c_int;
#[allow(clippy::unnecessary_cast, reason = "as above")]
const LET_GO: libc::c_int = libc::F_UNLCK as libc::c_int;

/// There are such locks on this system, if not on every file system.
#[expect(clippy::unnecessary_wraps, reason = "it is otherwise elsewhere")]
pub(super) fn exist() -> io::Result<()> {
    Ok(())
}

pub(super) fn try_lock(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    match lock_call(fd, libc::F_OFD_SETLK, TAKE, byte) {
        Ok(_) => Ok(true),
        Err(e) if is_conflict(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Somebody else has it. EACCES is what POSIX allows and SMB mounts answer.
fn is_conflict(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

pub(super) fn unlock(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<()> {
    lock_call(fd, libc::F_OFD_SETLK, LET_GO, byte).map(drop)
}

/// `F_OFD_GETLK` asks "could I lock this?" and takes nothing; it works on a read-only descriptor.
pub(super) fn is_locked(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    let answer = lock_call(fd, libc::F_OFD_GETLK, TAKE, byte)?;
    Ok(i32::from(answer.l_type) != LET_GO)
}

/// One byte, to be locked or unlocked.
pub(crate) fn byte_range(kind: libc::c_int, byte: Byte) -> Range {
    // SAFETY: the struct is plain integers; all zeroes is a valid value of it, and the l_pid of
    // zero that open-file-description locks demand.
    let mut range: Range = unsafe { std::mem::zeroed() };
    // The constants are small positive numbers that fit their field on every target.
    range.l_type = kind as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = byte.offset() as _;
    range.l_len = 1;
    range
}

fn lock_call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    byte: Byte,
) -> io::Result<Range> {
    let mut range = byte_range(kind, byte);
    loop {
        // SAFETY: the descriptor is borrowed for the call, `range` outlives it, and it is the
        // struct that these commands read and write.
        let done = unsafe { fcntl(fd.as_raw_fd(), command, &raw mut range) };
        if done >= 0 {
            return Ok(range);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(super::errno::no_byte_locks(error));
        }
    }
}

/// Sets a lock without retrying, for signal handlers: async-signal-safe. Whether it was had.
pub(crate) fn set_lock(fd: libc::c_int, range: &mut Range) -> bool {
    // SAFETY: `range` outlives the call; a bad descriptor is an error like any other.
    unsafe { fcntl(fd, libc::F_OFD_SETLK, range) >= 0 }
}

#[cfg(target_pointer_width = "64")]
unsafe fn fcntl(fd: i32, command: i32, range: *mut Range) -> libc::c_long {
    // SAFETY: passed on to the caller.
    unsafe { libc::fcntl(fd, command, range) }.into()
}

#[cfg(not(target_pointer_width = "64"))]
unsafe fn fcntl(fd: i32, command: i32, range: *mut Range) -> libc::c_long {
    // The C library's `fcntl` takes the narrow struct here, and the kernel refuses it.
    // SAFETY: passed on to the caller.
    unsafe { libc::syscall(libc::SYS_fcntl64, fd, command, range) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The offsets are part of the format: every version of every program uses the same.
    #[rstest]
    #[case(Byte::Owner, 0x4000_0000)]
    #[case(Byte::Binding, 0x4000_0001)]
    fn the_bytes_are_where_they_always_were(#[case] byte: Byte, #[case] at: i64) {
        let range = byte_range(TAKE, byte);
        assert_eq!((range.l_start, range.l_len), (at, 1));
        assert_eq!(i32::from(range.l_whence), libc::SEEK_SET);
    }

    #[rstest]
    #[case(libc::EAGAIN, true)]
    #[case(libc::EACCES, true)]
    #[case(libc::EDEADLK, false)]
    #[case(libc::ENOLCK, false)]
    #[case(libc::EBADF, false)]
    #[case(libc::EIO, false)]
    fn somebody_else_has_it(#[case] errno: i32, #[case] conflict: bool) {
        assert_eq!(is_conflict(&io::Error::from_raw_os_error(errno)), conflict);
    }
}
