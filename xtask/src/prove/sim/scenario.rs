//! What is explored: who takes part, on which file system, and what may go wrong.

use lock_core::filesystem::FsClass;
use lock_core::lockfile::Layout;

use super::machine::Phase;
use super::world::Process;

/// What a file system can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileSystem {
    /// Files without a name.
    pub(crate) unnamed: bool,
    /// Renaming that replaces nothing.
    pub(crate) renames: bool,
    pub(crate) class: FsClass,
}

/// ext4 and the like.
const LOCAL: FileSystem = FileSystem { unnamed: true, renames: true, class: FsClass::Local };
/// Local, but every stage has a name.
const NAMED: FileSystem = FileSystem { unnamed: false, ..LOCAL };
/// NFS: links only, and an inode number proves little.
const NETWORK: FileSystem = FileSystem { unnamed: false, renames: false, class: FsClass::Network };
/// 9p: the same, as far as this guest sees.
const GUEST: FileSystem = FileSystem { class: FsClass::GuestLocal, ..NETWORK };

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
    /// Only in the long run.
    pub(crate) long_only: bool,
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

    pub(crate) fn process_count(&self) -> usize {
        self.processes.len() + 1
    }

    /// Which processes follow other rules than ours.
    pub(crate) fn foreign(&self) -> Vec<bool> {
        self.processes.iter().map(|threads| threads.contains(&Actor::OpenClaw)).collect()
    }
}

const NOTHING: Budget = Budget { crashes: 0, jumps: 0, stops: 0, faults: 0, preemptions: None };
const CRASHES: Budget = Budget { crashes: 9, ..NOTHING };
const JUMP: Budget = Budget { jumps: 1, ..NOTHING };

const FILE: Scenario = Scenario {
    name: "",
    layout: Layout::File,
    fs: LOCAL,
    processes: &[],
    budget: CRASHES,
    promises: true,
    short: None,
    long_only: false,
};
const DIRECTORY: Scenario = Scenario { layout: Layout::Directory, promises: false, ..FILE };

use Actor::{
    DiesHolding, Helper, LeavesDangling, LeavesEmpty, LeavesOwnerless, Locker, OpenClaw, Renewer,
    Sharer, Sweeper, Watchdog,
};

const ONE: &[Actor] = &[Locker(1)];
const TWICE: &[Actor] = &[Locker(2)];

/// Everything that is explored exhaustively.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "file-2", processes: &[ONE, ONE], ..FILE },
    Scenario { name: "file-again", processes: &[TWICE, ONE], short: Some(2), ..FILE },
    Scenario { name: "file-3", processes: &[ONE, ONE, ONE], short: Some(1), ..FILE },
    Scenario {
        name: "file-stale-2",
        processes: &[&[DiesHolding], ONE, ONE],
        short: Some(2),
        ..FILE
    },
    Scenario {
        name: "file-stale-3",
        processes: &[&[DiesHolding], ONE, ONE, ONE],
        budget: NOTHING,
        short: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-overdue",
        processes: &[&[Renewer, Watchdog], ONE],
        budget: Budget { crashes: 9, ..JUMP },
        short: Some(1),
        ..FILE
    },
    Scenario {
        name: "file-threads",
        processes: &[&[Sharer, Helper, Watchdog], ONE],
        budget: JUMP,
        short: Some(1),
        ..FILE
    },
    Scenario {
        name: "file-siblings",
        processes: &[&[Locker(1), Locker(1)], ONE],
        short: Some(1),
        ..FILE
    },
    Scenario {
        name: "file-stopped",
        processes: &[&[Renewer, Watchdog], ONE],
        budget: Budget { stops: 1, jumps: 1, ..NOTHING },
        short: Some(1),
        ..FILE
    },
    Scenario {
        name: "file-faults",
        processes: &[ONE, ONE],
        budget: Budget { faults: 1, crashes: 1, ..NOTHING },
        short: Some(1),
        ..FILE
    },
    Scenario { name: "file-empty", processes: &[&[LeavesEmpty], ONE, ONE], short: Some(2), ..FILE },
    Scenario {
        name: "file-named",
        fs: NAMED,
        processes: &[ONE, ONE, &[Sweeper]],
        short: Some(1),
        ..FILE
    },
    Scenario { name: "file-network", fs: NETWORK, processes: &[ONE, ONE], short: Some(2), ..FILE },
    Scenario {
        name: "file-guest",
        fs: GUEST,
        processes: &[&[DiesHolding], ONE, ONE],
        short: Some(1),
        ..FILE
    },
    Scenario {
        name: "file-openclaw",
        processes: &[&[OpenClaw], &[OpenClaw], ONE],
        budget: NOTHING,
        short: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-openclaw-dies",
        processes: &[&[OpenClaw], ONE, ONE],
        budget: Budget { crashes: 1, ..NOTHING },
        short: Some(2),
        ..FILE
    },
    Scenario {
        name: "dir-openclaw",
        processes: &[&[OpenClaw], ONE, ONE],
        budget: NOTHING,
        short: Some(2),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-openclaw-dies",
        processes: &[&[OpenClaw], ONE],
        budget: Budget { crashes: 1, ..NOTHING },
        short: Some(3),
        ..DIRECTORY
    },
    Scenario { name: "dir-2", processes: &[ONE, ONE], short: Some(3), ..DIRECTORY },
    Scenario {
        name: "dir-stale-2",
        processes: &[&[DiesHolding], ONE, ONE],
        short: Some(1),
        ..DIRECTORY
    },
    Scenario { name: "dir-3", processes: &[ONE, ONE, ONE], short: Some(0), ..DIRECTORY },
    Scenario { name: "dir-sweep", processes: &[ONE, ONE, &[Sweeper]], short: Some(1), ..DIRECTORY },
    Scenario {
        name: "dir-network",
        fs: NETWORK,
        processes: &[ONE, ONE],
        short: Some(1),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-ownerless",
        processes: &[&[LeavesOwnerless], ONE, ONE],
        short: Some(1),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-dangling",
        processes: &[&[LeavesDangling], ONE, ONE],
        short: Some(1),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-faults",
        processes: &[ONE, ONE],
        budget: Budget { faults: 1, ..NOTHING },
        short: Some(2),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-faults-sweep",
        processes: &[ONE, &[Sweeper]],
        budget: Budget { faults: 1, ..NOTHING },
        short: Some(2),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-stopped",
        processes: &[ONE, ONE],
        budget: Budget { stops: 1, ..NOTHING },
        short: Some(2),
        ..DIRECTORY
    },
];

/// What is only walked at random: too large to be explored.
pub(crate) const CROWDS: &[Scenario] = &[
    Scenario {
        name: "file-crowd",
        processes: &[
            &[DiesHolding],
            &[Sharer, Helper, Helper, Watchdog],
            &[Renewer, Locker(2), Watchdog],
            TWICE,
            TWICE,
            &[Sweeper],
        ],
        budget: Budget { crashes: 3, jumps: 2, stops: 1, faults: 2, preemptions: None },
        ..FILE
    },
    Scenario {
        name: "named-crowd",
        fs: NAMED,
        processes: &[&[DiesHolding], &[Renewer, Locker(2), Watchdog], TWICE, TWICE, &[Sweeper]],
        budget: Budget { crashes: 3, jumps: 2, stops: 1, faults: 2, preemptions: None },
        ..FILE
    },
    Scenario {
        name: "openclaw-crowd",
        processes: &[&[OpenClaw], &[OpenClaw], TWICE, TWICE],
        budget: Budget { stops: 1, ..NOTHING },
        ..FILE
    },
    Scenario {
        name: "dir-crowd",
        processes: &[&[DiesHolding], &[Locker(2), Locker(1)], TWICE, TWICE, &[Sweeper]],
        budget: Budget { crashes: 3, jumps: 0, stops: 1, faults: 2, preemptions: None },
        ..DIRECTORY
    },
    Scenario {
        name: "dir-network-crowd",
        fs: NETWORK,
        processes: &[&[DiesHolding], &[Locker(2), Locker(1)], TWICE, ONE, &[Sweeper]],
        budget: Budget { crashes: 3, jumps: 0, stops: 1, faults: 2, preemptions: None },
        ..DIRECTORY
    },
];
