//! The calls. All of this crate's `unsafe` is here.
#![allow(unsafe_code, reason = "the one module that calls libc directly")]

use crate::parse::BSD_INFO_LEN;
use std::ffi::{CStr, c_int};
use std::mem::{offset_of, size_of};

/// `PROC_PIDUNIQIDENTIFIERINFO`, from the private half of `bsd/sys/proc_info.h`.
pub(super) const UNIQUE_INFO: c_int = 17;

// The offsets in `parse` are from the kernel's source; where libc has the structure, it agrees.
const _: () = assert!(size_of::<libc::proc_bsdinfo>() == BSD_INFO_LEN);
const _: () = assert!(offset_of!(libc::proc_bsdinfo, pbi_status) == 4);
const _: () = assert!(offset_of!(libc::proc_bsdinfo, pbi_pid) == 12);
const _: () = assert!(offset_of!(libc::proc_bsdinfo, pbi_start_tvsec) == 120);
const _: () = assert!(offset_of!(libc::proc_bsdinfo, pbi_start_tvusec) == 128);

/// The last call's error.
fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// `proc_pidinfo` into a buffer of `N` bytes, zombies included: what it wrote, or its errno.
pub(super) fn pid_info<const N: usize>(pid: libc::pid_t, flavor: c_int) -> Result<Vec<u8>, i32> {
    /// For the flavors used here, an argument other than zero extends the search to zombies.
    const ZOMBIES_TOO: u64 = 1;
    let mut buffer = vec![0u8; N];
    let room = c_int::try_from(N).map_err(|_| libc::EINVAL)?;
    // SAFETY: `buffer` is `room` bytes of writable memory, and any bytes are valid in it.
    let written =
        unsafe { libc::proc_pidinfo(pid, flavor, ZOMBIES_TOO, buffer.as_mut_ptr().cast(), room) };
    // It never returns a negative number: libproc turns the -1 of the system call into 0.
    if written <= 0 {
        return Err(last_errno());
    }
    buffer.truncate(written.unsigned_abs() as usize);
    Ok(buffer)
}

/// `sysctl` `kern.proc.pid.<pid>` into a buffer of `N` bytes: what it wrote, nothing when no
/// process has the pid, or its errno.
pub(super) fn process_list_entry<const N: usize>(pid: libc::pid_t) -> Result<Vec<u8>, i32> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid];
    let mut buffer = vec![0u8; N];
    let mut len = N;
    // SAFETY: `name` holds the four numbers that it is said to hold; `buffer` is `len` bytes of
    // writable memory, and any bytes are valid in it; nothing is set.
    let returned = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            4,
            buffer.as_mut_ptr().cast(),
            &raw mut len,
            std::ptr::null_mut(),
            0,
        )
    };
    finish(returned, buffer, len)
}

/// `sysctlbyname` into a buffer of `N` bytes: what it wrote, or its errno.
pub(super) fn sysctl_by_name<const N: usize>(name: &CStr) -> Result<Vec<u8>, i32> {
    let mut buffer = vec![0u8; N];
    let mut len = N;
    // SAFETY: `name` is a C string; `buffer` is `len` bytes of writable memory, and any bytes
    // are valid in it; nothing is set.
    let returned = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            buffer.as_mut_ptr().cast(),
            &raw mut len,
            std::ptr::null_mut(),
            0,
        )
    };
    finish(returned, buffer, len)
}

fn finish(returned: c_int, mut buffer: Vec<u8>, len: usize) -> Result<Vec<u8>, i32> {
    if returned != 0 {
        return Err(last_errno());
    }
    buffer.truncate(len);
    Ok(buffer)
}
