//! Owner-verified lock files: a dead owner never blocks anyone, a live owner never loses its
//! lock by mistake, and anybody can see why.
//!
//! # Model
//!
//! A lock file holds a [`record::LockRecord`] that names its *owner*: one process incarnation,
//! by more than its pid. Whoever finds a lock in the way [looks](LockFile::look): reads the
//! record, probes the kernel lock that the owner holds on the file, and asks an
//! [`OwnerIdentity`] what the system shows of the owner. That is the [`evidence`]; a pure table
//! turns it into a [`verdict`], and a [`policy`], which is data, into a decision: wait, report
//! or reclaim. Reclaiming removes exactly the file that was judged, and is never itself an
//! acquisition.
//!
//! Domain crates (`session-lock`, `runtime-deps-lock`) bring a policy, defaults and an API.
//! Per-OS identity crates bring the evidence. This crate knows neither.
//!
//! # Limitations
//!
//! Locks are advisory: they bind those who ask. The promises that rest on byte locks hold among
//! participants of this protocol on a file system whose locks reach all of them; see
//! [`filesystem`]. Locks can be taken on Linux, Windows and macOS, where the calls of macOS were
//! compiled and never run, and those of Windows ran under Wine. On other Unixes they can be looked
//! at, and taking one answers [`std::io::ErrorKind::Unsupported`]; elsewhere every call on a lock
//! file does.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use lock_core::lockfile::{Attempt, Layout, LockFile, ReleaseOutcome, Stamp};
//! use lock_core::{UnverifiedIdentity, record::Dialect};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let path = dir.path().join("s.jsonl.lock");
//! let lock = LockFile::new(path, Layout::File, Arc::new(UnverifiedIdentity));
//! let stamp = Stamp {
//!     dialect: Dialect::Session { max_hold: Duration::from_secs(300) },
//!     label: Some("example".into()),
//!     inheritable: false,
//! };
//! # if cfg!(any(target_os = "linux", target_os = "macos", windows)) {
//! let Attempt::Acquired(guard) = lock.attempt(&stamp)? else { panic!("nobody else is here") };
//! assert!(matches!(lock.attempt(&stamp)?, Attempt::Contended));
//! let look = lock.look()?.expect("it is there");
//! assert!(look.assessment().is_alive());
//! assert!(matches!(guard.release(), ReleaseOutcome::Released));
//! # }
//! # Ok(())
//! # }
//! ```

mod acquire;
mod assess;
#[cfg(feature = "tokio")]
pub mod asynchronous;
pub mod cleanup;
mod clock;
mod doctor;
mod error;
pub mod evidence;
pub mod filesystem;
#[cfg(unix)]
mod fork;
pub mod identity;
mod inspect;
pub mod lockfile;
pub mod policy;
mod process;
pub mod record;
mod registry;
mod story;
pub mod verdict;
mod wait;
mod watchdog;

pub use acquire::{AcquireError, Acquisition, Contention, Pause, Request, Step};
pub use assess::{AgeClock, Assessment};
pub use clock::{Clock, SystemClock};
pub use doctor::{Sweep, Swept};
pub use error::LockError;
pub use identity::{OwnerIdentity, UnverifiedIdentity};
pub use inspect::{Inspection, State};
pub use lockfile::{End, Guard, LockFile, LostSignal, ReleaseOutcome};
pub use process::ProcessMark;
pub use story::{Finding, Source, is_harmful, plain, plain_path, rough};
pub use wait::Watch;
pub use watchdog::{Charge, second_thread};
