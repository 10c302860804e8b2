//! The runtime-deps install lock: one installer per root, wire-compatible with OpenClaw's.
//!
//! The lock of an install root is the directory `.openclaw-runtime-deps.lock` in it, holding
//! `owner.json`. An installer may take hours: a live owner never loses its lock, whatever its
//! age. A dead one never blocks anybody, not even when its pid came back in a new container.
//!
//! # Examples
//!
//! ```
//! use runtime_deps_lock::{DepsOptions, with_lock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !cfg!(any(target_os = "linux", target_os = "macos", windows)) { return Ok(()) }
//! # let root = tempfile::tempdir()?;
//! let installed = with_lock(root.path(), DepsOptions::default().label("example"), || {
//!     // npm install …
//!     std::fs::write(root.path().join("installed"), "yes")
//! })?;
//! installed?;
//! # Ok(())
//! # }
//! ```
//!
//! # What crashes leave
//!
//! An installer that is killed in the middle of taking or releasing the lock can leave a hidden
//! sibling of it: a stage, or a tombstone. They are in nobody's way. The next acquisition *that had
//! to reclaim a lock* sweeps those whose owner is gone, and so does [`DepsLock::sweep`]; an
//! acquisition that met nothing stale does not look for them, because listing an install root can
//! cost more than the lock does. What holds files that are not the protocol's is never deleted:
//! [`Sweep`] names it.
//!
//! # Limitations
//!
//! The lock is advisory. A *stuck* installer holds it for ever, by design: `lockctl deps
//! inspect` names it, a human kills it or breaks the lock. Linux, Windows and macOS (never
//! run on a Mac); see [`lock_core`].

mod error;
mod lock;
mod options;
mod policy;

pub use error::DepsLockError;
#[cfg(feature = "tokio")]
pub use lock::with_lock_async;
pub use lock::{DepsGuard, DepsLock, with_lock};
/// The protocol and its types, which this crate's signatures name.
pub use lock_core;
#[cfg(feature = "tokio")]
pub use lock_core::asynchronous::{AsyncGuard as AsyncDepsGuard, OwnerHome};
#[cfg(feature = "tokio")]
pub use lock_core::evidence::Attested;
pub use lock_core::{ReleaseOutcome, Sweep, Swept};
pub use options::{DEFAULT_LOCK_NAME, DEFAULT_TIMEOUT, DepsOptions};
pub use policy::POLICY;
