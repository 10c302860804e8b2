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
    /// The lock may go, but this process cannot remove it.
    Denied(io::Error),
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
                let busy = LockError::io("lock the binding byte of", self.path());
                match BindingByte::take(self.sys(), file, patience).map_err(busy)? {
                    Some(byte) => Some(byte),
                    None => return Ok(Reclaimed::Busy),
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
