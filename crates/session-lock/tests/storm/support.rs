//! What every storm needs: a directory, randomness, scale, a quiet machine, a limit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use lock_core::lockfile::Stamp;
use lock_core::lockfile::sys::Sys;
use lock_core::lockfile::{Guard, Layout, LockFile};
use lock_core::policy::Policy;
use lock_core::record::Dialect;
use lock_core::{AcquireError, Acquisition, Clock, Request, SystemClock};

use crate::os;

/// `count` times `STORM_SCALE`.
pub(crate) fn scaled(count: u32) -> u32 {
    let scale =
        std::env::var("STORM_SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(os::STORM_SCALE);
    (f64::from(count) * f64::max(scale, 0.0)).ceil().max(f64::from(count.min(3))) as u32
}

/// Ends the whole program, and with it every actor, when something hangs.
pub(crate) fn give_up_after(limit: Duration) {
    let limit = limit * scaled(1) * os::PATIENCE.min(3);
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("storm: not finished after {limit:?}: something hangs");
        std::process::exit(101);
    });
}

static QUIET: RwLock<()> = RwLock::new(());

/// Keeps storms out while times are measured.
pub(crate) fn quiet() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits until nobody measures times.
pub(crate) fn stormy() -> RwLockReadGuard<'static, ()> {
    QUIET.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The clock that all actors share.
pub(crate) fn now() -> Duration {
    SystemClock.monotonic()
}

/// A directory for one storm, with a session file in it that is also the journal.
pub(crate) struct Arena {
    dir: tempfile::TempDir,
}

impl Arena {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("chat.jsonl"), "").expect("a session file");
        Self { dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        dunce::canonicalize(self.dir.path()).expect("it is there")
    }

    pub(crate) fn session(&self) -> PathBuf {
        self.path().join("chat.jsonl")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path().join("chat.jsonl.lock")
    }

    /// The names in it beside the session file.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut names = os::names(&self.path());
        names.retain(|name| name != "chat.jsonl");
        names
    }
}

/// What a contender over the protocol itself asks for.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) layout: Layout,
    pub(crate) timeout: Duration,
    pub(crate) max_hold: Duration,
}

impl Terms {
    fn policy(&self) -> Policy {
        const HALF_AN_HOUR: Duration = Duration::from_secs(1800);
        match self.layout {
            Layout::File => session_lock::acquire_policy(Some(self.timeout), HALF_AN_HOUR),
            // No age expiry, a grace of 30 s for what names no owner.
            Layout::Directory => session_lock::sweep_policy(HALF_AN_HOUR),
        }
    }

    fn dialect(&self) -> Dialect {
        match self.layout {
            Layout::File => Dialect::Session { max_hold: self.max_hold },
            Layout::Directory => Dialect::RuntimeDeps,
        }
    }
}

/// The lock at `path` over any system.
pub(crate) fn lock_over<S: Sys>(sys: S, path: &Path, layout: Layout) -> LockFile<S> {
    let identity = lock_core::native_identity!();
    LockFile::over(sys, path.to_owned(), layout, identity, Arc::new(SystemClock))
}

/// Acquires it as a domain crate does.
pub(crate) fn acquire<S: Sys>(lock: &LockFile<S>, terms: Terms) -> Result<Guard<S>, AcquireError> {
    let stamp = Stamp { dialect: terms.dialect(), label: None, inheritable: false };
    let request = Request {
        stamp,
        policy: terms.policy(),
        timeout: Some(terms.timeout),
        reentrant: false,
        fail_when_stale: false,
    };
    Acquisition::new(lock.clone(), request).block(|_, _, _| {})
}

/// A small generator; its seed is printed by whoever makes one.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = now().as_nanos() as u64 ^ (u64::from(std::process::id()) << 32);
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// "p50 1 ms, p99 2 ms, max 3 ms of 100".
pub(crate) fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let Some(max) = times.last() else { return "none".to_owned() };
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("p50 {:?}, p99 {:?}, max {max:?} of {}", at(50), at(99), times.len())
}
