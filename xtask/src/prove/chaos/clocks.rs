//! Clocks: the wall clock that jumps under the lock, and the one that all processes share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_core::{Clock, SystemClock};

/// The system's clocks, with a wall clock that somebody keeps setting.
#[derive(Debug, Default)]
pub(in crate::prove) struct Jumping(AtomicI64);

impl Jumping {
    /// Sets the wall clock to a time this far from the truth.
    pub(in crate::prove) fn jump(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for Jumping {
    fn wall(&self) -> Timestamp {
        SystemClock.wall() + SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

/// The monotonic clock outside of all time namespaces, for one that is this far ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) ahead: Duration,
}

impl Shared {
    pub(super) fn now(self) -> Duration {
        self.of(SystemClock.monotonic())
    }

    pub(super) fn of(self, here: Duration) -> Duration {
        here.saturating_sub(self.ahead)
    }
}
