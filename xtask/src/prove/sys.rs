//! What no safe API offers: tracing processes, forks, seccomp, alarms.
#![allow(unsafe_code, reason = "ptrace, fork, seccomp and alarm have no safe wrapper")]

use std::io;

use rustix::process::{Pid, Signal};

/// `PTRACE_GET_SYSCALL_INFO` (Linux 5.3), which not every libc names, and its kind of stop.
const GET_SYSCALL_INFO: u32 = 0x420e;
const SYSCALL_ENTRY: u8 = 1;

fn checked(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Ends this process after a time, also if it is the first of a pid namespace, which only gets the
/// signals that it has a handler for.
pub(crate) fn die_after(seconds: u32) {
    extern "C" fn die(_: libc::c_int) {
        // SAFETY: async-signal-safe, and touches no memory of this program.
        unsafe { libc::_exit(128 + libc::SIGALRM) }
    }
    // SAFETY: the handler is as long-lived as the program, and calls nothing but `_exit`.
    unsafe { libc::signal(libc::SIGALRM, die as *const () as libc::sighandler_t) };
    // SAFETY: takes a number.
    unsafe { libc::alarm(seconds) };
}

/// Which side of a fork this is.
pub(crate) enum Fork {
    Parent(Pid),
    Child,
}

/// `fork(3)`, with its hooks.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the children of the proofs look at a guard or take a lock, and end by `exit_now`.
    // Locks of the allocator are the C library's business; that the guard waits for no other is
    // what is put to the test.
    let pid = checked(unsafe { libc::fork() }.into())?;
    Ok(Pid::from_raw(pid as i32).map_or(Fork::Child, Fork::Parent))
}

/// Ends the process without running anything of the parent's on the way.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: touches no memory of this program.
    unsafe { libc::_exit(code) }
}

/// Lets the parent trace this process: from its next signal on, it stops and is looked at.
pub(crate) fn be_traced() -> io::Result<()> {
    // SAFETY: takes no pointers.
    checked(unsafe { libc::ptrace(libc::PTRACE_TRACEME as _, 0, 0, 0) }).map(drop)
}

/// Tells system call stops from others, traces threads to come, and kills all with the tracer.
pub(crate) fn set_trace_options(tracee: Pid) -> io::Result<()> {
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    let pid = tracee.as_raw_pid();
    // SAFETY: the fourth argument is a number here.
    let done =
        unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS as _, pid, 0, libc::c_long::from(options)) };
    checked(done).map(drop)
}

/// Lets a stopped thread go on to its next system call, with a signal or without.
pub(crate) fn resume(tracee: Pid, signal: Option<Signal>) -> io::Result<()> {
    let signal = signal.map_or(0, Signal::as_raw);
    let pid = tracee.as_raw_pid();
    // SAFETY: the fourth argument is a number here.
    let done =
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL as _, pid, 0, libc::c_long::from(signal)) };
    checked(done).map(drop)
}

/// The number and the first arguments of the system call that a stopped thread is about to make;
/// `None`: it has made it.
pub(crate) fn entered_call(tracee: Pid) -> io::Result<Option<(libc::c_long, [u64; 3])>> {
    // `struct ptrace_syscall_info`: the kind of stop first, the call's number at 24, its
    // arguments from 32 on.
    let mut info = [0_u64; 11];
    let (size, pid) = (std::mem::size_of_val(&info), tracee.as_raw_pid());
    // SAFETY: the kernel writes at most `size` bytes to `info`.
    let done = unsafe { libc::ptrace(GET_SYSCALL_INFO as _, pid, size, info.as_mut_ptr()) };
    checked(done)?;
    let kind = info[0].to_ne_bytes()[0];
    Ok((kind == SYSCALL_ENTRY).then_some((info[3] as libc::c_long, [info[4], info[5], info[6]])))
}

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn load(offset: u32) -> libc::sock_filter {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Makes a system call fail with `errno` from now on, as on other kernels and file systems;
/// with `flags`, only where its third argument has one of them.
pub(crate) fn deny(
    call: libc::c_long,
    flags: Option<u32>,
    errno: rustix::io::Errno,
) -> io::Result<()> {
    // The lower half of the third argument, in `struct seccomp_data`.
    let third = if cfg!(target_endian = "little") { 32 } else { 36 };
    let test = |test, k, jf| step(libc::BPF_JMP | test | libc::BPF_K, 0, jf, k);
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let mut filter = [
        load(0),
        test(libc::BPF_JEQ, call as u32, 3),
        load(third),
        match flags {
            Some(flags) => test(libc::BPF_JSET, flags, 1),
            // Any number will do.
            None => test(libc::BPF_JGE, 0, 1),
        },
        answer(libc::SECCOMP_RET_ERRNO | errno.raw_os_error() as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // SAFETY: `program` points to `len` instructions, which the kernel copies and checks.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    checked(done.into()).map(drop)
}
