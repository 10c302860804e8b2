//! Reclaiming: removing exactly the lock that was judged, after judging it again.
//!
//! A reclaim is never an acquisition. Losing its race is fine: whoever won made progress.

use std::io;
use std::time::Duration;

use super::LockFile;
use super::binding::BindingByte;
use super::bound::Bound;
use super::look::{Footprint, Look};
use super::sys::{Access, Sys};
use crate::assess::Assessment;
use crate::error::LockError;

/// How a reclaim ended.
#[derive(Debug)]
pub enum Reclaimed {
    /// The judged lock is gone from its path.
    Removed,
    /// The path leads elsewhere by now, or the lock is judged differently.
    Changed,
    /// Somebody else has the binding byte: a fenced write, a release, another reclaim.
    Busy,
    /// The lock may go, but this process cannot remove it, or not without risking another's: on
    /// a file system without byte locks, [`io::ErrorKind::Unsupported`].
    Denied(io::Error),
}

/// Where there are no byte locks: between the check and the removal another process may put its
/// own lock at the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unbound {
    /// Nothing is removed.
    Refuse,
    /// It is removed all the same: a human saw to it that nobody else is at work here.
    Accept,
}

impl<S: Sys> LockFile<S> {
    /// Removes the lock that `look` saw, if `still` says so again under its binding byte, for
    /// which it waits at most `patience`.
    ///
    /// # Errors
    /// What is at the path is no lock any more, or a system call failed.
    pub fn reclaim(
        &self,
        look: &Look<S>,
        patience: Duration,
        still: impl FnOnce(&Assessment) -> bool,
    ) -> Result<Reclaimed, LockError> {
        self.reclaim_unless(Unbound::Refuse, look, patience, still)
    }

    /// The same, told what to do where there are no byte locks.
    pub(crate) fn reclaim_unless(
        &self,
        unbound: Unbound,
        look: &Look<S>,
        patience: Duration,
        still: impl FnOnce(&Assessment) -> bool,
    ) -> Result<Reclaimed, LockError> {
        let bound = match Bound::open(self, Access::Lock)? {
            None => return Ok(Reclaimed::Changed),
            Some(Bound::Opaque { error }) => return Ok(Reclaimed::Denied(error)),
            Some(bound) => bound,
        };
        if !bound.is_same_as(&look.bound) {
            return Ok(Reclaimed::Changed);
        }
        let byte = match bound.file() {
            Some((file, _)) => {
                let failed = LockError::io("lock the binding byte of", self.path());
                match BindingByte::take(self.sys(), file, patience) {
                    Ok(Some(byte)) => Some(byte),
                    Ok(None) => return Ok(Reclaimed::Busy),
                    Err(e) if e.kind() == io::ErrorKind::Unsupported => match unbound {
                        Unbound::Refuse => return Ok(Reclaimed::Denied(e)),
                        Unbound::Accept => None,
                    },
                    Err(e) => return Err(failed(e)),
                }
            }
            // No inode to bind: `rmdir` alone decides.
            None => None,
        };
        let current = bound.is_current(self, &look.content, look.assessment().filesystem.class);
        if !current.map_err(LockError::io("check", self.path()))? {
            return Ok(Reclaimed::Changed);
        }
        let (_, again) = self.assess(&bound, look.attestation(), Footprint::Stage)?;
        if !still(&again) {
            return Ok(Reclaimed::Changed);
        }
        let removed = bound.remove(self);
        drop(byte);
        Ok(match removed {
            Ok(()) => Reclaimed::Removed,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Reclaimed::Changed,
            Err(e) => Reclaimed::Denied(e),
        })
    }
}
