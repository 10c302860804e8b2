//! Process identity on macOS: which incarnation of which process a lock record names, and
//! whether it still lives.
//!
//! `MacosIdentity` implements [`lock_core::identity::OwnerIdentity`] with libproc, sysctl and
//! the boot session id. It reports facts and never decides: `lock_core::verdict` does.
//!
//! # The facts, what each one proves, and since when it is to be had
//!
//! | fact | where it comes from | what it proves | macOS |
//! |---|---|---|---|
//! | pid | `getpid(2)` | nothing by itself: it is reused | any |
//! | unique id | `p_uniqueid`, `proc_pidinfo` flavor 17 | in one boot session, different: another incarnation; equal: the same. The kernel counts it up and never reuses it; `exec` keeps it | 10.9 |
//! | start time | `p_starttime`, of `sysctl kern.proc.pid` or `proc_pidinfo` flavor 3 | different: another incarnation. Wall-clock time with microseconds, stamped at fork, never adjusted | any |
//! | boot session | `sysctl kern.bootsessionuuid` | different: another boot, or another machine | 10.9 |
//! | exited | `p_stat` is `SZOMB` | no thread lives: the last one sets it | any |
//! | gone | `ESRCH` from flavor 17 *and* an empty answer of `kern.proc.pid` | no process, not even an unreaped one, has the pid | 10.9 |
//!
//! macOS has one pid space per kernel, so there is no namespace to record.
//!
//! # What is never concluded
//!
//! - `kern.boottime` is not looked at: every setting of the clock moves it, so another value
//!   does not prove a reboot. Without `kern.bootsessionuuid` the boot is unknown, and verdicts
//!   are unverifiable.
//! - `kern.bootuuid` names the boot *volume*, and stays the same from boot to boot.
//! - `EPERM` is not death: the sandbox denies it of a process that was found.
//! - An empty answer of `kern.proc.pid` alone is not death: a process in the middle of its
//!   creation is skipped there.
//! - A structure of another length or about another pid is no fact at all.
//!
//! # Limitations
//!
//! - `exec` keeps pid, start time and unique id, as on Linux.
//! - The ages of processes are not told: the start time is on the wall clock, and a clock that
//!   was set would make a process look older than a file that it wrote.
//! - Clones of one virtual machine's saved state share boot session, pids and unique ids.
//!
//! # What was run, and what was not
//!
//! Everything here about the system is from the source of XNU (11417.101.15 and earlier
//! tags). The decisions and the parsing run in tests on every host, over bytes laid out as
//! that source says. The calls themselves were compiled and linted for both architectures,
//! and **never run on a Mac**; in particular, what a sandboxed process gets from flavor 17 is
//! not known.
//!
//! # Platform-specific behavior
//!
//! [`parse`] is pure and compiled everywhere; `MacosIdentity` exists on macOS only.
//!
//! # Examples
//!
//! ```
//! # #[cfg(target_os = "macos")] {
//! use identity_macos::MacosIdentity;
//! use lock_core::identity::{Comparison, OwnerIdentity, Process};
//!
//! let me = MacosIdentity.this_process();
//! let seen = MacosIdentity.observe(&me, &me);
//! assert_eq!(seen.process, Process::Running);
//! assert_eq!(me.compare_incarnation(&seen), Comparison::Same);
//! # }
//! ```

pub mod parse;
#[cfg(target_os = "macos")]
mod system;

#[cfg(target_os = "macos")]
pub use system::MacosIdentity;
