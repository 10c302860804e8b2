//! Process identity on Linux: which incarnation of which process a lock record names, and
//! whether it still lives.
//!
//! [`LinuxIdentity`] implements [`lock_core::identity::OwnerIdentity`] with pidfds, pidfs,
//! `/proc` and the boot id. It reports facts and never decides: `lock_core::verdict` does.
//!
//! # The facts, what each one proves, and since when it is to be had
//!
//! | fact | where it comes from | what it proves | Linux |
//! |---|---|---|---|
//! | pid | `getpid(2)` | nothing by itself: it is reused, and means something only inside one pid namespace of one boot | any |
//! | unique id | inode of the pidfd, or its file handle where inode numbers have 32 bits | different: another incarnation, in whatever namespace it is read; equal, in one boot: the same | 6.9 (64 bit), 6.14 (32 bit) |
//! | start ticks | field 22 of `/proc/<pid>/stat` | different, under one clock offset: another incarnation; equal: *probably* the same, 10 ms is coarse enough for a deliberate or a very dense pid reuse | any |
//! | clock offset | `/proc/self/timens_offsets` | whether two start ticks may be compared at all | 5.6; zero before |
//! | boot id | `/proc/sys/kernel/random/boot_id`, when that is really the kernel's file | different: pid, unique id and start ticks are not comparable | any |
//! | pid namespace | inode of the namespace, and its never reused id | different: the pid does not mean anything here | 3.8, id since 6.18 |
//! | exited | a readable pidfd; without pidfds, state `Z` or `X` with no other thread | no thread of the process lives | 5.3 |
//! | gone | `ESRCH` from `pidfd_open(2)` or `kill(2)` | neither a process nor a thread has the number | 5.3, any |
//! | thread | `ENOENT` from `pidfd_open(2)`; earlier, `Tgid` in `/proc/<pid>/status` | the number was reused | 6.15, any |
//!
//! # What is never concluded
//!
//! - `ENOENT` under `/proc` is not death: `hidepid=2` and a foreign procfs look the same.
//! - State `Z` is not death: a thread-group leader that left while other threads run on shows
//!   it, and its file locks are held.
//! - `EPERM` is not death, but somebody else's life.
//! - A start time is not read from a procfs that belongs to another pid namespace: the number
//!   there names a stranger.
//! - A file handle that does not open is not death: it never opens from a sibling namespace.
//!
//! # Limitations
//!
//! - `exec` keeps pid, start time and unique id: the identity says "the same", although the
//!   program, and its idea of which locks it holds, is gone.
//! - Clones of one virtual machine snapshot share boot id, pids, start times and unique ids.
//! - A process that CRIU restored has a new start time and a new unique id.
//! - The identity of the calling process is cached. `fork(2)` and a change of pid or time
//!   namespace invalidate it; a raw `clone(2)` (no `pthread_atfork` hooks) whose child has the
//!   very number of its parent, in a new pid namespace, is not noticed.
//! - Below Linux 6.9 nothing tells two processes with the same pid and the same start tick
//!   apart, below 5.3 every probe races with pid reuse; both err towards "alive".
//!
//! # Platform-specific behavior
//!
//! [`parse`] is pure and compiled everywhere; `LinuxIdentity` exists on Linux only.
//!
//! # Examples
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! use identity_linux::LinuxIdentity;
//! use lock_core::identity::{Comparison, OwnerIdentity, Process};
//!
//! let identity = LinuxIdentity::new();
//! let me = identity.this_process();
//! let seen = identity.observe(&me, &me);
//! assert_eq!(seen.process, Process::Running);
//! assert_ne!(me.compare_incarnation(&seen), Comparison::Different);
//! # }
//! ```

pub mod parse;
#[cfg(target_os = "linux")]
mod system;

#[cfg(target_os = "linux")]
pub use system::LinuxIdentity;
