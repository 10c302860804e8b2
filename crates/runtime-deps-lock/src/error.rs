//! Errors that people can act on; the timeout's first line is the origin's.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use lock_core::{AcquireError, Contention, LockError};

/// Why an install lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepsLockError {
    /// Somebody held it until the timeout.
    #[error("{}", Timeout(.0))]
    Timeout(Box<Contention>),
    /// The lock could not be created or looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The install root is missing or cannot be used.
    #[error("cannot use the install root {}: {source}", lock_core::plain_path(path))]
    Root {
        /// The root.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The lock directory's name is not a plain file name.
    #[error("{name:?} is not a plain name for a lock directory")]
    BadLockName {
        /// The name.
        name: String,
    },
}

impl From<AcquireError> for DepsLockError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Lock(error) => Self::Lock(error),
            AcquireError::Contended(contention) => Self::Timeout(contention),
        }
    }
}

struct Timeout<'a>(&'a Contention);

impl fmt::Display for Timeout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contention { assessment: a, waited, .. } = self.0;
        let age = |age: Option<Duration>| match age {
            Some(age) => format!("{}ms", age.as_millis()),
            None => "n/a".to_owned(),
        };
        let missing = a.record_age.is_none() && !a.is_opaque();
        let state = match &a.record {
            Some(_) => "ok",
            None if missing => "missing",
            None => "invalid",
        };
        let owner = match a.owner() {
            Some(owner) => format!("pid={} alive={}", owner.pid, a.is_alive()),
            None => "pid=missing".to_owned(),
        };
        let link = if missing {
            "n/a"
        } else if a.owner_is_link {
            "true"
        } else {
            "false"
        };
        writeln!(
            f,
            "Timed out waiting for bundled runtime deps lock at {path} (waited={waited}ms, \
             ownerFile={state}, ownerFileSymlink={link}, {owner}, ownerAge={owner_age}, \
             ownerFileAge={file_age}, lockAge={lock_age}, ownerFilePath={file}). If no OpenClaw/npm \
             install is running, remove the lock directory and retry.",
            path = lock_core::plain_path(&a.path),
            waited = waited.as_millis(),
            owner_age = age(a.ages.held),
            file_age = age(a.record_age),
            lock_age = age(a.directory_age),
            file = lock_core::plain_path(&a.path.join("owner.json")),
        )?;
        self.0.fmt_story(f)
    }
}
