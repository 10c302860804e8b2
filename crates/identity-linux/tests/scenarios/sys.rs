//! Process tricks that no safe API offers: forks without exec, threads leaving alone, seccomp.
#![allow(unsafe_code, reason = "the scenarios need calls that have no safe wrapper")]

use rustix::io::Errno;
use std::ffi::{CString, c_long, c_ulong};

/// Which side of a fork this is.
pub(crate) enum Fork {
    Parent(u32),
    Child,
}

fn forked(returned: c_long) -> Fork {
    assert!(returned >= 0, "fork: {}", std::io::Error::last_os_error());
    if returned == 0 { Fork::Child } else { Fork::Parent(u32::try_from(returned).unwrap()) }
}

/// `fork(3)`, with its hooks. Scenarios run in processes with one thread, so that the child
/// may do anything.
pub(crate) fn fork() -> Fork {
    // SAFETY: no other thread of this process holds a lock that the child would miss.
    forked(c_long::from(unsafe { libc::fork() }))
}

/// A fork that runs no `pthread_atfork` hooks, as container runtimes do it.
pub(crate) fn raw_fork() -> Fork {
    // SAFETY: as for `fork`; without CLONE_VM and a stack this is what fork(2) does.
    forked(unsafe {
        libc::syscall(libc::SYS_clone, c_ulong::from(libc::SIGCHLD as u32), 0, 0, 0, 0)
    })
}

/// Ends the process without running anything of the parent's on the way.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` touches no memory of this program.
    unsafe { libc::_exit(code) }
}

/// Ends the calling thread alone, at once: for a leader with other threads, a zombie leader.
pub(crate) fn exit_thread() -> ! {
    // SAFETY: the thread ends inside the call, so nothing of its stack is used after it.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("SYS_exit returned")
}

/// `prctl(PR_SET_NAME)`.
pub(crate) fn set_name(name: &[u8]) {
    let name = CString::new(name).unwrap();
    // SAFETY: takes a C string and copies it.
    let returned = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    assert_eq!(returned, 0);
}

/// Has the kernel kill this process when its parent dies, and at the latest in a minute.
pub(crate) fn do_not_outlive() {
    // SAFETY: takes two numbers.
    let returned = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong) };
    assert_eq!(returned, 0);
    // SAFETY: takes a number; SIGALRM is not handled, so it kills.
    unsafe { libc::alarm(60) };
}

/// Becomes user and group `id`, for good, without any further group.
pub(crate) fn become_user(id: u32) {
    // SAFETY: an empty list, whose pointer is not read.
    assert_eq!(unsafe { libc::setgroups(0, std::ptr::null()) }, 0);
    // SAFETY: takes three numbers.
    assert_eq!(unsafe { libc::setresgid(id, id, id) }, 0);
    // SAFETY: takes three numbers.
    assert_eq!(unsafe { libc::setresuid(id, id, id) }, 0);
}

/// Moves the children of this process to new namespaces.
pub(crate) fn unshare(flags: rustix::thread::UnshareFlags) {
    // SAFETY: neither of the flags used here (pid, time) touches memory or descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }.unwrap();
}

/// A byte-range lock of the given command (`F_SETLK`, `F_OFD_SETLK`) on one byte.
pub(crate) fn lock_byte(file: &std::fs::File, command: i32, offset: i64) {
    use std::os::fd::AsRawFd;
    // SAFETY: all-zero is a valid `flock`.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_start = offset as libc::off_t;
    lock.l_len = 1;
    // SAFETY: the command reads one `flock`.
    let returned = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    assert_eq!(returned, 0, "fcntl: {}", std::io::Error::last_os_error());
}

/// One instruction of a seccomp filter.
fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k }
}

fn load(offset: u32) -> libc::sock_filter {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn jump(test: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    step(libc::BPF_JMP | test | libc::BPF_K, jt, jf, k)
}

fn answer(k: u32) -> libc::sock_filter {
    step(libc::BPF_RET | libc::BPF_K, 0, 0, k)
}

fn install(filter: &mut [libc::sock_filter]) {
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).unwrap(), filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` points to `len` instructions, which the kernel copies and checks.
    let returned =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(returned, 0, "seccomp: {}", std::io::Error::last_os_error());
}

/// Makes a system call fail with `errno` from now on, as on old kernels and in sandboxes.
pub(crate) fn deny(call: c_long, errno: Errno) {
    install(&mut [
        load(0),
        jump(libc::BPF_JEQ, call as u32, 0, 1),
        answer(libc::SECCOMP_RET_ERRNO | errno.raw_os_error() as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ]);
}

/// Kills this process if it calls `kill(2)` with zero or a negative number.
pub(crate) fn die_of_killing_groups() {
    // The lower half of the first argument, in `struct seccomp_data`.
    let argument = if cfg!(target_endian = "little") { 16 } else { 20 };
    install(&mut [
        load(0),
        jump(libc::BPF_JEQ, libc::SYS_kill as u32, 0, 3),
        load(argument),
        jump(libc::BPF_JGE, 0x8000_0000, 2, 0),
        jump(libc::BPF_JEQ, 0, 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ]);
}
