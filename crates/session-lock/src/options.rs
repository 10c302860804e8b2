//! Options, their defaults, and the environment variables that set those.

use std::sync::Arc;
use std::time::Duration;

use lock_core::{Clock, OwnerIdentity, SystemClock};

/// How long to wait for a lock.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// From which age on a lock is reported as too old.
pub const DEFAULT_STALE_AFTER: Duration = Duration::from_secs(30 * 60);
/// How long a holder promises to hold at most.
pub const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(5 * 60);
/// What [`max_hold_from_timeout`] adds to a timeout.
pub const TIMEOUT_GRACE: Duration = Duration::from_secs(2 * 60);
/// No promise is longer than this: what the origin's timers can count.
pub const MAX_HOLD_CAP: Duration = Duration::from_millis(2_147_000_000);

const TIMEOUT_VAR: &str = "OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS";
const STALE_VAR: &str = "OPENCLAW_SESSION_WRITE_LOCK_STALE_MS";
const MAX_HOLD_VAR: &str = "OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS";

/// What an acquisition asks for. [`Default`] takes the environment variables
/// `OPENCLAW_SESSION_WRITE_LOCK_{ACQUIRE_TIMEOUT_MS,STALE_MS,MAX_HOLD_MS}` into account;
/// whatever is set explicitly wins over them.
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) stale_after: Duration,
    pub(crate) max_hold: Duration,
    pub(crate) label: Option<String>,
    pub(crate) reentrant: bool,
    pub(crate) inheritable: bool,
    pub(crate) single_host: bool,
    pub(crate) fail_when_stale: bool,
    pub(crate) identity: Arc<dyn OwnerIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::from_env(|name| std::env::var(name).ok())
    }
}

impl SessionOptions {
    fn from_env(var: impl Fn(&str) -> Option<String>) -> Self {
        let duration = |name, default| var(name).and_then(|v| millis(&v)).unwrap_or(default);
        let timeout = match var(TIMEOUT_VAR).as_deref() {
            Some("Infinity") => None,
            _ => Some(duration(TIMEOUT_VAR, DEFAULT_TIMEOUT)),
        };
        Self {
            timeout,
            stale_after: duration(STALE_VAR, DEFAULT_STALE_AFTER),
            max_hold: duration(MAX_HOLD_VAR, DEFAULT_MAX_HOLD).min(MAX_HOLD_CAP),
            label: None,
            reentrant: false,
            inheritable: false,
            single_host: false,
            fail_when_stale: false,
            identity: lock_core::native_identity!(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Waits at most `timeout`; zero tries once, and may still reclaim a stale lock.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Waits for ever.
    pub fn wait_forever(self) -> Self {
        Self { timeout: None, ..self }
    }

    /// Reports a lock that is older than this. Never removes it for that.
    pub fn stale_after(self, stale_after: Duration) -> Self {
        Self { stale_after, ..self }
    }

    /// Promises to hold the lock no longer than this (1 ms to [`MAX_HOLD_CAP`]). Past it a
    /// contender may take over; see [`max_hold_from_timeout`] for a value that fits a task.
    pub fn max_hold(self, max_hold: Duration) -> Self {
        let max_hold = max_hold.clamp(Duration::from_millis(1), MAX_HOLD_CAP);
        Self { max_hold, ..self }
    }

    /// The origin's three options, in its milliseconds: what is zero, negative or not finite
    /// leaves the default, except that an infinite timeout waits for ever.
    pub fn millis(self, timeout: Option<f64>, stale: Option<f64>, max_hold: Option<f64>) -> Self {
        let positive = |ms: Option<f64>| {
            ms.filter(|ms| ms.is_finite() && *ms > 0.0)
                .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok())
        };
        let mut this = self;
        if timeout == Some(f64::INFINITY) {
            this.timeout = None;
        } else if let Some(timeout) = positive(timeout) {
            this.timeout = Some(timeout);
        }
        if let Some(stale) = positive(stale) {
            this.stale_after = stale;
        }
        match positive(max_hold) {
            Some(max_hold) => this.max_hold(max_hold),
            None => this,
        }
    }

    /// What others read about this acquisition.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Lets this process take a lock again that it holds already, as a counted handle. Off by
    /// default: two parts of a program that do not know of each other would both write. Of the
    /// promises of several handles the one that ends last counts, and it stays when its handle
    /// is gone.
    pub fn reentrant(self, reentrant: bool) -> Self {
        Self { reentrant, ..self }
    }

    /// Lets child processes started while the lock is held inherit it: it stays held until
    /// the last of them is gone, even if this process is killed. On Unix: Windows lets no child
    /// inherit a byte lock, and a job that ends with this process takes its place there.
    pub fn inheritable(self, inheritable: bool) -> Self {
        Self { inheritable, ..self }
    }

    /// Declares that only one machine uses the directory, so that another boot id means a
    /// reboot on every file system (Docker Desktop's bind mounts). Off by default.
    pub fn single_host(self, single_host: bool) -> Self {
        Self { single_host, ..self }
    }

    /// Fails at once, not after the timeout, when the lock is held past `stale_after`, as the
    /// origin does. Off by default: the holder may still let go.
    pub fn fail_when_stale(self, fail_when_stale: bool) -> Self {
        Self { fail_when_stale, ..self }
    }

    /// Identifies owners by another strategy than this machine's.
    pub fn identity(self, identity: Arc<dyn OwnerIdentity>) -> Self {
        Self { identity, ..self }
    }

    /// Reads other clocks than the system's, for tests.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }
}

/// A promise that fits a task which may run for `timeout`: the timeout and a grace (2 min), at
/// least `min` (5 min), at most [`MAX_HOLD_CAP`]. `None` is a task without a timeout; a timeout
/// of zero, which is none of the origin's, counts as one of `min`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use session_lock::{DEFAULT_MAX_HOLD, TIMEOUT_GRACE, max_hold_from_timeout};
///
/// let ten_minutes = Some(Duration::from_secs(600));
/// let max_hold = max_hold_from_timeout(ten_minutes, TIMEOUT_GRACE, DEFAULT_MAX_HOLD);
/// assert_eq!(max_hold, Duration::from_secs(720));
/// ```
#[must_use]
pub fn max_hold_from_timeout(
    timeout: Option<Duration>,
    grace: Duration,
    min: Duration,
) -> Duration {
    let timeout = match timeout {
        None => return MAX_HOLD_CAP,
        Some(Duration::ZERO) => min,
        Some(timeout) => timeout,
    };
    timeout.saturating_add(grace).max(min).min(MAX_HOLD_CAP)
}

/// Positive decimal digits up to 2^53 − 1, and nothing else.
fn millis(text: &str) -> Option<Duration> {
    const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value: u64 = digits.then(|| text.parse().ok())??;
    (1..=MAX_SAFE_INTEGER).contains(&value).then(|| Duration::from_millis(value))
}

#[cfg(test)]
mod tests;
