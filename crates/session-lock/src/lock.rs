//! A session's lock: taking it by blocking, and looking at it.

use std::path::Path;
use std::time::Duration;

use lock_core::lockfile::{Layout, Stamp};
use lock_core::policy::{Decision, Policy};
use lock_core::record::Dialect;
use lock_core::{Acquisition, Assessment, Inspection, LockFile, Request};

use crate::path::{Missing, lock_path};
use crate::policy::acquire_policy;
use crate::{SessionGuard, SessionLockError, SessionOptions};

/// The lock of one session file: a path that was resolved once, and options.
///
/// Cheap to clone; holds nothing open.
#[derive(Clone, Debug)]
pub struct SessionLock {
    pub(crate) file: LockFile,
    options: SessionOptions,
}

impl SessionLock {
    /// The lock of `session`, which need not exist. Missing directories are created.
    ///
    /// # Errors
    /// The path names no file, or its directory cannot be made.
    pub fn new(
        session: impl AsRef<Path>,
        options: SessionOptions,
    ) -> Result<Self, SessionLockError> {
        Self::resolve(session.as_ref(), options, Missing::Create)
    }

    /// The same for looking only: creates nothing.
    ///
    /// # Errors
    /// The path names no file.
    pub fn existing(
        session: impl AsRef<Path>,
        options: SessionOptions,
    ) -> Result<Self, SessionLockError> {
        Self::resolve(session.as_ref(), options, Missing::Leave)
    }

    fn resolve(
        session: &Path,
        options: SessionOptions,
        missing: Missing,
    ) -> Result<Self, SessionLockError> {
        Ok(Self::at(lock_path(session, missing)?, options))
    }

    /// The lock whose own absolute path is known.
    pub(crate) fn at(path: std::path::PathBuf, options: SessionOptions) -> Self {
        let file = LockFile::over(
            lock_core::lockfile::sys::Native,
            path,
            Layout::File,
            options.identity.clone(),
            options.clock.clone(),
        )
        .single_host(options.single_host);
        Self { file, options }
    }

    /// The lock file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The protocol's view of the lock.
    #[must_use]
    pub fn file(&self) -> &LockFile {
        &self.file
    }

    /// What these options make of a lock in the way.
    #[must_use]
    pub fn policy(&self) -> Policy {
        acquire_policy(self.options.timeout, self.options.stale_after)
    }

    /// Takes the lock, blocking the thread until it is had or the timeout passes.
    ///
    /// # Errors
    /// See [`SessionLockError`].
    pub fn acquire(&self) -> Result<SessionGuard, SessionLockError> {
        self.acquire_telling(|_, _, _| {})
    }

    /// The same, telling `waiting` before each pause what is in the way, what the policy makes
    /// of it, and how much time is left (`None`: no deadline).
    ///
    /// # Errors
    /// See [`SessionLockError`].
    pub fn acquire_telling(
        &self,
        waiting: impl FnMut(&Assessment, &Decision, Option<Duration>),
    ) -> Result<SessionGuard, SessionLockError> {
        Ok(SessionGuard::new(self.acquisition().block(waiting)?))
    }

    /// Takes the lock without blocking the runtime.
    ///
    /// # Errors
    /// See [`SessionLockError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: a lock that is had just then is released.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    #[cfg(feature = "tokio")]
    pub async fn acquire_async(&self) -> Result<crate::AsyncSessionGuard, SessionLockError> {
        Ok(crate::AsyncSessionGuard::new(self.acquisition().wait(None).await?))
    }

    /// The same, asking `home` about owners who cannot be verified locally.
    ///
    /// # Errors
    /// See [`SessionLockError`].
    ///
    /// # Cancel safety
    /// As for [`acquire_async`](Self::acquire_async).
    #[cfg(feature = "tokio")]
    pub async fn acquire_asking(
        &self,
        home: &dyn crate::OwnerHome,
    ) -> Result<crate::AsyncSessionGuard, SessionLockError> {
        Ok(crate::AsyncSessionGuard::new(self.acquisition().wait(Some(home)).await?))
    }

    /// Who holds it, on what evidence, and what would happen next. Changes nothing.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        self.file.inspect(&self.policy())
    }

    pub(crate) fn acquisition(&self) -> Acquisition {
        let SessionOptions { timeout, max_hold, label, reentrant, inheritable, .. } = &self.options;
        let stamp = Stamp {
            dialect: Dialect::Session { max_hold: *max_hold },
            label: label.clone(),
            inheritable: *inheritable,
        };
        let request = Request {
            stamp,
            policy: self.policy(),
            timeout: *timeout,
            reentrant: *reentrant,
            fail_when_stale: self.options.fail_when_stale,
        };
        Acquisition::new(self.file.clone(), request)
    }
}
