//! A contender that sees what it is told to see, and the locks that others leave.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerKind, PidNamespace, Process, TimeOffset,
};
use lock_core::lockfile::{Attempt, Guard, Layout, LockFile, Stamp};
use lock_core::policy::{Disposition, Policy};
use lock_core::record::{Dialect, KernelLockClaim, LockRecord};
use lock_core::{Clock, OwnerIdentity, SystemClock};

use crate::sys::Pretended;

pub(crate) const MAX_HOLD: Duration = Duration::from_secs(300);
pub(crate) const DIALECT: Dialect = Dialect::Session { max_hold: MAX_HOLD };

/// A process in the first namespace of the boot "now", that sees what it is told to see.
#[derive(Debug)]
pub(crate) struct Scripted(pub(crate) Observed);

pub(crate) fn owner(pid: u32) -> OwnerId {
    OwnerId {
        boot: BootId::Kernel("now".into()),
        namespace: Some(PidNamespace { inode: 1, id: Some(1) }),
        time_offset: Some(TimeOffset::default()),
        unique: Some(100 + u64::from(pid)),
        ..OwnerId::bare(OwnerKind::Linux, pid)
    }
}

impl OwnerIdentity for Scripted {
    fn this_process(&self) -> OwnerId {
        owner(7)
    }
    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        self.0.clone()
    }
}

/// The system's clocks on a machine that was booted a day earlier, so that there is a past.
#[derive(Debug)]
pub(crate) struct UpForDays;

impl Clock for UpForDays {
    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }
    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(86_400)
    }
}

/// Nothing to be seen: the owner is in another namespace, or on another machine.
pub(crate) fn unseen() -> Scripted {
    Scripted(Observed::nothing("elsewhere"))
}

/// The owner with pid 8 is alive and well.
pub(crate) fn alive() -> Scripted {
    let process = Process::Running;
    Scripted(Observed { process, unique: owner(8).unique, ..Observed::nothing("") })
}

pub(crate) fn lock(sys: Pretended, path: PathBuf, identity: Scripted) -> LockFile<Pretended> {
    LockFile::over(sys, path, Layout::File, Arc::new(identity), Arc::new(UpForDays))
}

pub(crate) fn directory_lock(sys: Pretended, path: PathBuf) -> LockFile<Pretended> {
    LockFile::over(sys, path, Layout::Directory, Arc::new(unseen()), Arc::new(UpForDays))
}

pub(crate) fn stamp() -> Stamp {
    Stamp { dialect: DIALECT, label: None, inheritable: false }
}

pub(crate) fn policy() -> Policy {
    Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Reclaim,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: Disposition::Reclaim,
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    }
}

pub(crate) fn acquired(lock: &LockFile<Pretended>) -> Guard<Pretended> {
    match lock.attempt(&stamp()).unwrap() {
        Attempt::Acquired(guard) => guard,
        Attempt::Contended => panic!("nobody else is here"),
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// Leaves the lock of an owner (pid 8) whose byte is free.
pub(crate) fn leave(path: &Path, change: impl FnOnce(&mut LockRecord)) {
    std::fs::write(path, "").unwrap();
    let seen = std::fs::metadata(path).unwrap();
    let mut record = LockRecord::new(owner(8), "somebody-else-0".into());
    record.created_at = Some(UpForDays.wall());
    record.monotonic = Some(UpForDays.monotonic());
    record.kernel_lock = Some(KernelLockClaim { device: seen.dev(), inode: seen.ino() });
    change(&mut record);
    std::fs::write(path, record.to_bytes(DIALECT)).unwrap();
}
