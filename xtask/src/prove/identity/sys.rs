//! Process tricks that no safe API offers.
#![allow(unsafe_code, reason = "the scenarios need calls that have no safe wrapper")]

use std::ffi::{CString, c_long, c_ulong};
use std::io;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

use crate::prove::sys::Fork;

fn checked(returned: c_long) -> io::Result<c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Has the kernel kill this process when its parent dies.
pub(super) fn die_with_the_parent() -> io::Result<()> {
    // SAFETY: takes two numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong) }.into())
        .map(drop)
}

/// `prctl(PR_SET_NAME)`.
pub(super) fn set_name(name: &[u8]) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: takes a C string and copies it.
    checked(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }.into()).map(drop)
}

/// Ends the calling thread alone, at once: for a leader with other threads, a zombie leader.
pub(super) fn exit_thread() -> ! {
    // SAFETY: the thread ends inside the call, so nothing of its stack is used after it.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("SYS_exit returned")
}

/// A fork that runs no `pthread_atfork` hooks, as container runtimes do it.
pub(super) fn raw_fork() -> io::Result<Fork> {
    // SAFETY: scenarios have one thread when they fork; without CLONE_VM and a stack this is what
    // fork(2) does.
    let pid = checked(unsafe {
        libc::syscall(libc::SYS_clone, c_ulong::from(libc::SIGCHLD as u32), 0, 0, 0, 0)
    })?;
    Ok(Pid::from_raw(pid as i32).map_or(Fork::Child, Fork::Parent))
}

/// Becomes user and group `id`, for good, without any further group.
pub(super) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: an empty list, whose pointer is not read.
    checked(unsafe { libc::setgroups(0, std::ptr::null()) }.into())?;
    // SAFETY: takes three numbers.
    checked(unsafe { libc::setresgid(id, id, id) }.into())?;
    // SAFETY: takes three numbers.
    checked(unsafe { libc::setresuid(id, id, id) }.into()).map(drop)
}

/// Clocks of its own for this process's children.
pub(super) fn unshare_clocks() -> io::Result<()> {
    // SAFETY: a time namespace touches no memory and no descriptors.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWTIME) }?)
}

/// Stops a process as a debugger does.
pub(super) fn seize(pid: Pid) -> io::Result<()> {
    let pid = pid.as_raw_pid();
    // SAFETY: takes no pointers.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE as _, pid, 0, 0) })?;
    // SAFETY: takes no pointers.
    checked(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT as _, pid, 0, 0) }).map(drop)
}
