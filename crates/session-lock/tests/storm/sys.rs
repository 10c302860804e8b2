//! Forks, which no safe API offers.
#![allow(unsafe_code, reason = "fork and _exit have no safe wrapper")]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};

/// Which side of a fork this is.
pub(crate) enum Fork {
    Parent(Pid),
    Child,
}

/// `fork(3)`, with its hooks.
pub(crate) fn fork() -> Fork {
    // SAFETY: the children of these trials only touch the guard, then `_exit`. Locks of the
    // allocator are glibc's business; that the guard waits for no other is what is tested.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent)
}

/// Ends the process without running anything of the parent's on the way.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` touches no memory of this program.
    unsafe { libc::_exit(code) }
}

/// How a child ended; `None`: not yet.
pub(crate) fn ended(child: Pid, options: WaitOptions) -> Option<WaitStatus> {
    waitpid(Some(child), options).expect("a child of ours").map(|(_, status)| status)
}

/// Waits for a forked child, which must find everything as it should be.
pub(crate) fn must_succeed(child: Pid, what: &str) {
    let start = Instant::now();
    let status = loop {
        if let Some(status) = ended(child, WaitOptions::NOHANG) {
            break status;
        }
        if start.elapsed() > Duration::from_secs(20) {
            // It has this process's pipes open, too.
            let _ = kill_process(child, Signal::KILL);
            panic!("{what}: a forked child hangs");
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    assert_eq!(status.exit_status(), Some(0), "{what}: a forked child found something else");
}
