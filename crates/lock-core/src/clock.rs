//! The two clocks a lock is judged by, injectable for tests.
//!
//! The wall clock is only for people and for records of the origin, which carry nothing else.
//! Everything of ours ages on a clock that neither a clock step nor a suspended laptop moves,
//! and that all processes of one boot share:
//!
//! | system | clock | manual |
//! |---|---|---|
//! | Linux | `CLOCK_MONOTONIC` | `clock_gettime(2)` |
//! | macOS | `CLOCK_UPTIME_RAW`, which is `mach_absolute_time`; its `CLOCK_MONOTONIC` goes on in sleep | `clock_gettime(3)` |
//! | FreeBSD | `CLOCK_UPTIME`; its `CLOCK_MONOTONIC` is the same today, and the one of the two that is meant to count suspended time one day | `clock_gettime(2)` |
//! | Windows | unbiased interrupt time | `QueryUnbiasedInterruptTime` |

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Reads the clocks.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Wall-clock time.
    fn wall(&self) -> Timestamp;

    /// Time on a clock that every process of this boot shares, that no one can set, and that
    /// stands still while the machine is suspended.
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

    #[cfg(target_os = "macos")]
    fn monotonic(&self) -> Duration {
        sys::uptime()
    }

    #[cfg(target_os = "freebsd")]
    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Uptime);
        // As above.
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
    }

    #[cfg(windows)]
    fn monotonic(&self) -> Duration {
        let ticks = sys::unbiased_interrupt_time();
        Duration::from_secs(ticks / 10_000_000) + Duration::from_nanos(ticks % 10_000_000 * 100)
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd", windows)))]
    fn monotonic(&self) -> Duration {
        // Good enough for deadlines inside one process. Records written here carry no
        // monotonic time: the starting point is this process's own.
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

#[cfg(target_os = "macos")]
mod sys {
    #![allow(unsafe_code, reason = "rustix does not have this clock")]

    use std::time::Duration;

    pub(super) fn uptime() -> Duration {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` outlives the call. The clock is there since macOS 10.12: it cannot fail.
        unsafe { libc::clock_gettime(libc::CLOCK_UPTIME_RAW, &raw mut now) };
        // The clock counts up from boot: neither part is negative.
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.try_into().unwrap_or(0))
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
