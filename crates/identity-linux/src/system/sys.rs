//! The calls that rustix has no safe wrapper for. All of this crate's `unsafe` is here.
#![allow(unsafe_code, reason = "the one module that calls libc directly")]

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use std::ffi::{c_int, c_uint};

/// The type that the kernel gives pidfs file handles (`FILEID_KERNFS`).
const PIDFS_HANDLE_TYPE: c_int = 0xfe;

/// `NS_GET_ID`, from `linux/nsfs.h`.
const NS_GET_ID: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<u64>(0xb7, 13);

/// A `struct file_handle` with room for the one kind that pidfs has: the 64-bit id of a
/// process.
#[repr(C)]
struct ProcessHandle {
    bytes: c_uint,
    kind: c_int,
    id: [u8; 8],
}

/// The last call's error.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// A descriptor from a call that returns one, or -1.
fn descriptor(returned: c_int) -> Result<OwnedFd, Errno> {
    if returned < 0 {
        return Err(last_errno());
    }
    // SAFETY: every caller passes what a system call just returned as a new descriptor, which
    // nobody else knows of.
    Ok(unsafe { OwnedFd::from_raw_fd(returned) })
}

/// The full 64-bit id in the file handle of `pidfd` (Linux 6.14 and later).
#[cfg(any(test, not(target_pointer_width = "64")))]
pub(super) fn process_id_in_handle(pidfd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut handle = ProcessHandle { bytes: 8, kind: 0, id: [0; 8] };
    let mut mount_id: c_int = 0;
    // SAFETY: the path is an empty C string; `handle` has the layout of `struct file_handle`
    // and the eight bytes of room that it declares; `mount_id` is a valid place to write to.
    let returned = unsafe {
        libc::name_to_handle_at(
            pidfd.as_raw_fd(),
            c"".as_ptr(),
            (&raw mut handle).cast(),
            &raw mut mount_id,
            libc::AT_EMPTY_PATH,
        )
    };
    match returned {
        0 if handle.kind == PIDFS_HANDLE_TYPE && handle.bytes == 8 => {
            Ok(u64::from_ne_bytes(handle.id))
        }
        // A file system that is not pidfs answers with a handle of its own kind.
        0 => Err(Errno::OPNOTSUPP),
        _ => Err(last_errno()),
    }
}

/// Opens the process with the 64-bit pidfs id `id`; `pidfs` is any pidfd (Linux 6.14).
pub(super) fn open_process_by_handle(pidfs: BorrowedFd<'_>, id: u64) -> Result<OwnedFd, Errno> {
    let mut handle = ProcessHandle { bytes: 8, kind: PIDFS_HANDLE_TYPE, id: id.to_ne_bytes() };
    // SAFETY: `handle` has the layout of `struct file_handle` and holds the eight bytes that
    // it declares.
    let returned = unsafe {
        libc::open_by_handle_at(pidfs.as_raw_fd(), (&raw mut handle).cast(), libc::O_CLOEXEC)
    };
    descriptor(returned)
}

/// The pid namespace of the process behind `pidfd` (`PIDFD_GET_PID_NAMESPACE`, Linux 6.11).
pub(super) fn pid_namespace(pidfd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    // SAFETY: this request takes no pointer: its argument must be zero.
    let returned =
        unsafe { libc::ioctl(pidfd.as_raw_fd(), libc::PIDFD_GET_PID_NAMESPACE as libc::Ioctl, 0) };
    descriptor(returned)
}

/// The id of a namespace that is never reused within a boot (`NS_GET_ID`, Linux 6.18).
pub(super) fn namespace_id(namespace: impl AsFd) -> Result<u64, Errno> {
    let mut id = 0u64;
    // SAFETY: this request writes one u64, through a pointer to one.
    let returned = unsafe {
        libc::ioctl(namespace.as_fd().as_raw_fd(), NS_GET_ID as libc::Ioctl, &raw mut id)
    };
    if returned < 0 { Err(last_errno()) } else { Ok(id) }
}

/// `sysconf(_SC_CLK_TCK)`. Not `rustix::param::clock_ticks_per_second`: without libc's help
/// that one reads `/proc/self/auxv`, which may be missing or another program's here.
pub(super) fn clock_ticks_per_second() -> Option<u32> {
    // SAFETY: takes a number and returns one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u32::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}
