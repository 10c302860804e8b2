//! Verdict and ages → decision. A policy is data: one disposition per reason.
//!
//! If any reason says reclaim, the lock is reclaimed; otherwise any reason at all is reported;
//! otherwise the contender waits. Comparisons are strict, as the origin's are.

use std::fmt;
use std::time::Duration;

use crate::verdict::{DeathProof, Verdict};

/// Why a lock is, or may be, stale. The spelling is the origin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The file names no owner (empty, broken, or without a usable pid).
    MissingPid,
    /// No such process, or an exited one.
    DeadPid,
    /// The pid names another process now.
    RecycledPid,
    /// The machine was booted since.
    BootIdMismatch,
    /// The owner let go, or died: the kernel dropped its byte lock.
    LockReleased,
    /// Our own pid in a record of the origin that this process does not hold.
    OrphanSelfPid,
    /// The record's time of acquisition is missing or not a time.
    InvalidCreatedAt,
    /// Older than the contender's `stale_after`.
    TooOld,
    /// Held longer than the owner itself promised.
    HoldExceeded,
}

impl Reason {
    /// The spelling used in messages and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingPid => "missing-pid",
            Self::DeadPid => "dead-pid",
            Self::RecycledPid => "recycled-pid",
            Self::BootIdMismatch => "boot-id-mismatch",
            Self::LockReleased => "lock-released",
            Self::OrphanSelfPid => "orphan-self-pid",
            Self::InvalidCreatedAt => "invalid-createdAt",
            Self::TooOld => "too-old",
            Self::HoldExceeded => "hold-exceeded",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a policy does about a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Remove the lock file, then compete for the lock.
    Reclaim,
    /// Name it, and keep waiting.
    Report,
    /// Not a reason in this domain.
    Ignore,
}

/// A domain's staleness policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// [`Reason::DeadPid`], [`Reason::RecycledPid`], [`Reason::BootIdMismatch`] and
    /// [`Reason::LockReleased`]: all rest on a positive proof.
    pub proved_dead: Disposition,
    /// [`Reason::OrphanSelfPid`] by an equal start time.
    pub orphan_self: Disposition,
    /// [`Reason::OrphanSelfPid`] of a file proved older than this process.
    pub orphan_self_by_age: Disposition,
    /// [`Reason::InvalidCreatedAt`].
    pub invalid_created_at: Disposition,
    /// [`Reason::TooOld`], and from which age on.
    pub too_old: Disposition,
    /// The age that [`Reason::TooOld`] means.
    pub stale_after: Duration,
    /// [`Reason::HoldExceeded`].
    pub hold_exceeded: Disposition,
    /// How long a file that names no owner is left alone, by its file times.
    pub nameless_grace: Duration,
    /// The same for one that has a time of acquisition, by that time; `None`: by file times too.
    pub dated_nameless_grace: Option<Duration>,
}

/// What a decision rests on beside the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Time since acquisition, by the best clock there is for this record.
    pub held: Option<Duration>,
    /// Whether `held` may evict: a wall clock may not, except for records of the origin.
    pub held_is_trusted: bool,
    /// Time since the lock file last changed.
    pub file: Option<Duration>,
    /// Whether the record has a valid time of acquisition.
    pub created_at_valid: bool,
    /// The owner's promise.
    pub max_hold: Option<Duration>,
    /// Whether the binding byte excludes everybody who can reach the file.
    pub locks_exclude: bool,
    /// Whether the record names an owner.
    pub names_owner: bool,
}

/// What to do about a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing speaks against the owner.
    Wait,
    /// Reclaim it.
    Reclaim,
    /// There are reasons, none of which removes anything. Waits, and says so on timeout.
    Report,
}

/// A decision and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Every reason, the proof first, then the ages.
    pub reasons: Vec<Reason>,
    /// In how long, if nothing else changes, a limit passes that turns this into a reclaim.
    pub reclaimable_in: Option<Duration>,
}

impl Decision {
    /// Whether there is a reason to distrust an owner who is not proved dead: it is too old, or
    /// overdue, or does not say since when. A file that names no owner yet has none of these.
    #[must_use]
    pub fn distrusts_owner(&self) -> bool {
        let distrust = |reason: &Reason| {
            matches!(reason, Reason::TooOld | Reason::HoldExceeded | Reason::InvalidCreatedAt)
        };
        self.action == Action::Report
            && !self.reasons.contains(&Reason::MissingPid)
            && self.reasons.iter().any(distrust)
    }
}

/// Decides. Pure.
#[must_use]
pub fn decide(verdict: Verdict, ages: &Ages, policy: &Policy) -> Decision {
    let mut reasons = Vec::new();
    let mut action = Action::Wait;
    let mut reclaimable_in = None;
    let mut because = |reason, disposition| {
        match disposition {
            Disposition::Reclaim => action = Action::Reclaim,
            Disposition::Report if action == Action::Wait => action = Action::Report,
            Disposition::Report => {}
            Disposition::Ignore => return,
        }
        reasons.push(reason);
    };

    let alive = matches!(verdict, Verdict::Alive(_));
    if let Verdict::Dead(proof) = verdict {
        because(
            reason_of(proof),
            match proof {
                DeathProof::OrphanSelf => policy.orphan_self,
                DeathProof::OrphanSelfByAge => policy.orphan_self_by_age,
                _ => policy.proved_dead,
            },
        );
    } else if !ages.names_owner {
        let (age, grace) = match policy.dated_nameless_grace {
            Some(grace) if ages.created_at_valid => (ages.held, grace),
            _ => (ages.file, policy.nameless_grace),
        };
        // A held owner byte means that somebody alive is at work on the file.
        let expired = !alive && age.is_some_and(|age| age > grace);
        because(
            Reason::MissingPid,
            if expired { Disposition::Reclaim } else { Disposition::Report },
        );
        if !alive && !expired {
            reclaimable_in = age.map(|age| grace - age);
        }
    }
    if !ages.created_at_valid {
        because(Reason::InvalidCreatedAt, policy.invalid_created_at);
    }
    if ages.held.is_some_and(|held| held > policy.stale_after) {
        because(Reason::TooOld, policy.too_old);
    }
    if let (Some(held), Some(max)) = (ages.held, ages.max_hold)
        && ages.names_owner
        && policy.hold_exceeded != Disposition::Ignore
    {
        let held_here = verdict == Verdict::Alive(crate::verdict::Life::HeldHere);
        let may_evict = ages.held_is_trusted && ages.locks_exclude && !held_here;
        if held > max {
            because(
                Reason::HoldExceeded,
                if may_evict { policy.hold_exceeded } else { Disposition::Report },
            );
        } else if may_evict && policy.hold_exceeded == Disposition::Reclaim {
            reclaimable_in = Some(max - held);
        }
    }
    let reclaimable_in = (action != Action::Reclaim).then_some(reclaimable_in).flatten();
    Decision { action, reasons, reclaimable_in }
}

/// The origin's spelling of a proof.
fn reason_of(proof: DeathProof) -> Reason {
    match proof {
        DeathProof::LockReleased => Reason::LockReleased,
        DeathProof::Rebooted => Reason::BootIdMismatch,
        DeathProof::NoSuchProcess | DeathProof::Exited | DeathProof::Attested => Reason::DeadPid,
        DeathProof::PidReused => Reason::RecycledPid,
        DeathProof::OrphanSelf | DeathProof::OrphanSelfByAge => Reason::OrphanSelfPid,
    }
}

#[cfg(test)]
mod tests;
