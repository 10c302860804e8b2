//! A scripted world: an identity that answers what a test says, a clock that stands still, and
//! an install root with a lock directory in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lock_core::filesystem::FsClass;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerIdentity, OwnerKind, PidNamespace, Process, StartTime,
    TimeOffset,
};
use lock_core::policy::{Action, Decision};
use lock_core::record::{Dialect, LockRecord};
use lock_core::{Assessment, Clock};
use runtime_deps_lock::{DepsLock, DepsOptions};

pub(crate) const ME: u32 = 500;
pub(crate) const OWNER: u32 = 777;
pub(crate) const BOOT: &str = "0a1b2c3d-0000-4000-8000-000000000001";

pub(crate) fn ticks(ticks: u64) -> Option<StartTime> {
    Some(StartTime::Ticks { ticks, per_second: 100 })
}

/// A process of this boot and namespace, without a unique id.
pub(crate) fn process(pid: u32, start: Option<StartTime>) -> OwnerId {
    OwnerId {
        start,
        boot: BootId::Kernel(BOOT.to_owned()),
        namespace: Some(PidNamespace { inode: 4_026_531_836, id: None }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::Linux, pid)
    }
}

/// What is seen under the owner's pid.
pub(crate) fn seen(process: Process, start: Option<StartTime>) -> Observed {
    let mut seen = Observed::nothing("scripted");
    (seen.process, seen.start, seen.time_offset) = (process, start, Some(TimeOffset::default()));
    seen
}

#[derive(Debug)]
struct Scripted {
    here: OwnerId,
    seen: Observed,
}

impl OwnerIdentity for Scripted {
    fn this_process(&self) -> OwnerId {
        self.here.clone()
    }

    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        self.seen.clone()
    }
}

#[derive(Debug)]
struct Frozen(Timestamp, Duration);

impl Clock for Frozen {
    fn wall(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        self.1
    }
}

/// The test's world. Nothing is in the root yet.
pub(crate) struct World {
    root: tempfile::TempDir,
    now: Timestamp,
    monotonic: Duration,
    here: OwnerId,
    seen: Observed,
}

impl World {
    /// `now` in milliseconds since the epoch.
    pub(crate) fn at(now: i64) -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            now: Timestamp::from_millisecond(now).unwrap(),
            monotonic: Duration::from_secs(3600),
            here: process(ME, ticks(5000)),
            seen: seen(Process::Unknown, None),
        }
    }

    pub(crate) fn at_the_end_of_time() -> Self {
        Self { now: Timestamp::MAX, monotonic: Duration::MAX, ..Self::at(0) }
    }

    pub(crate) fn seeing(self, seen: Observed) -> Self {
        Self { seen, ..self }
    }

    pub(crate) fn here(self, here: OwnerId) -> Self {
        Self { here, ..self }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        dunce::canonicalize(self.root.path()).unwrap().join(runtime_deps_lock::DEFAULT_LOCK_NAME)
    }

    pub(crate) fn owner_file(&self) -> PathBuf {
        self.dir().join("owner.json")
    }

    /// The lock directory, with a record of the origin in it if there is one. Such a record is
    /// taken for one of this system, so this process must be, too.
    pub(crate) fn with_record(mut self, record: Option<&str>) -> Self {
        self.here.kind = OwnerKind::from_name(std::env::consts::OS);
        std::fs::create_dir(self.dir()).unwrap();
        if let Some(record) = record {
            std::fs::write(self.owner_file(), record).unwrap();
        }
        self
    }

    /// The same with a record of ours.
    pub(crate) fn with_ours(self, owner: OwnerId, change: impl FnOnce(&mut LockRecord)) -> Self {
        let mut record = LockRecord::new(owner, "0-0".to_owned());
        record.created_at = Some(Timestamp::from_millisecond(0).unwrap());
        record.monotonic = Some(Duration::from_secs(1));
        change(&mut record);
        let record = String::from_utf8(record.to_bytes(Dialect::RuntimeDeps)).unwrap();
        let kind = self.here.kind.clone();
        let world = self.with_record(Some(&record));
        Self { here: OwnerId { kind, ..world.here.clone() }, ..world }
    }

    /// Sets the times of the directory and, if given, of the record.
    pub(crate) fn modified(self, dir: i64, record: Option<i64>) -> Self {
        let set = |path: PathBuf, ms: i64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
            crate::os::set_modified(&path, time);
        };
        if let Some(ms) = record {
            set(self.owner_file(), ms);
        }
        set(self.dir(), dir);
        self
    }

    fn options(&self) -> DepsOptions {
        let identity = Scripted { here: self.here.clone(), seen: self.seen.clone() };
        DepsOptions::default()
            .identity(Arc::new(identity))
            .clock(Arc::new(Frozen(self.now, self.monotonic)))
            .timeout(Duration::ZERO)
    }

    pub(crate) fn lock(&self) -> DepsLock {
        DepsLock::new(self.root.path(), self.options()).unwrap()
    }

    pub(crate) fn look(&self) -> (Assessment, Decision) {
        self.lock().inspect().found.expect("there is a lock")
    }

    /// Whether the file system under test is one where another boot id proves a reboot.
    pub(crate) fn is_local(&self) -> bool {
        self.look().0.filesystem.class == FsClass::Local
    }

    /// The decision and its reasons, after checking that an acquisition acts on it: it has the
    /// lock at once, or the lock in the way is untouched.
    pub(crate) fn decide(&self) -> (Action, Vec<&'static str>) {
        let (_, decision) = self.look();
        let before = std::fs::read(self.owner_file()).ok();
        match self.lock().acquire() {
            Ok(guard) => {
                assert_eq!(decision.action, Action::Reclaim, "{:?}", decision.reasons);
                assert!(guard.is_held());
            }
            Err(error) => {
                assert_ne!(decision.action, Action::Reclaim, "{error}");
                assert!(self.dir().is_dir());
                assert_eq!(std::fs::read(self.owner_file()).ok(), before);
            }
        }
        (decision.action, decision.reasons.iter().map(|reason| reason.as_str()).collect())
    }
}
