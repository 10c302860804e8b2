//! What is done in the moment of death: every operation of the protocol, in both layouts, on file
//! systems that can do everything and on those that cannot.

use lock_core::lockfile::Layout;
use lock_core::lockfile::Layout::{Directory, File};

/// What the file system can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    /// Files without a name (`O_TMPFILE`).
    pub(crate) unnamed: bool,
    /// Renaming that replaces nothing (`RENAME_NOREPLACE`).
    pub(crate) rename: bool,
    /// Renaming a lock that is in the way.
    pub(crate) tombstones: bool,
}

const ALL: Ways = Ways { unnamed: true, rename: true, tombstones: true };
/// An old kernel, or one of many file systems.
const NAMED: Ways = Ways { unnamed: false, ..ALL };
const NO_RENAME: Ways = Ways { rename: false, ..ALL };
/// NFS and 9p.
const NEITHER: Ways = Ways { unnamed: false, rename: false, ..ALL };
/// The lower layer of an overlay: a lock that came with a container's image.
const NO_TOMBSTONES: Ways = Ways { tombstones: false, ..ALL };

impl Ways {
    pub(crate) fn lacking(self) -> &'static str {
        match (self.unnamed, self.rename, self.tombstones) {
            (true, true, true) => "nothing",
            (false, true, _) => "O_TMPFILE",
            (true, false, _) => "RENAME_NOREPLACE",
            (false, false, _) => "both",
            (true, true, false) => "directory renames",
        }
    }
}

/// What is at the lock's path before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    /// The lock of an owner that was killed.
    Dead,
    /// The lock of a living owner that is stopped and past its promise.
    Overdue,
    /// An old file or directory that names no owner.
    Nameless,
    /// An old record without an end.
    Broken,
    /// An old link that leads nowhere, in the place of the record.
    Dangling,
    /// A dead owner's lock, and all kinds of litter.
    Litter,
}

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Acquire,
    Release,
    /// A fenced write.
    Append,
    /// Renewing the promise.
    Extend,
    /// Holding on past its promise, until its own watchdog lets go.
    Overstay,
    /// A doctor's round.
    Sweep,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) ways: Ways,
    pub(crate) before: Before,
    pub(crate) operation: Operation,
}

impl Case {
    /// Whether a death can leave a directory that names no owner, which DESIGN has everybody
    /// leave alone for a grace: it may be another program's that is about to write its record.
    pub(crate) fn may_leave_an_ownerless_directory(&self) -> bool {
        self.layout == Directory
            && (!self.ways.rename
                || !self.ways.tombstones
                || matches!(self.before, Before::Nameless | Before::Dangling))
    }
}

const fn case(
    name: &'static str,
    layout: Layout,
    ways: Ways,
    before: Before,
    operation: Operation,
) -> Case {
    Case { name, layout, ways, before, operation }
}

pub(crate) const CASES: &[Case] = &[
    case("acquire", File, ALL, Before::Nothing, Operation::Acquire),
    case("acquire", File, NAMED, Before::Nothing, Operation::Acquire),
    case("acquire", File, NEITHER, Before::Nothing, Operation::Acquire),
    case("reclaim a dead owner's", File, ALL, Before::Dead, Operation::Acquire),
    case("reclaim a dead owner's", File, NAMED, Before::Dead, Operation::Acquire),
    case("reclaim a dead owner's", File, NEITHER, Before::Dead, Operation::Acquire),
    case("reclaim an overdue owner's", File, ALL, Before::Overdue, Operation::Acquire),
    case("reclaim an empty file", File, ALL, Before::Nameless, Operation::Acquire),
    case("reclaim a broken record", File, ALL, Before::Broken, Operation::Acquire),
    case("release", File, ALL, Before::Nothing, Operation::Release),
    case("fenced write", File, ALL, Before::Nothing, Operation::Append),
    case("renew the promise", File, ALL, Before::Nothing, Operation::Extend),
    case("watchdog lets go", File, ALL, Before::Nothing, Operation::Overstay),
    case("sweep", File, ALL, Before::Litter, Operation::Sweep),
    case("acquire", Directory, ALL, Before::Nothing, Operation::Acquire),
    case("acquire", Directory, NO_RENAME, Before::Nothing, Operation::Acquire),
    case("acquire", Directory, NEITHER, Before::Nothing, Operation::Acquire),
    case("reclaim a dead owner's", Directory, ALL, Before::Dead, Operation::Acquire),
    case("reclaim a dead owner's", Directory, NEITHER, Before::Dead, Operation::Acquire),
    case("reclaim a dead owner's", Directory, NO_TOMBSTONES, Before::Dead, Operation::Acquire),
    case("reclaim an empty directory", Directory, ALL, Before::Nameless, Operation::Acquire),
    case("reclaim a broken record", Directory, ALL, Before::Broken, Operation::Acquire),
    case("reclaim a dangling link", Directory, ALL, Before::Dangling, Operation::Acquire),
    case("release", Directory, ALL, Before::Nothing, Operation::Release),
    case("fenced write", Directory, ALL, Before::Nothing, Operation::Append),
    case("sweep", Directory, ALL, Before::Litter, Operation::Sweep),
];
