//! The lock record: what a lock file says about its owner.
//!
//! A record of ours carries OpenClaw's keys (so its reader understands us), plus `bootId`,
//! `version` and one object `owner` with everything else. Records of the origin lack that
//! object. Reading is lenient field by field, as the origin reads: a field that makes no sense
//! is a field that is missing. The JSON itself lives in `wire`.

mod wire;

use std::time::Duration;

use jiff::Timestamp;

use crate::filesystem::FsClass;
use crate::identity::OwnerId;

/// The newest record version that this code writes and understands.
pub const VERSION: u64 = 2;

/// Longer lock files are not records: reading stops here (64 KiB).
pub const MAX_LEN: usize = 64 * 1024;

/// Who wrote a record, which decides by whose rules it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// This protocol: a missing fact is a doubt.
    Ours,
    /// OpenClaw: judged as written in this boot and this pid namespace, which is all it knows.
    Origin,
}

/// Which of the two domains' timestamp spellings a record uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Session locks: `createdAt` (RFC 3339) and `maxHoldMs`.
    Session {
        /// How long the owner promises to hold at most.
        max_hold: Duration,
    },
    /// Install locks: `createdAtMs`; no limit.
    RuntimeDeps,
}

/// The owner's claim that it took the owner byte of this very file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelLockClaim {
    /// Device number of the lock file, as the owner saw it.
    pub device: u64,
    /// Inode number of the lock file, as the owner saw it.
    pub inode: u64,
}

/// A lock record, as read or to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRecord {
    /// By whose rules it is judged.
    pub form: Form,
    /// `version`, where the record says one.
    pub version: Option<u64>,
    /// The owner. `None` when the record names no usable pid.
    pub owner: Option<OwnerId>,
    /// Wall clock at acquisition; `None` when missing or not a time.
    pub created_at: Option<Timestamp>,
    /// The longest hold the owner promised.
    pub max_hold: Option<Duration>,
    /// How many times the owner renewed its promise: by one byte of white space after the
    /// record each, which every reader skips. Records of ours only.
    pub renewals: u32,
    /// The owner's [monotonic](crate::Clock::monotonic) clock at acquisition.
    pub monotonic: Option<Duration>,
    /// Names this acquisition; no two acquisitions share one.
    pub id: Option<String>,
    /// What the user called it.
    pub label: Option<String>,
    /// Set when the owner took the owner byte.
    pub kernel_lock: Option<KernelLockClaim>,
    /// How local the owner saw its file system; `Local` for everything that one kernel has to
    /// itself.
    pub seen_as: FsClass,
    /// A record of the origin that carries a boot id is not taken for this boot's.
    pub names_boot: bool,
}

impl LockRecord {
    /// Reads a record. `None`: not a JSON object, or longer than [`MAX_LEN`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        wire::parse(bytes)
    }

    /// Whether this code knows what the record means. One of ours that does not say its version
    /// may be of a later one.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        match self.form {
            Form::Ours => self.version.is_some_and(|version| version <= VERSION),
            Form::Origin => true,
        }
    }

    /// The bytes to publish: two-space JSON and a newline, OpenClaw's keys first, in its order.
    #[must_use]
    pub fn to_bytes(&self, dialect: Dialect) -> Vec<u8> {
        wire::to_bytes(self, dialect)
    }

    /// How long the owner promises to hold at most, counted from its acquisition.
    #[must_use]
    pub fn promised(&self) -> Option<Duration> {
        Some(self.max_hold?.saturating_mul(self.renewals.saturating_add(1)))
    }

    /// A record for a new acquisition by `owner`.
    #[must_use]
    pub fn new(owner: OwnerId, id: String) -> Self {
        Self {
            form: Form::Ours,
            version: Some(VERSION),
            owner: Some(owner),
            created_at: None,
            max_hold: None,
            renewals: 0,
            monotonic: None,
            id: Some(id),
            label: None,
            kernel_lock: None,
            seen_as: FsClass::Local,
            names_boot: true,
        }
    }
}
