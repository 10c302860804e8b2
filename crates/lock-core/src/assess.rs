//! An assessment: everything known about a held lock, and the verdict on it.
//!
//! The glue between observing (IO) and judging (pure). What it holds is plain data, for
//! decisions, error messages and `inspect`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::evidence::Evidence;
use crate::filesystem::{Filesystem, FsClass};
use crate::identity::{Comparison, OwnerId, OwnerKind};
use crate::lockfile::Layout;
use crate::policy::{self, Ages, Decision, Policy};
use crate::record::{Form, LockRecord};
use crate::verdict::Verdict;

/// By which clock the time since acquisition was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgeClock {
    /// The [monotonic](crate::Clock::monotonic) clock of this boot.
    Monotonic,
    /// Two times stamped by the file server.
    FileTimes,
    /// The wall clock. Trusted only for records of the origin, which have nothing else.
    Wall,
}

/// What is known about the lock at a path.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The lock's path.
    pub path: PathBuf,
    /// The record, where there is a readable one.
    pub record: Option<LockRecord>,
    /// Why there is none.
    pub unreadable: Option<String>,
    /// The facts.
    pub evidence: Evidence,
    /// What they prove.
    pub verdict: Verdict,
    /// What the decision rests on beside the verdict.
    pub ages: Ages,
    /// Time since the record's file changed.
    pub record_age: Option<Duration>,
    /// Time since the lock directory changed (directory layout).
    pub directory_age: Option<Duration>,
    /// The record's name is a link that leads nowhere.
    pub owner_is_link: bool,
    /// One file, or a directory with `owner.json` in it.
    pub layout: Layout,
    /// How `ages.held` was measured.
    pub age_clock: Option<AgeClock>,
    /// The lock's file system.
    pub filesystem: Filesystem,
    /// Why some evidence is missing, for people.
    pub gaps: Vec<String>,
    /// Processes, other than the recorded owner, that hold the file's owner byte or wait on its
    /// binding byte; filled in on request, for people.
    pub holders: Vec<u32>,
}

impl Assessment {
    /// What `policy` makes of it.
    #[must_use]
    pub fn decide(&self, policy: &Policy) -> Decision {
        policy::decide(self.verdict, &self.ages, policy)
    }

    /// The recorded owner.
    #[must_use]
    pub fn owner(&self) -> Option<&OwnerId> {
        self.record.as_ref()?.owner.as_ref()
    }

    /// Whether the verdict is that somebody alive holds the lock.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.verdict, Verdict::Alive(_))
    }
}

/// What time it is for the files of one lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now<'a> {
    pub(crate) clock: &'a dyn Clock,
    /// The file server's own clock, read off a file it just stamped.
    pub(crate) server: Option<Timestamp>,
}

/// The time since acquisition and the clock it was measured by.
pub(crate) fn held_for(
    record: &LockRecord,
    here: &OwnerId,
    (boot, namespace): (Comparison, Comparison),
    class: FsClass,
    modified: Option<Timestamp>,
    now: Now<'_>,
) -> Option<(Duration, AgeClock)> {
    let wall = || Some((since(record.created_at?, now.clock.wall()), AgeClock::Wall));
    if record.form == Form::Origin {
        return wall();
    }
    let offset = |id: &OwnerId| id.time_offset.map(|o| o.monotonic_ns);
    let owner = record.owner.as_ref();
    let clocks = match here.kind {
        // No time namespaces: one clock for all processes of a boot.
        OwnerKind::Macos => Comparison::Same,
        // "Same boot" is no more than "same machine" there. A clock that started again shows a
        // hold of an earlier boot as younger than it is, which evicts nobody; but machines that
        // were cloned show one machine's id, and have clocks of their own.
        OwnerKind::Windows => namespace,
        OwnerKind::Linux | OwnerKind::Other(_) => {
            Comparison::of(owner.and_then(offset), offset(here))
        }
    };
    let one_clock = (boot, clocks) == (Comparison::Same, Comparison::Same)
        && owner.is_some_and(|owner| owner.kind == here.kind);
    match (record.monotonic, modified, now.server) {
        (Some(start), ..) if one_clock => {
            Some((now.clock.monotonic().saturating_sub(start), AgeClock::Monotonic))
        }
        (_, Some(modified), Some(server)) if is_shared(class) => {
            Some((since(modified, server), AgeClock::FileTimes))
        }
        _ => wall(),
    }
}

/// Whether other kernels may use the file system at the same time.
pub(crate) fn is_shared(class: FsClass) -> bool {
    !matches!(class, FsClass::Local | FsClass::Volatile)
}

/// Time passed, clamped at zero: a clock that was set back makes nothing older.
pub(crate) fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
