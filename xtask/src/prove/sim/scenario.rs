//! What is explored: who takes part, on which file system, and what may go wrong.

mod list;

use lock_core::filesystem::FsClass;
use lock_core::lockfile::Layout;

use super::state::Phase;
use super::world::Process;

pub(crate) use list::{CROWDS, SCENARIOS};

/// What a file system can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileSystem {
    /// Files without a name.
    pub(crate) unnamed: bool,
    /// Renaming that replaces nothing.
    pub(crate) renames: bool,
    /// Renaming of directories.
    pub(crate) renames_directories: bool,
    pub(crate) class: FsClass,
}

/// How often what may go wrong.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct Budget {
    /// Processes that are killed; each at most once.
    pub(crate) crashes: u8,
    /// Times that everybody is held up for longer than a holder promises to hold.
    pub(crate) jumps: u8,
    /// Processes that are stopped until nobody else can go on.
    pub(crate) stops: u8,
    /// Calls that fail.
    pub(crate) faults: u8,
    /// Times that a thread loses its turn although it could go on; `None`: as often as it likes.
    pub(crate) preemptions: Option<u8>,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Takes the lock, writes under it, releases it; so many times.
    Locker(u8),
    /// The same, and renews its promise first.
    Renewer,
    /// Takes the lock, lets the other threads of the process use it, releases it.
    Sharer,
    /// Writes under the lock that a thread of the same process has taken.
    Helper,
    /// A doctor: removes what is stale, sweeps litter.
    Sweeper,
    /// Follows OpenClaw's rules.
    OpenClaw,
    /// The process's watchdog.
    Watchdog,
    /// Beforehand: takes the lock and dies.
    DiesHolding,
    /// Beforehand: dies with a lock directory that has no record, long ago.
    LeavesOwnerless,
    /// Beforehand: the same with a record that is a link to nowhere.
    LeavesDangling,
    /// Beforehand: an empty lock file, long ago.
    LeavesEmpty,
    /// Afterwards: cleans up, checks that all is clean, and takes the lock once more.
    Janitor,
}

impl Actor {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::DiesHolding
            | Self::LeavesOwnerless
            | Self::LeavesDangling
            | Self::LeavesEmpty => Phase::Before,
            Self::Janitor => Phase::After,
            _ => Phase::Main,
        }
    }
}

/// One setting to explore.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) fs: FileSystem,
    /// The threads of each process.
    pub(crate) processes: &'static [&'static [Actor]],
    pub(crate) budget: Budget,
    /// Whether a hold ends at its promise (session locks) or never (install locks).
    pub(crate) promises: bool,
    /// Preemptions in the short run, where not all schedules are explored.
    pub(crate) short: Option<u8>,
    /// The same in the long run, where all would take longer than a night.
    pub(crate) long: Option<u8>,
    /// Whether calls in passing are put off and histories forgotten, where they can be. (Only a test
    /// needs it otherwise.)
    pub(crate) reduced: bool,
    /// To compare two explorations: how each process fares is a part of the state, and none stands
    /// for another.
    pub(crate) compared: bool,
}

impl Scenario {
    /// The same with another bound on preemptions.
    pub(crate) fn within(&self, preemptions: Option<u8>) -> Self {
        Self { budget: Budget { preemptions, ..self.budget }, ..self.clone() }
    }

    /// Every thread with its process, the janitor last.
    pub(crate) fn threads(&self) -> impl Iterator<Item = (Process, Actor)> {
        let given = self.processes.iter().enumerate();
        given
            .flat_map(|(process, threads)| threads.iter().map(move |actor| (process, *actor)))
            .chain([(self.processes.len(), Actor::Janitor)])
    }

    /// The process before this one that has the same one thread.
    pub(crate) fn twin(&self, process: Process) -> Option<Process> {
        let threads = *self.processes.get(process)?;
        let same = |before: &&[Actor]| !self.compared && threads.len() == 1 && *before == threads;
        self.processes[..process].iter().rposition(same)
    }

    /// Whether calls that nobody could notice are put off. Not where everybody may be held up in
    /// between; where turns are counted; where records are written again.
    pub(crate) fn has_passing_calls(&self) -> bool {
        self.reduced
            && self.budget.jumps == 0
            && self.budget.preemptions.is_none()
            && self.threads().all(|(_, actor)| actor != Actor::Renewer)
    }

    pub(crate) fn process_count(&self) -> usize {
        self.processes.len() + 1
    }

    /// Which processes follow other rules than ours.
    pub(crate) fn foreign(&self) -> Vec<bool> {
        self.processes.iter().map(|threads| threads.contains(&Actor::OpenClaw)).collect()
    }
}
