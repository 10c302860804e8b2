//! The two clocks a lock is judged by, injectable for tests.
//!
//! The wall clock is only for people and for records of the origin, which carry nothing else.
//! Everything of ours ages on `CLOCK_MONOTONIC`, which neither a clock step nor a suspended
//! laptop moves.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Reads the clocks.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall-clock time.
    fn wall(&self) -> Timestamp;

    /// Time on a clock that every process of this boot shares, that no one can set, and that
    /// stands still while the machine is suspended (Linux `CLOCK_MONOTONIC`).
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // The clock counts up from boot: neither part is negative.
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        // Good enough for deadlines inside one process. Records written here carry no
        // monotonic time: the starting point is this process's own.
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}
