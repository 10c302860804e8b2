//! What is put to the test: the domains' own interfaces, and the protocol over systems that are
//! slow, cannot do everything, or take no binding byte.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lock_core::lockfile::sys::{At, Byte, Native, Sys};
use lock_core::lockfile::{Appender, Layout, Stamp};
use lock_core::policy::Policy;
use lock_core::record::Dialect;
use lock_core::{AcquireError, Acquisition, Guard, LockFile, Request};
use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsLockError, DepsOptions};
use session_lock::{DEFAULT_STALE_AFTER, SessionLock, SessionLockError, SessionOptions};

use super::clocks::Jumping;
use crate::prove::altered::{Altered, File};

/// The two locks of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Session,
    Deps,
}

impl Which {
    pub(super) const ALL: [Self; 2] = [Self::Session, Self::Deps];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Deps => "deps",
        }
    }

    /// The file that it protects.
    pub(super) fn protected(self, dir: &Path) -> PathBuf {
        dir.join(match self {
            Self::Session => "chat.jsonl",
            Self::Deps => "installed.log",
        })
    }

    pub(super) fn appender(self, dir: &Path) -> Appender {
        Appender::new(self.protected(dir))
    }
}

/// What one acquisition asks for.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) timeout: Duration,
    pub(super) max_hold: Duration,
    pub(super) clock: Arc<Jumping>,
}

/// Why a lock was not had.
pub(super) enum Failure {
    Timeout,
    Other(String),
}

/// Something that gives out the locks of a directory.
pub(super) trait Product {
    type System: Sys;

    fn acquire(
        &self,
        dir: &Path,
        which: Which,
        terms: Terms,
    ) -> Result<Guard<Self::System>, Failure>;
}

/// What the users of the crates call.
pub(super) struct Domains;

impl Product for Domains {
    type System = Native;

    fn acquire(&self, dir: &Path, which: Which, terms: Terms) -> Result<Guard, Failure> {
        let other = |e: &dyn std::error::Error| Failure::Other(e.to_string());
        let Terms { timeout, max_hold, clock } = terms;
        match which {
            Which::Session => {
                let options = SessionOptions::default().timeout(timeout).max_hold(max_hold);
                let lock = SessionLock::new(which.protected(dir), options.clock(clock));
                match lock.and_then(|lock| lock.acquire()) {
                    Ok(guard) => Ok(guard.into()),
                    // Of two clocks that do not compare, the wall clock tells an age, and evicts nobody.
                    Err(SessionLockError::Timeout(_) | SessionLockError::Stale(_)) => {
                        Err(Failure::Timeout)
                    }
                    Err(e) => Err(other(&e)),
                }
            }
            Which::Deps => {
                let options = DepsOptions::default().timeout(timeout).clock(clock);
                match DepsLock::new(dir, options).and_then(|lock| lock.acquire()) {
                    Err(DepsLockError::Timeout(_)) => Err(Failure::Timeout),
                    acquired => acquired.map_err(|e| other(&e)),
                }
            }
        }
    }
}

/// The protocol itself, over an altered system, with the domains' policies.
pub(super) struct Protocol(pub(super) Altered);

impl Product for Protocol {
    type System = Altered;

    fn acquire(&self, dir: &Path, which: Which, terms: Terms) -> Result<Guard<Altered>, Failure> {
        let Terms { timeout, max_hold, clock } = terms;
        let (path, layout, dialect, policy): (_, _, _, Policy) = match which {
            Which::Session => (
                dir.join("chat.jsonl.lock"),
                Layout::File,
                Dialect::Session { max_hold },
                session_lock::acquire_policy(Some(timeout), DEFAULT_STALE_AFTER),
            ),
            Which::Deps => (
                dir.join(DEFAULT_LOCK_NAME),
                Layout::Directory,
                Dialect::RuntimeDeps,
                runtime_deps_lock::POLICY,
            ),
        };
        let request = Request {
            stamp: Stamp { dialect, label: None, inheritable: false },
            policy,
            timeout: Some(timeout),
            reentrant: false,
            fail_when_stale: false,
        };
        let lock = LockFile::over(self.0, path, layout, lock_core::native_identity!(), clock);
        Acquisition::new(lock, request).block(|_, _, _| {}).map_err(|e| match e {
            AcquireError::Contended(_) => Failure::Timeout,
            AcquireError::Lock(e) => Failure::Other(e.to_string()),
        })
    }
}

/// Takes its time around what counts.
pub(super) const SLOW: Altered =
    Altered { lock: slow_lock, remove: slow_remove, ..Altered::NATIVE };
/// Takes its time, and no binding byte.
pub(super) const SLOW_MUTANT: Altered = Altered { lock: slow_mutant_lock, ..SLOW };

fn nap() {
    let micros = fastrand::u64(..4000);
    // Mostly none at all.
    if micros < 1500 {
        std::thread::sleep(Duration::from_micros(micros));
    }
}

fn slow_lock(file: &File, byte: Byte) -> io::Result<bool> {
    nap();
    let taken = Native.try_lock(file, byte);
    nap();
    taken
}

fn slow_mutant_lock(file: &File, byte: Byte) -> io::Result<bool> {
    nap();
    (Altered::MUTANT.lock)(file, byte)
}

fn slow_remove(at: At<'_, Native>, file: &File) -> io::Result<()> {
    nap();
    let removed = Native.remove(at, file);
    nap();
    removed
}
