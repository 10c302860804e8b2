//! Exit clean-up and fork hygiene: what a process does for its held locks when it has no time
//! left to run destructors, or finds itself a forked child.
//!
//! Nothing here is needed for correctness: the kernel drops the locks of a dead process. Clean-up
//! saves the next contender the reclaim, and the directory a file.
//!
//! Held locks are entered in a fixed table of atomics that a signal handler can walk, or the last
//! thread of a process whose others were ended anywhere: no lock, no allocation, and no pointer
//! that could be freed under it.

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "macos"))] {
        mod sys;
        mod table;
        pub(crate) use sys::Paths;
        pub(crate) use table::Claim;
        pub use table::Slot;
        use sys as os;
    } else if #[cfg(windows)] {
        #[path = "cleanup/sys_windows.rs"]
        mod sys;
        mod table;
        pub(crate) use sys::Paths;
        pub(crate) use table::Claim;
        pub use table::Slot;
        use sys as os;
    } else {
        mod unsupported;
        pub(crate) use unsupported::Claim;
        pub use unsupported::Slot;
        use unsupported as os;
    }
}

/// Releases every held lock when the process exits normally (`std::process::exit` runs no
/// destructors) or is ended by SIGINT, SIGTERM, SIGQUIT, SIGABRT or SIGHUP, which then take their
/// default course. Locks that children inherited are left to them.
///
/// A lock under which another thread is inside a write section is left to the next contender,
/// who reclaims it at once. Threads that write outside of sections have to be stopped before the
/// process exits: the lock goes first.
///
/// A signal that the program handles or ignores, now or later, is left to the program: its
/// handler decides whether the process ends. Calling this twice does no harm.
///
/// # Errors
/// A handler could not be installed.
///
/// # Platform-specific behavior
/// Signals and `exit` on Linux and macOS. On Windows it happens whenever the process exits by
/// `ExitProcess`: that is how Rust exits, and what Windows does by default on Ctrl-C, Ctrl-Break,
/// when the console is closed, at log-off and at shutdown. A console handler of the program that
/// keeps it running keeps its locks, too.
///
/// Elsewhere this does nothing, and the next contender reclaims.
pub fn install() -> std::io::Result<()> {
    os::install()
}
