//! Reclaiming: removing exactly the lock that was judged, after judging it again.
//!
//! A reclaim is never an acquisition. Losing its race is fine: whoever won made progress.

use std::io;
use std::time::Duration;

use super::bound::Bound;
use super::look::{Footprint, Look};
use super::sys::{Access, Byte, Sys};
use super::{LockFile, take};
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
        if let Bound::File { file, .. } = &bound {
            let busy = LockError::io("lock the binding byte of", self.path());
            if !take(self.sys(), file, Byte::Binding, patience).map_err(busy)? {
                return Ok(Reclaimed::Busy);
            }
        }
        // Where there is no inode to bind, `rmdir` alone decides.

        // Closing the descriptor would do, but for children: one that is forked meanwhile
        // shares it, and would keep the byte for as long as it lives.
        let let_go = |bound: &Bound<S>| {
            if let Some((file, _)) = bound.file() {
                let _ = self.sys().unlock(file, Byte::Binding);
            }
        };
        let class = look.assessment().filesystem.class;
        let current = bound.is_current(self, &look.content, class);
        if !matches!(current, Ok(true)) {
            let_go(&bound);
            return match current {
                Err(error) => Err(LockError::io("check", self.path())(error)),
                Ok(_) => Ok(Reclaimed::Changed),
            };
        }
        let again = self.look_at(bound, look.attestation(), Footprint::Stage)?;
        let outcome = if still(again.assessment()) {
            match again.bound.remove(self) {
                Ok(()) => Reclaimed::Removed,
                Err(e) if e.kind() == io::ErrorKind::NotFound => Reclaimed::Changed,
                Err(e) => Reclaimed::Denied(e),
            }
        } else {
            Reclaimed::Changed
        };
        let_go(&again.bound);
        Ok(outcome)
    }
}
