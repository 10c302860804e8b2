//! The worlds in which a record is judged: who asks, what the lock file shows, and what is under
//! the recorded pid. The kept records are of this machine, so that most of them mean something.

use std::sync::LazyLock;
use std::time::Duration;

use lock_core::evidence::{Evidence, FileEvidence, KernelLock, Own, gather};
use lock_core::filesystem::FsClass;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerIdentity, OwnerKind, PidNamespace, Process, StartTime,
    TimeOffset,
};
use lock_core::policy::{Ages, Policy};
use lock_core::record::LockRecord;

/// The owner of the kept records.
pub(super) const PID: &str = "777";
/// Their boot.
pub(super) const BOOT: &str = "0a1b2c3d-0000-4000-8000-123456789abc";

/// Who asks.
pub(super) fn here() -> OwnerId {
    OwnerId {
        start: Some(StartTime::Ticks { ticks: 100, per_second: 100 }),
        unique: Some(9),
        boot: BootId::Kernel(BOOT.to_owned()),
        namespace: Some(PidNamespace { inode: 4_026_531_836, id: Some(1) }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::Linux, 4242)
    }
}

/// What is under the recorded pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody looked, or the system would not say.
    Nothing,
    Gone,
    /// The recorded owner itself, alive.
    Owner,
    Stranger,
    Exited,
    Thread,
}

impl Seen {
    pub(super) fn of(self, owner: &OwnerId) -> Option<Observed> {
        let nothing = || Observed { gaps: Vec::new(), ..Observed::nothing("") };
        let process = match self {
            Self::Nothing => return None,
            Self::Gone => Process::Gone,
            Self::Owner | Self::Stranger => Process::Running,
            Self::Exited => Process::Exited,
            Self::Thread => Process::Thread,
        };
        let other = |n: u64| n.wrapping_add(1);
        Some(match self {
            Self::Owner | Self::Exited => Observed {
                process,
                unique: owner.unique,
                start: owner.start,
                time_offset: owner.time_offset,
                ..nothing()
            },
            Self::Stranger => Observed {
                process,
                unique: owner.unique.map(other),
                start: owner.start.map(|start| match start {
                    StartTime::Ticks { ticks, per_second } => {
                        StartTime::Ticks { ticks: other(ticks), per_second }
                    }
                    StartTime::UnixMicros(n) => StartTime::UnixMicros(other(n)),
                    StartTime::FileTime(n) => StartTime::FileTime(other(n)),
                }),
                time_offset: owner.time_offset,
                ..nothing()
            },
            _ => Observed { process, ..nothing() },
        })
    }
}

/// One world.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    pub(super) kernel_lock: KernelLock,
    pub(super) fs: FsClass,
    /// Whether the file is the one that the record claims.
    pub(super) same_file: bool,
    pub(super) single_host: bool,
    pub(super) seen: Seen,
}

impl World {
    /// Some six of all worlds: which ones, the input's own number says.
    pub(super) fn some(number: u64) -> impl Iterator<Item = &'static Self> {
        static ALL: LazyLock<Vec<World>> = LazyLock::new(World::all);
        let first = usize::try_from(number % 61).unwrap_or(0);
        ALL.iter().skip(first).step_by(61)
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for kernel_lock in [KernelLock::Held, KernelLock::Free, KernelLock::Unknown] {
            for fs in [
                FsClass::Local,
                FsClass::Volatile,
                FsClass::GuestLocal,
                FsClass::Network,
                FsClass::Unknown,
            ] {
                for (same_file, single_host) in
                    [(true, false), (true, true), (false, false), (false, true)]
                {
                    for seen in [
                        Seen::Nothing,
                        Seen::Gone,
                        Seen::Owner,
                        Seen::Stranger,
                        Seen::Exited,
                        Seen::Thread,
                    ] {
                        all.push(Self { kernel_lock, fs, same_file, single_host, seen });
                    }
                }
            }
        }
        all
    }

    pub(super) fn evidence(&self, record: Option<&LockRecord>, here: &OwnerId) -> Evidence {
        let claim = record.and_then(|record| record.kernel_lock);
        let device_inode = match claim {
            Some(claim) if self.same_file => (claim.device, claim.inode),
            Some(claim) => (claim.device, claim.inode.wrapping_add(1)),
            None => (1, 1),
        };
        let owner = record.and_then(|record| record.owner.as_ref());
        let observed = owner.filter(|o| o.kind == here.kind).and_then(|o| self.seen.of(o));
        let own = match owner {
            Some(owner) if owner.pid == here.pid => Own::NotHeldHere { older_than_process: false },
            _ => Own::Other,
        };
        let file = FileEvidence {
            kernel_lock: self.kernel_lock,
            device_inode,
            fs: self.fs,
            single_host: self.single_host,
        };
        gather(record, here, observed.as_ref(), file, own, None)
    }
}

/// The ages of a lock that was just changed, whose owner (if it has a promise) is inside it.
pub(super) fn fresh(record: Option<&LockRecord>) -> Ages {
    Ages {
        held: record.and_then(|r| r.created_at).map(|_| Duration::ZERO),
        held_is_trusted: true,
        file: Some(Duration::from_secs(1)),
        created_at_valid: record.is_some_and(|r| r.created_at.is_some()),
        max_hold: record.and_then(LockRecord::promised),
        locks_exclude: true,
        names_owner: record.is_some_and(|r| r.owner.is_some()),
    }
}

/// The ages of one that nobody touched for ten years.
pub(super) fn ancient(record: Option<&LockRecord>) -> Ages {
    let long = Duration::from_secs(10 * 365 * 86_400);
    let fresh = fresh(record);
    Ages { held: fresh.held.map(|_| long), file: Some(long), ..fresh }
}

/// The policies of the tool, by name.
pub(super) fn policies() -> [(&'static str, Policy); 3] {
    let stale_after = session_lock::DEFAULT_STALE_AFTER;
    [
        ("session", session_lock::acquire_policy(Some(Duration::from_secs(10)), stale_after)),
        ("session doctor", session_lock::sweep_policy(stale_after)),
        ("deps", runtime_deps_lock::POLICY),
    ]
}

/// An identity that answers as one world says.
#[derive(Debug)]
pub(super) struct Scripted(pub(super) Seen);

impl OwnerIdentity for Scripted {
    fn this_process(&self) -> OwnerId {
        here()
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        self.0.of(recorded).unwrap_or_else(|| Observed::nothing("nobody looked"))
    }
}
