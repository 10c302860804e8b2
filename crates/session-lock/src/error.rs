//! Errors that people can act on: what happened, who holds it, what comes next, what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use lock_core::policy::Reason;
use lock_core::{AcquireError, Contention, LockError};

/// Why a session lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionLockError {
    /// Somebody held it until the timeout.
    #[error("{}", Timeout(.0))]
    Timeout(Box<Contention>),
    /// The same, by an owner that there are reasons to distrust, none of which removes it.
    #[error("{}", Stale(.0))]
    Stale(Box<Contention>),
    /// The lock file could not be created or looked at.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The session file's directory could not be created or read.
    #[error("cannot use the directory {}: {source}", lock_core::plain_path(path))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The path has no file name.
    #[error("{} does not name a session file", lock_core::plain_path(path))]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
    },
}

impl From<AcquireError> for SessionLockError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Lock(error) => Self::Lock(error),
            AcquireError::Contended(contention) => {
                // A young file without an owner is not stale yet.
                let stale = contention.assessment.ages.names_owner
                    && contention.decision.reasons.iter().any(|r| *r != Reason::MissingPid);
                if stale { Self::Stale(contention) } else { Self::Timeout(contention) }
            }
        }
    }
}

/// The origin's first line, then ours.
struct Timeout<'a>(&'a Contention);

impl fmt::Display for Timeout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contention { timeout, assessment, .. } = self.0;
        write!(f, "session file locked (timeout ")?;
        match timeout {
            Some(timeout) => write!(f, "{}ms", timeout.as_millis())?,
            None => f.write_str("Infinity")?,
        }
        let alive = assessment.is_alive();
        write!(f, "): pid={} alive={alive} ageMs=", pid(self.0))?;
        match assessment.ages.held {
            Some(age) => write!(f, "{}", age.as_millis())?,
            None => f.write_str("unknown")?,
        }
        writeln!(f, " {}", lock_core::plain_path(&assessment.path))?;
        self.0.fmt_story(f)
    }
}

struct Stale<'a>(&'a Contention);

impl fmt::Display for Stale<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contention { assessment, decision, .. } = self.0;
        let reasons: Vec<_> = decision.reasons.iter().map(|r| r.as_str()).collect();
        let reasons = reasons.join(", ");
        let path = lock_core::plain_path(&assessment.path);
        writeln!(f, "session file lock stale ({reasons}): pid={} {path}", pid(self.0))?;
        self.0.fmt_story(f)
    }
}

fn pid(contention: &Contention) -> String {
    contention.assessment.owner().map_or_else(|| "unknown".to_owned(), |o| o.pid.to_string())
}
