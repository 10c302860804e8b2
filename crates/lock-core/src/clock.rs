//! The two clocks a lock is judged by, injectable for tests.
//!
//! The wall clock is only for people and for records of the origin, which carry nothing else.
//! Everything of ours ages on `CLOCK_MONOTONIC`, or on Windows' unbiased interrupt time, which
//! neither a clock step nor a suspended laptop moves.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Reads the clocks.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall-clock time.
    fn wall(&self) -> Timestamp;

    /// Time on a clock that every process of this boot shares, that no one can set, and that
    /// stands still while the machine is suspended (Linux `CLOCK_MONOTONIC`, Windows
    /// `QueryUnbiasedInterruptTime`).
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

    #[cfg(windows)]
    fn monotonic(&self) -> Duration {
        let ticks = sys::unbiased_interrupt_time();
        Duration::from_secs(ticks / 10_000_000) + Duration::from_nanos(ticks % 10_000_000 * 100)
    }

    #[cfg(not(any(target_os = "linux", windows)))]
    fn monotonic(&self) -> Duration {
        // Good enough for deadlines inside one process. Records written here carry no
        // monotonic time: the starting point is this process's own.
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(windows)]
mod sys {
    #![allow(unsafe_code, reason = "the clock is a call of the Windows API")]

    use windows_sys::Win32::System::WindowsProgramming::QueryUnbiasedInterruptTime;

    /// 100 ns since boot, without the time that the machine was suspended. Moves on with the
    /// system's timer, every 16 ms at worst: nothing here needs it finer, and Wine has no finer.
    pub(super) fn unbiased_interrupt_time() -> u64 {
        let mut ticks = 0;
        // SAFETY: a valid place for the answer.
        unsafe { QueryUnbiasedInterruptTime(&raw mut ticks) };
        ticks
    }
}
