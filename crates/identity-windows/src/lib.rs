//! Process identity on Windows: which incarnation of which process a lock record names, and
//! whether it still lives.
//!
//! `WindowsIdentity` implements [`lock_core::identity::OwnerIdentity`] with process handles,
//! creation times and the names of the machine. It reports facts and never decides:
//! `lock_core::verdict` does.
//!
//! # The facts, what each one proves, and since when it is to be had
//!
//! | fact | where it comes from | what it proves | Windows |
//! |---|---|---|---|
//! | pid | `GetCurrentProcessId` | nothing by itself: it is reused soon | any |
//! | start time | `GetProcessTimes`: 100 ns steps since 1601 | different: another incarnation, in whatever boot. Stamped once; setting the clock does not move it | any |
//! | unique id | process sequence number, `NtQueryInformationProcess` class 92 | different: another incarnation; equal, next to an equal start time: the same | 10, not documented |
//! | pid space | `MachineGuid` and the active computer name, hashed | different: the pid means nothing here | any |
//! | "boot id" | the UUID that the firmware gives the machine, hashed | different: another machine, *never* a reboot | any |
//! | exited | the process handle is signalled | no thread lives | any |
//! | gone | error 87 from `OpenProcess` | no process of this pid space has the pid | any |
//!
//! # The boot id that is none
//!
//! On Linux a start time counts from boot, so it means nothing without a boot id. Here it is
//! absolute, so (pid, start time) names one incarnation across reboots, and needs no boot id.
//! There is none to be had either: the boot time moves with the clock, the loader's counter is
//! not documented to survive (or to change at) a fast startup, in which services outlive what
//! users take for a shutdown, and `BootIdentifier` names the boot menu's entry.
//!
//! But `lock_core::verdict` asks for two answers before it looks at a process, and both matter:
//!
//! - *"Different boot"* proves death on a local disk, because only one kernel at a time uses
//!   one. So it must never be said of two systems that can run at the same time on one machine:
//!   a host and its containers, two Wine prefixes. Hence an id of the hardware, which they share.
//! - *"Same boot"* lets a free owner byte break a tie on file systems whose locks end at this
//!   machine. So it must not be a constant that all machines share.
//! - Whether the pid can be looked up at all is then the pid *space's* business. `MachineGuid`
//!   is of an installation, but a cloned image has its original's; the computer name tells
//!   clones apart, and containers (theirs is the container's). Another space is a doubt, and
//!   removes nothing.
//!
//! What this costs: "recorded in this boot" in a report means "on this machine". A reboot is
//! not proved by itself, and need not be: the owner's pid is then gone, or shows another start
//! time. After the computer was renamed or reinstalled, old records are unverifiable by their
//! process; a free owner byte on a local disk still settles them.
//!
//! Where one of the three names cannot be read, the boot id is unknown, and so is every verdict
//! that would rest on a process: `lock_core` takes two missing pid spaces for one.
//!
//! # What is never concluded
//!
//! - Error 5 is not death: the process is there and may not be looked at.
//! - Exit code 259 says nothing: it is what a running process shows, and what a process may
//!   exit with. Any other code proves the exit.
//! - The exit time says nothing: it is undefined until the process has exited.
//! - That a pid opens does not make it one: the two low bits are ignored, 9 opens 8. Only the
//!   pid that the handle itself names counts.
//! - Equal sequence numbers prove nothing next to different start times: they count from boot.
//!
//! # Limitations
//!
//! - The ages of processes are not told: they are on the wall clock, and a clock that was set
//!   would make a process look older than a file that it wrote.
//! - A process that exits while somebody keeps a handle of it is `Exited`, and its pid stays
//!   reserved; nothing here keeps a handle for longer than a question takes.
//! - Two machines that share all three names (clones that were not even renamed) are one.
//! - Telemetry class 64 knows the sequence number, too. It is not asked, so that two readers
//!   can never compare numbers of two origins.
//!
//! # What was run, and what was not
//!
//! The decisions and the parsing are tested on every host. The calls were run under Wine 8,
//! which has no class 92 (so every number in a test of it is made up), and **never on
//! Windows**: not the access rights that class 92 asks for, not what `OpenProcess` sees across
//! server silos, and not what the firmware table shows inside one.
//!
//! # Platform-specific behavior
//!
//! [`parse`] is pure and compiled everywhere; `WindowsIdentity` exists on Windows only.
//!
//! # Examples
//!
//! ```
//! # #[cfg(windows)] {
//! use identity_windows::WindowsIdentity;
//! use lock_core::identity::{Comparison, OwnerIdentity, Process};
//!
//! let me = WindowsIdentity.this_process();
//! let seen = WindowsIdentity.observe(&me, &me);
//! assert_eq!(seen.process, Process::Running);
//! assert_eq!(me.compare_incarnation(&seen), Comparison::Same);
//! # }
//! ```

pub mod parse;
#[cfg(windows)]
mod system;

#[cfg(windows)]
pub use system::WindowsIdentity;
