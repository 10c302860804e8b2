//! The guard of a session: a held lock that knows the file it protects.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lock_core::lockfile::{AppendError, Appender};
use lock_core::{Guard, ReleaseOutcome};

/// How long an append waits for the fence, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// A held session lock. Dropping the last handle releases it.
///
/// Dereferences to [`Guard`], which has the rest: `is_held`, `section`, `extend`, `lost`.
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct SessionGuard {
    guard: Guard,
    appender: Arc<Appender>,
}

impl SessionGuard {
    pub(crate) fn new(guard: Guard) -> Self {
        // The lock is the session file's name and `.lock`, in the resolved directory.
        let appender = Arc::new(Appender::new(guard.path().with_extension("")));
        Self { guard, appender }
    }

    /// The session file, in its resolved directory.
    #[must_use]
    pub fn session(&self) -> &Path {
        self.appender.path()
    }

    /// Appends `bytes` to the session file as one fenced write: no contender can take over in
    /// the middle, no other thread's bytes come in between, and after a loss not a byte is
    /// written.
    ///
    /// # Errors
    /// See [`AppendError`], which tells how much was written.
    pub fn append(&self, bytes: &[u8]) -> Result<(), AppendError> {
        self.append_within(PATIENCE, bytes)
    }

    /// The same, waiting at most `patience` for the fence (5 s otherwise).
    ///
    /// # Errors
    /// See [`AppendError`], which tells how much was written.
    pub fn append_within(&self, patience: Duration, bytes: &[u8]) -> Result<(), AppendError> {
        self.guard.append(&self.appender, bytes, patience)
    }

    /// Releases the lock, unless another handle of the same acquisition is left.
    pub fn release(self) -> ReleaseOutcome {
        self.guard.release()
    }
}

impl Deref for SessionGuard {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

impl From<SessionGuard> for Guard {
    fn from(guard: SessionGuard) -> Self {
        guard.guard
    }
}

/// A session lock held by a task: what it does on the lock happens off the runtime's threads.
#[cfg(feature = "tokio")]
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct AsyncSessionGuard {
    guard: lock_core::asynchronous::AsyncGuard,
    appender: Arc<Appender>,
}

#[cfg(feature = "tokio")]
impl AsyncSessionGuard {
    pub(crate) fn new(guard: lock_core::asynchronous::AsyncGuard) -> Self {
        let appender = Arc::new(Appender::new(guard.get().path().with_extension("")));
        Self { guard, appender }
    }

    /// The guard itself, for its other methods. They make system calls on the calling thread.
    pub fn get(&self) -> &Guard {
        self.guard.get()
    }

    /// Appends `bytes` to the session file as one fenced write; see [`SessionGuard::append`].
    ///
    /// # Errors
    /// See [`AppendError`], which tells how much was written.
    ///
    /// # Cancel safety
    /// A write that has begun is carried out even if the future is dropped.
    pub async fn append(&self, bytes: impl Into<Vec<u8>>) -> Result<(), AppendError> {
        let (appender, bytes) = (Arc::clone(&self.appender), bytes.into());
        self.guard.run(move |guard| guard.append(&appender, &bytes, PATIENCE)).await
    }

    /// Resolves when the hold ends, which for a holder means that the lock was lost.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn lost(&self) -> lock_core::End {
        self.get().lost().await
    }

    /// Releases the lock.
    ///
    /// # Cancel safety
    /// The release is carried out even if the future is dropped.
    pub async fn release(self) -> ReleaseOutcome {
        self.guard.release().await
    }
}
