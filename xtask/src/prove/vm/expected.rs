//! What every cell of the table has to say. A deviation fails the proof.

/// The answers expected of one file system, for both domains. Where more than one answer is
/// right, they are separated by " or ".
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Another process tries for a held lock, under the first view.
    pub(super) same_view: &'static str,
    /// The same under the other view; and two processes, one under each view, that take turns.
    pub(super) other_view: &'static str,
    /// What is said of a living owner.
    pub(super) living: &'static str,
    /// What a clock step of a day changes, in either direction.
    pub(super) clock: &'static str,
    /// The holder is killed: when a waiter under the other view has the lock.
    pub(super) crash: &'static str,
    /// What is said of an owner that was killed.
    pub(super) dead: &'static str,
    /// What is said of the owner of an earlier boot, and what a contender does.
    pub(super) rebooted: &'static str,
    /// What the power cut left of a lock that was published 12 s before it, and what a contender
    /// makes of that.
    pub(super) recent: &'static str,
    /// What a contender makes of a lock without content.
    pub(super) empty: &'static str,
    /// What is on the disk once every lock was let go.
    pub(super) left: &'static str,
}

/// One kernel, one lock domain, survives a reboot.
pub(super) const LOCAL: Expected = Expected {
    same_view: "kept out",
    other_view: "kept out, in turn",
    living: "alive (lock held)",
    clock: "nothing",
    crash: "at once",
    dead: "dead (lock-released), taken",
    rebooted: "dead (boot-id-mismatch), taken",
    recent: "record, taken or empty, taken or nothing, taken",
    empty: "kept its grace, then taken",
    left: "nothing",
};

/// Nothing is left to judge after a cut.
pub(super) const TMPFS: Expected =
    Expected { rebooted: "unlocked, taken", recent: "nothing, taken", ..LOCAL };

/// The kernel's locks are on the inode of the overlay, so an owner in the lower directory is known
/// by its process alone. Once its lock is let go, each overlay has a lock of its own.
pub(super) const ONE_LOWER: Expected = Expected {
    other_view: "kept out",
    living: "alive (lock free)",
    dead: "dead (dead-pid) / dead (lock-released), taken",
    ..LOCAL
};

/// Another boot id may be another machine's, and a free byte proves nothing. A client whose power
/// is cut leaves the names that NFS gives to deleted files: the stages of locks that were held.
pub(super) const NFS: Expected = Expected {
    dead: "dead (dead-pid), taken",
    rebooted: "unverifiable (boot different), waits",
    recent: "record, waits or empty, taken or nothing, taken",
    left: "nothing or NFS's own names",
    ..LOCAL
};

/// Two mounts do not see each other's locks.
pub(super) const NFS_NOLOCK: Expected =
    Expected { living: "alive (lock held) / alive (lock free)", ..NFS };

/// The server's own view is of a local file system, where a free byte proves release; but the owner
/// said that it saw NFS, so another boot id proves no reboot.
pub(super) const NFS_SERVER: Expected =
    Expected { dead: "dead (dead-pid) / dead (lock-released), taken", ..NFS };

/// Locks are seen by nobody, so none is claimed; the host sees a local directory.
pub(super) const NINEP: Expected = Expected {
    other_view: "kept out, in turn, as is the host",
    living: "alive (lock free)",
    left: "nothing",
    ..NFS
};
