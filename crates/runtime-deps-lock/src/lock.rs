//! An install root's lock: taking it, and looking at it.

use std::path::{Component, Path};
use std::time::Duration;

use lock_core::lockfile::sys::Native;
use lock_core::lockfile::{Layout, Stamp};
use lock_core::policy::Decision;
use lock_core::record::Dialect;
use lock_core::{
    Acquisition, Assessment, Guard, Inspection, LockFile, ReleaseOutcome, Request, Sweep,
};

use crate::{DepsLockError, DepsOptions, POLICY};

/// A held install lock. Dropping it releases it.
pub type DepsGuard = Guard;

/// The lock of one install root. Cheap to clone; holds nothing open.
#[derive(Clone, Debug)]
pub struct DepsLock {
    file: LockFile,
    options: DepsOptions,
}

impl DepsLock {
    /// The lock of an install root that exists.
    ///
    /// # Errors
    /// The root is missing or no directory, or the lock's name is not a plain name.
    pub fn new(root: impl AsRef<Path>, options: DepsOptions) -> Result<Self, DepsLockError> {
        let root = root.as_ref();
        let mut parts = Path::new(&options.lock_name).components();
        let plain = (parts.next(), parts.next());
        // No system has names with a NUL in them, and some would say so of the lock's path only.
        if options.lock_name.contains('\0')
            || !matches!(plain, (Some(Component::Normal(name)), None) if name == &*options.lock_name)
        {
            return Err(DepsLockError::BadLockName { name: options.lock_name });
        }
        let resolved = dunce::canonicalize(root).and_then(|resolved| {
            let is_dir = resolved.is_dir();
            is_dir.then_some(resolved).ok_or_else(|| std::io::ErrorKind::NotADirectory.into())
        });
        let root =
            resolved.map_err(|source| DepsLockError::Root { path: root.to_owned(), source })?;
        let (identity, clock) = (options.identity.clone(), options.clock.clone());
        let path = root.join(&options.lock_name);
        let file = LockFile::over(Native, path, Layout::Directory, identity, clock)
            .single_host(options.single_host);
        Ok(Self { file, options })
    }

    /// The lock directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The protocol's view of the lock.
    #[must_use]
    pub fn file(&self) -> &LockFile {
        &self.file
    }

    /// Takes the lock, blocking the thread until it is had or the timeout passes.
    ///
    /// # Errors
    /// See [`DepsLockError`].
    pub fn acquire(&self) -> Result<DepsGuard, DepsLockError> {
        self.acquire_telling(|_, _, _| {})
    }

    /// The same, telling `waiting` before each pause what is in the way, what the policy makes
    /// of it, and how much time is left (`None`: no deadline).
    ///
    /// # Errors
    /// See [`DepsLockError`].
    pub fn acquire_telling(
        &self,
        waiting: impl FnMut(&Assessment, &Decision, Option<Duration>),
    ) -> Result<DepsGuard, DepsLockError> {
        Ok(self.acquisition().block(waiting)?)
    }

    /// Takes the lock without blocking the runtime, asking `home`, if there is one, about owners
    /// who cannot be verified locally.
    ///
    /// # Errors
    /// See [`DepsLockError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: a lock that is had just then is released.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    #[cfg(feature = "tokio")]
    pub async fn acquire_async(
        &self,
        home: Option<&dyn crate::OwnerHome>,
    ) -> Result<crate::AsyncDepsGuard, DepsLockError> {
        Ok(self.acquisition().wait(home).await?)
    }

    /// Who holds it, on what evidence, and what would happen next. Changes nothing.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        self.file.inspect(&POLICY)
    }

    /// Looks at the lock and at what crashes left beside it, and removes what is stale if `fix`
    /// is set.
    ///
    /// # Errors
    /// The root cannot be read. What goes wrong with the lock is told in its entry.
    pub fn sweep(&self, fix: bool) -> Result<Sweep, DepsLockError> {
        let locks = self.file.tend(&POLICY, fix).into_iter().collect();
        Ok(Sweep { locks, litter: self.file.sweep_litter(fix)? })
    }

    fn acquisition(&self) -> Acquisition {
        let DepsOptions { label, inheritable, timeout, .. } = &self.options;
        let (label, inheritable) = (label.clone(), *inheritable);
        let request = Request {
            stamp: Stamp { dialect: Dialect::RuntimeDeps, label, inheritable },
            policy: POLICY,
            timeout: *timeout,
            reentrant: false,
            fail_when_stale: false,
        };
        Acquisition::new(self.file.clone(), request)
    }
}

/// Runs `install` with the lock of `root` held. The lock is released when it returns, whatever
/// it returns, and when it panics.
///
/// # Errors
/// The lock was not had; `install` was not run.
pub fn with_lock<T>(
    root: impl AsRef<Path>,
    options: DepsOptions,
    install: impl FnOnce() -> T,
) -> Result<T, DepsLockError> {
    let guard = DepsLock::new(root, options)?.acquire()?;
    let result = install();
    tell(&guard.path().display().to_string(), guard.release());
    Ok(result)
}

/// The same for a future, without blocking the runtime.
///
/// # Errors
/// The lock was not had; `install` was not polled.
///
/// # Cancel safety
/// Dropping the future drops `install` and releases the lock.
///
/// # Panics
/// Outside a tokio runtime with time enabled.
#[cfg(feature = "tokio")]
pub async fn with_lock_async<T>(
    root: impl AsRef<Path>,
    options: DepsOptions,
    install: impl Future<Output = T>,
) -> Result<T, DepsLockError> {
    let guard = DepsLock::new(root, options)?.acquire_async(None).await?;
    let path = guard.get().path().display().to_string();
    let result = install.await;
    tell(&path, guard.release().await);
    Ok(result)
}

/// The installation is done; how the lock went is worth a line in the log.
fn tell(path: &str, outcome: ReleaseOutcome) {
    match outcome {
        ReleaseOutcome::Released | ReleaseOutcome::StillHeld | ReleaseOutcome::Forked => {}
        ReleaseOutcome::Lost => {
            tracing::warn!(path, "the lock was removed during the installation");
        }
        ReleaseOutcome::Abandoned(error) => {
            tracing::warn!(path, %error, "the lock was let go, but could not be removed");
        }
    }
}
