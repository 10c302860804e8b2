//! The session write lock: one writer per session file.
//!
//! The lock of `chat.jsonl` is the file `chat.jsonl.lock` beside it, readable by people and by
//! OpenClaw, whose session locks it shares a directory with. A holder that died, was killed,
//! or was left behind by a reboot or a removed container is reclaimed at once; a holder that
//! lives is waited for; one that holds longer than it promised loses the lock, and finds out.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use session_lock::{ReleaseOutcome, SessionLock, SessionOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !cfg!(any(target_os = "linux", target_os = "macos", windows)) { return Ok(()) }
//! # let dir = tempfile::tempdir()?;
//! # let file = dir.path().join("chat.jsonl");
//! let options = SessionOptions::default().timeout(Duration::from_secs(2)).label("example");
//! let lock = SessionLock::new(&file, options)?;
//! let guard = lock.acquire()?;
//! guard.append(b"one line\n")?;
//! match guard.release() {
//!     ReleaseOutcome::Released => {}
//!     other => eprintln!("somebody else may have written: {other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Limitations
//!
//! The lock is advisory. A holder that is past its own promise can lose it to a contender at
//! any time; [`SessionGuard::append`] and
//! [`Guard::section`](lock_core::Guard::section) fail then, before a byte is written. Linux,
//! Windows and macOS (never run on a Mac); see [`lock_core`]. Records of OpenClaw are judged as
//! OpenClaw judges them: by pid, start time and age.

mod error;
mod guard;
mod lock;
mod options;
mod path;
mod policy;
mod sweep;

pub use error::SessionLockError;
#[cfg(feature = "tokio")]
pub use guard::AsyncSessionGuard;
pub use guard::SessionGuard;
pub use lock::SessionLock;
/// The protocol and its types, which this crate's signatures name.
pub use lock_core;
#[cfg(feature = "tokio")]
pub use lock_core::asynchronous::OwnerHome;
#[cfg(feature = "tokio")]
pub use lock_core::evidence::Attested;
pub use lock_core::lockfile::{AppendError, SectionError};
pub use lock_core::{Clock, End, LostSignal, ReleaseOutcome, SystemClock, cleanup};
pub use lock_core::{Sweep, Swept};
pub use options::{
    DEFAULT_MAX_HOLD, DEFAULT_STALE_AFTER, DEFAULT_TIMEOUT, MAX_HOLD_CAP, SessionOptions,
    TIMEOUT_GRACE, max_hold_from_timeout,
};
pub use policy::{acquire_policy, sweep_policy};
pub use sweep::sweep;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
