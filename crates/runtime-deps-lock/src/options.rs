//! Options and their defaults.

use std::sync::Arc;
use std::time::Duration;

use lock_core::{Clock, OwnerIdentity, SystemClock};

/// The lock directory's name in the install root.
pub const DEFAULT_LOCK_NAME: &str = ".openclaw-runtime-deps.lock";
/// How long to wait for another installer.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What an acquisition asks for.
#[derive(Clone, Debug)]
#[must_use]
pub struct DepsOptions {
    pub(crate) lock_name: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) label: Option<String>,
    pub(crate) inheritable: bool,
    pub(crate) single_host: bool,
    pub(crate) identity: Arc<dyn OwnerIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Default for DepsOptions {
    fn default() -> Self {
        Self {
            lock_name: DEFAULT_LOCK_NAME.to_owned(),
            timeout: Some(DEFAULT_TIMEOUT),
            label: None,
            inheritable: false,
            single_host: false,
            identity: lock_core::native_identity!(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl DepsOptions {
    /// Uses another lock directory, such as `.openclaw-runtime-mirror.lock`. A plain name.
    pub fn lock_name(self, lock_name: impl Into<String>) -> Self {
        Self { lock_name: lock_name.into(), ..self }
    }

    /// Waits at most `timeout`; zero tries once, and may still reclaim a dead owner's lock.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Waits for ever.
    pub fn wait_forever(self) -> Self {
        Self { timeout: None, ..self }
    }

    /// What others read about this acquisition.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Lets child processes started while the lock is held inherit it: it stays held until
    /// the last of them is gone, even if this process is killed. On Unix: Windows lets no child
    /// inherit a byte lock, and a job that ends with this process takes its place there.
    ///
    /// How far the lock travels is up to the programs. Measured with npm 11 on node 20: npm, the
    /// shell of an install script and the node process in it all have the descriptor, which is
    /// numbered from 200 up (node passes on none below 16, so under a `RLIMIT_NOFILE` of 200 or
    /// less only npm itself has it). Python's `subprocess` passes it on with `close_fds=False`.
    pub fn inheritable(self, inheritable: bool) -> Self {
        Self { inheritable, ..self }
    }

    /// Declares that only one machine uses the root, so that another boot id means a reboot on
    /// every file system. Off by default.
    pub fn single_host(self, single_host: bool) -> Self {
        Self { single_host, ..self }
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
