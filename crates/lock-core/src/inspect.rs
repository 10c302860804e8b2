//! Inspecting: what is at a lock's path and what its policy makes of it, for people and tools.

use std::path::PathBuf;
use std::time::Duration;

use crate::assess::Assessment;
use crate::error::LockError;
use crate::lockfile::sys::{Byte, Sys};
use crate::lockfile::{LockFile, Look, Reclaimed, Unbound};
use crate::policy::{Action, Decision, Policy};
use crate::verdict::{Life, Verdict};

/// A lock's state, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no lock.
    Unlocked,
    /// The owner is alive, and nothing speaks against it.
    Held,
    /// The policy would reclaim it now.
    Stale,
    /// There are reasons that are only reported.
    Aged,
    /// Nothing proves either way.
    Unverifiable,
}

impl State {
    /// The spelling used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unlocked => "unlocked",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::Aged => "aged",
            Self::Unverifiable => "unverifiable",
        }
    }
}

/// The result of inspecting one path.
#[derive(Debug)]
pub struct Inspection {
    /// The lock's path.
    pub path: PathBuf,
    /// The lock there, and what the policy makes of it.
    pub found: Option<(Assessment, Decision)>,
    /// What is there instead of a lock, or why it could not be looked at.
    pub error: Option<LockError>,
}

impl Inspection {
    /// The state in a word.
    #[must_use]
    pub fn state(&self) -> State {
        match (&self.found, &self.error) {
            (_, Some(_)) => State::Unverifiable,
            (None, None) => State::Unlocked,
            (Some((assessment, decision)), None) => match (decision.action, assessment.verdict) {
                (Action::Reclaim, _) => State::Stale,
                (_, Verdict::Unverifiable(_)) => State::Unverifiable,
                (Action::Report, _) => State::Aged,
                (Action::Wait, _) => State::Held,
            },
        }
    }

    /// Whether the path could be looked at. A thing that is no lock was.
    #[must_use]
    pub fn was_readable(&self) -> bool {
        match (&self.found, &self.error) {
            (_, Some(error)) => matches!(error, LockError::NotALock { .. }),
            (Some((assessment, _)), None) => {
                assessment.ages.names_owner || assessment.ages.file.is_some()
            }
            (None, None) => true,
        }
    }
}

impl<S: Sys> LockFile<S> {
    /// Inspects the lock under `policy`. Changes nothing, creates nothing.
    #[must_use]
    pub fn inspect(&self, policy: &Policy) -> Inspection {
        self.inspect_pinned(policy).0
    }

    /// The same, with the descriptors that pin what was seen, so that exactly that can be
    /// [broken](Self::break_lock).
    #[must_use]
    pub fn inspect_pinned(&self, policy: &Policy) -> (Inspection, Option<Look<S>>) {
        let path = self.path().to_owned();
        match self.look() {
            Ok(None) => (Inspection { path, found: None, error: None }, None),
            Err(error) => (Inspection { path, found: None, error: Some(error) }, None),
            Ok(Some(look)) => {
                let mut assessment = look.assessment().clone();
                if assessment.verdict == Verdict::Alive(Life::Inherited) {
                    assessment.holders = self.holders(Byte::Owner);
                }
                let decision = assessment.decide(policy);
                (Inspection { path, found: Some((assessment, decision)), error: None }, Some(look))
            }
        }
    }

    /// A human's override: removes exactly the lock that was shown, whatever the verdict. Works
    /// without byte locks, too; whether it is still the same lock is then checked a moment before.
    ///
    /// # Errors
    /// As for [`reclaim`](Self::reclaim).
    pub fn break_lock(&self, shown: &Look<S>) -> Result<Reclaimed, LockError> {
        const PATIENCE: Duration = Duration::from_secs(2);
        let record = shown.assessment().record.clone();
        self.reclaim_unless(Unbound::Accept, shown, PATIENCE, |again| again.record == record)
    }
}
