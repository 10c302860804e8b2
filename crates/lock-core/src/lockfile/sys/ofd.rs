//! Open-file-description locks (`fcntl_locking(2)`), which rustix does not have.
#![allow(unsafe_code, reason = "fcntl takes a pointer to struct flock")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::Byte;

pub(super) fn try_lock(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    match lock_call(fd, libc::F_OFD_SETLK, libc::F_WRLCK, byte) {
        Ok(_) => Ok(true),
        // EACCES is what POSIX allows and SMB mounts answer for a conflict.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn unlock(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<()> {
    lock_call(fd, libc::F_OFD_SETLK, libc::F_UNLCK, byte).map(drop)
}

/// `F_OFD_GETLK` asks "could I lock this?" and takes nothing; it works on a read-only descriptor.
pub(super) fn is_locked(fd: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    let answer = lock_call(fd, libc::F_OFD_GETLK, libc::F_WRLCK, byte)?;
    Ok(i32::from(answer.l_type) != libc::F_UNLCK)
}

fn lock_call(
    fd: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    byte: Byte,
) -> io::Result<libc::flock64> {
    // SAFETY: `flock64` is plain integers; all zeroes is a valid value of it, and the l_pid of
    // zero that open-file-description locks demand.
    let mut range: libc::flock64 = unsafe { std::mem::zeroed() };
    // The constants are small positive numbers that fit their field on every target.
    range.l_type = kind as _;
    range.l_whence = libc::SEEK_SET as _;
    range.l_start = byte.offset() as _;
    range.l_len = 1;
    loop {
        // SAFETY: the descriptor is borrowed for the call, `range` outlives it, and it is the
        // struct that these commands read and write (`fcntl64` where `off_t` has 32 bits).
        let done = unsafe { fcntl(fd.as_raw_fd(), command, &raw mut range) };
        if done >= 0 {
            return Ok(range);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sets a lock without retrying, for signal handlers: async-signal-safe. Whether it was had.
pub(crate) fn set_lock(fd: libc::c_int, range: &mut libc::flock64) -> bool {
    // SAFETY: `range` outlives the call; a bad descriptor is an error like any other.
    unsafe { fcntl(fd, libc::F_OFD_SETLK, range) >= 0 }
}

#[cfg(target_pointer_width = "64")]
unsafe fn fcntl(fd: i32, command: i32, range: *mut libc::flock64) -> libc::c_long {
    // SAFETY: passed on to the caller.
    unsafe { libc::fcntl(fd, command, range) }.into()
}

#[cfg(not(target_pointer_width = "64"))]
unsafe fn fcntl(fd: i32, command: i32, range: *mut libc::flock64) -> libc::c_long {
    // The C library's `fcntl` takes the narrow struct here, and the kernel refuses it.
    // SAFETY: passed on to the caller.
    unsafe { libc::syscall(libc::SYS_fcntl64, fd, command, range) }
}
