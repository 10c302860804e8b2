//! Acquiring: the loop of attempt, look, decide, reclaim and wait, as steps.
//!
//! A [`Acquisition`] is driven by whoever has a thread to wait with ([`Acquisition::block`]) or
//! a runtime to wait in (the async side of a domain crate). One step never waits for long:
//! what may take time is told to the driver as a [`Pause`].

mod obstacle;
mod pace;
mod steps;

use std::time::Duration;

pub use steps::Acquisition;

use crate::assess::Assessment;
use crate::error::LockError;
use crate::lockfile::sys::Sys;
use crate::lockfile::{Guard, Stamp};
use crate::policy::{Decision, Policy};
use crate::wait::Watch;

/// What an acquirer wants.
#[derive(Clone, Debug)]
pub struct Request {
    /// What goes into the record.
    pub stamp: Stamp,
    /// When a lock in the way may be removed.
    pub policy: Policy,
    /// How long to try; `None`: for ever. Zero tries once, and may still reclaim.
    pub timeout: Option<Duration>,
    /// A lock that this process holds already is taken once more, as a counted handle.
    pub reentrant: bool,
    /// Fail at once, not at the deadline, when there are reasons that only are reported.
    pub fail_when_stale: bool,
}

/// Why the lock was not had.
#[derive(Debug)]
pub enum AcquireError {
    /// Somebody else has it.
    Contended(Box<Contention>),
    /// The protocol could not go on.
    Lock(LockError),
}

impl From<LockError> for AcquireError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

/// What stood in the way, for an error that tells its story.
#[derive(Clone, Debug)]
pub struct Contention {
    /// What was asked for.
    pub timeout: Option<Duration>,
    /// How long was actually waited, on the monotonic clock.
    pub waited: Duration,
    /// The lock in the way.
    pub assessment: Assessment,
    /// What the policy makes of it.
    pub decision: Decision,
    /// What kept a reclaim from happening.
    pub obstacle: Option<String>,
}

/// The outcome of one step.
#[derive(Debug)]
pub enum Step<S: Sys> {
    /// The lock is ours.
    Acquired(Guard<S>),
    /// Wait, then take the next step.
    Wait(Pause),
}

/// How long to wait for what.
#[derive(Debug)]
pub struct Pause {
    watch: Option<Watch>,
    /// Take the next step after this time at the latest.
    pub at_most: Duration,
}

impl Pause {
    /// Sleeps. `true`: an event ended it.
    pub fn block(&self, sys: &impl Sys) -> bool {
        match &self.watch {
            Some(watch) => watch.wait(self.at_most),
            None => {
                sys.sleep(self.at_most);
                false
            }
        }
    }

    /// A future that is ready when an event happens; pair it with a timer of
    /// [`at_most`](Self::at_most). Cancel-safe.
    pub async fn changed(&self) {
        match &self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }
}
