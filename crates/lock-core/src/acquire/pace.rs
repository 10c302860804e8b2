//! How often a waiter looks.

use std::time::Duration;

use crate::lockfile::sys::Sys;

/// With events to rely on, polling is only a safety net.
pub(super) const POLL_WITH_EVENTS: Duration = Duration::from_secs(1);
/// Without: NFS, SMB and 9p never report another machine's changes; an owner that is only
/// known by its pid closes no file of ours when it dies.
pub(super) const POLL_ALONE: Duration = Duration::from_millis(100);
/// Spreads waiters out: between three quarters and five quarters of `time`.
pub(super) fn jittered(sys: &impl Sys, time: Duration) -> Duration {
    time.mul_f64(0.75 + (sys.random() % 1024) as f64 / 2048.0)
}
