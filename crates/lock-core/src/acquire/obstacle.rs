//! What keeps a reclaim from happening, and how to tell it.

use std::time::Duration;

use super::pace::POLL_ALONE;
use crate::assess::Assessment;
use crate::lockfile::LockFile;
use crate::lockfile::sys::Sys;

/// What keeps a reclaim from happening.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// Somebody has the binding byte.
    Busy,
    /// This process may not, or cannot, remove the lock.
    Denied(std::io::Error),
}

impl Obstacle {
    /// How soon to try again.
    pub(super) fn pace(&self) -> Duration {
        match self {
            Self::Busy => POLL_ALONE / 10,
            Self::Denied(_) => POLL_ALONE,
        }
    }

    pub(super) fn tell<S: Sys>(&self, lock: &LockFile<S>, in_the_way: &Assessment) -> String {
        match self {
            Self::Busy => lock.at_work(),
            Self::Denied(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {
                format!("it holds files that are not a lock's: {error}; move them away")
            }
            Self::Denied(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                let by_hand = in_the_way.remedy();
                format!(
                    "not without risking another's lock: {error}; see that nobody else is at work \
                     here, then remove it with {by_hand}"
                )
            }
            Self::Denied(error) => format!("it cannot be removed: {error}"),
        }
    }
}
