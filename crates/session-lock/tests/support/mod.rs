//! A directory of locks, a clock that stands still, and an identity that says what a test wants.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod alone;
#[cfg(unix)]
pub(crate) mod nodes;
#[path = "../../../lock-core/tests/os/mod.rs"]
pub(crate) mod os;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use lock_core::filesystem::FsClass;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerKind, PidNamespace, Process, StartTime, TimeOffset,
};
use lock_core::policy::{Action, Reason};
use lock_core::{Clock, OwnerIdentity};
use session_lock::{SessionGuard, SessionLock, SessionLockError, SessionOptions};
use tempfile::TempDir;

/// This process's pid and start time, as the scripted identity tells them.
pub(crate) const OWN: u32 = 100;
pub(crate) const OWN_START: u64 = 1_000;
/// Another process, and its start time.
pub(crate) const OTHER: u32 = 7;
pub(crate) const OTHER_START: u64 = 55;
/// How long both have been running.
pub(crate) const PROCESS_AGE: Duration = Duration::from_secs(60);

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const BOOT: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const EARLIER_BOOT: &str = "22222222-2222-4222-8222-222222222222";

/// An owner of this boot and namespace, of whom everything is known.
pub(crate) fn owner(pid: u32, ticks: u64) -> OwnerId {
    OwnerId {
        start: Some(StartTime::Ticks { ticks, per_second: 100 }),
        boot: BootId::Kernel(BOOT.to_owned()),
        namespace: Some(PidNamespace { inode: 1, id: None }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::Linux, pid)
    }
}

/// Sees the processes it was told of, and no others.
#[derive(Debug)]
pub(crate) struct Scripted {
    processes: BTreeMap<u32, u64>,
    kind: OwnerKind,
}

impl OwnerIdentity for Scripted {
    fn this_process(&self) -> OwnerId {
        OwnerId { kind: self.kind.clone(), ..owner(OWN, OWN_START) }
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        let mut seen = Observed::nothing("scripted");
        match self.processes.get(&recorded.pid) {
            Some(&ticks) => {
                seen.process = Process::Running;
                seen.start = owner(recorded.pid, ticks).start;
                seen.time_offset = Some(TimeOffset::default());
                seen.age = Some(PROCESS_AGE);
            }
            None => seen.process = Process::Gone,
        }
        seen
    }
}

/// A clock that only a test moves.
#[derive(Debug)]
pub(crate) struct FakeClock(Mutex<(Timestamp, Duration)>);

impl FakeClock {
    pub(crate) fn move_wall(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap();
        now.0 += by;
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.lock().unwrap().1 += by;
    }
}

impl Clock for FakeClock {
    fn wall(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// A directory of session files, and everything that judges their locks.
pub(crate) struct Bench {
    dir: TempDir,
    pub(crate) clock: Arc<FakeClock>,
    identity: Arc<Scripted>,
}

impl Bench {
    /// On which the process [`OTHER`] runs.
    pub(crate) fn new() -> Self {
        Self::of(OwnerKind::Linux)
    }

    /// The same for records of the origin, which are taken for ones of this very system.
    pub(crate) fn native() -> Self {
        Self::of(OwnerKind::from_name(std::env::consts::OS))
    }

    fn of(kind: OwnerKind) -> Self {
        let processes = BTreeMap::from([(OWN, OWN_START), (OTHER, OTHER_START)]);
        let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
        Self {
            // Beside the build: more often a disk than the system's directory for such files.
            dir: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            clock: Arc::new(FakeClock(Mutex::new((now, Duration::from_secs(10_000))))),
            identity: Arc::new(Scripted { processes, kind }),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    /// The wall-clock time so long ago, as a record spells it.
    pub(crate) fn ago(&self, age: Duration) -> String {
        format!("{:.3}", self.now() - age)
    }

    /// Options that try once.
    pub(crate) fn options(&self) -> SessionOptions {
        SessionOptions::default()
            .timeout(Duration::ZERO)
            .identity(self.identity.clone())
            .clock(self.clock.clone())
    }

    pub(crate) fn lock(&self) -> SessionLock {
        self.lock_with(self.options())
    }

    pub(crate) fn lock_with(&self, options: SessionOptions) -> SessionLock {
        SessionLock::new(self.dir().join("chat.jsonl"), options).unwrap()
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        dunce::canonicalize(self.dir()).unwrap().join("chat.jsonl.lock")
    }

    /// Writes a lock file by hand, changed so long ago.
    pub(crate) fn plant(&self, name: &str, content: &str, age: Duration) -> PathBuf {
        let path = dunce::canonicalize(self.dir()).unwrap().join(name);
        fs::write(&path, content).unwrap();
        self.age(&path, age);
        path
    }

    /// The same, as the lock of [`lock`](Self::lock).
    pub(crate) fn plant_lock(&self, content: &str, age: Duration) -> PathBuf {
        self.plant("chat.jsonl.lock", content, age)
    }

    pub(crate) fn age(&self, path: &Path, age: Duration) {
        os::set_modified(path, SystemTime::from(self.now()) - age);
    }

    /// What an acquirer with these options makes of the lock.
    pub(crate) fn decide(&self, options: SessionOptions) -> (Action, Vec<Reason>) {
        let found = self.lock_with(options).inspect().found;
        let (_, decision) = found.expect("there is a readable lock");
        (decision.action, decision.reasons)
    }

    /// Whether another boot id means an earlier boot in this directory.
    pub(crate) fn is_on_a_disk(&self) -> bool {
        self.class() == FsClass::Local
    }

    /// Whether other kernels may be using this directory.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.class(), FsClass::Local | FsClass::Volatile)
    }

    fn class(&self) -> FsClass {
        let probe = self.plant("probe.lock", "{}", Duration::ZERO);
        let lock = SessionLock::new(probe.with_extension(""), self.options()).unwrap();
        let class = lock.inspect().found.unwrap().0.filesystem.class;
        remove(&probe);
        class
    }
}

/// Takes the lock of a stale record; the record must be gone for it.
pub(crate) fn must_reclaim(lock: &SessionLock) -> SessionGuard {
    let before = fs::read(lock.path()).unwrap();
    let guard = lock.acquire().unwrap_or_else(|e| panic!("not reclaimed: {e}"));
    assert_ne!(fs::read(lock.path()).unwrap(), before);
    assert!(guard.is_held());
    guard
}

/// Does not get the lock, and leaves it as it was.
pub(crate) fn must_respect(lock: &SessionLock) -> SessionLockError {
    let before = fs::read(lock.path()).unwrap();
    let error = lock.acquire().expect_err("somebody else's lock");
    assert_eq!(fs::read(lock.path()).unwrap(), before);
    error
}

/// The first line of an error's text.
pub(crate) fn first_line(error: &SessionLockError) -> String {
    error.to_string().lines().next().unwrap().to_owned()
}

/// What a user does by hand, or a program that knows no better.
pub(crate) use os::remove;
