//! Tending locks: what is stale, and, if asked, removing it. Shared by every domain's doctor.

use std::time::Duration;

use crate::error::LockError;
use crate::inspect::{Inspection, State};
use crate::lockfile::sys::Sys;
use crate::lockfile::{Litter, LockFile, Look, Reclaimed};
use crate::policy::{Action, Policy};

/// One lock that a doctor looked at.
#[derive(Debug)]
pub struct Swept {
    /// What it found.
    pub inspection: Inspection,
    /// Whether it removed the lock.
    pub removed: bool,
    /// Why it could not remove a lock that it wanted to.
    pub obstacle: Option<String>,
}

/// What a doctor found in one or more places.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The locks, sorted by path.
    pub locks: Vec<Swept>,
    /// What crashes left beside them.
    pub litter: Litter,
}

impl Sweep {
    /// Adds what was found elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.locks.extend(other.locks);
        self.locks.sort_by(|a, b| a.inspection.path.cmp(&b.inspection.path));
        self.litter.swept.extend(other.litter.swept);
        self.litter.obstructed.extend(other.litter.obstructed);
    }
}

/// How long a doctor waits for whoever is at work on a lock.
const PATIENCE: Duration = Duration::from_millis(500);

impl<S: Sys> LockFile<S> {
    /// Inspects the lock, and reclaims it if `fix` is set and `policy` says so, now and again
    /// under its binding byte. `None`: there is no lock.
    #[must_use]
    pub fn tend(&self, policy: &Policy, fix: bool) -> Option<Swept> {
        let (inspection, look) = self.inspect_pinned(policy);
        let mut swept = Swept { inspection, removed: false, obstacle: None };
        let state = swept.inspection.state();
        if state == State::Unlocked {
            return None;
        }
        if let Some(look) = look.filter(|_| fix && state == State::Stale) {
            match self.reclaim_if_stale(&look, policy, PATIENCE) {
                Ok(Reclaimed::Removed) => swept.removed = true,
                Ok(Reclaimed::Changed) => {}
                Ok(Reclaimed::Busy) => swept.obstacle = Some(self.at_work()),
                Ok(Reclaimed::Denied(error)) => swept.obstacle = Some(error.to_string()),
                Err(error) => swept.obstacle = Some(error.to_string()),
            }
        }
        Some(swept)
    }

    /// Reclaims the lock that `look` saw, if `policy` still says so under its binding byte, for
    /// which it waits at most `patience`.
    ///
    /// # Errors
    /// As for [`reclaim`](Self::reclaim).
    pub fn reclaim_if_stale(
        &self,
        look: &Look<S>,
        policy: &Policy,
        patience: Duration,
    ) -> Result<Reclaimed, LockError> {
        self.reclaim(look, patience, |again| again.decide(policy).action == Action::Reclaim)
    }
}
