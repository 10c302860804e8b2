//! The scenarios.

use lock_core::filesystem::FsClass;
use lock_core::lockfile::Layout;

use super::{Actor, Budget, FileSystem, Scenario};

/// ext4 and the like.
const LOCAL: FileSystem =
    FileSystem { unnamed: true, renames: true, renames_directories: true, class: FsClass::Local };
/// Local, but every stage has a name.
const NAMED: FileSystem = FileSystem { unnamed: false, ..LOCAL };
/// NTFS: lock directories are emptied and removed in place.
const WINDOWS: FileSystem = FileSystem { renames_directories: false, ..NAMED };
/// NFS: links only, and an inode number proves little.
const NETWORK: FileSystem =
    FileSystem { unnamed: false, renames: false, class: FsClass::Network, ..LOCAL };
/// 9p: the same, as far as this guest sees.
const GUEST: FileSystem = FileSystem { class: FsClass::GuestLocal, ..NETWORK };

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
    long: None,
    reduced: true,
    compared: false,
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
    Scenario { name: "file-again", processes: &[TWICE, ONE], ..FILE },
    Scenario { name: "file-3", processes: &[ONE, ONE, ONE], ..FILE },
    Scenario { name: "file-stale-2", processes: &[&[DiesHolding], ONE, ONE], ..FILE },
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
        long: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-threads",
        processes: &[&[Sharer, Helper, Watchdog], ONE],
        budget: JUMP,
        short: Some(1),
        long: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-siblings",
        processes: &[&[Locker(1), Locker(1)], ONE],
        short: Some(1),
        long: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-stopped",
        processes: &[&[Renewer, Watchdog], ONE],
        budget: Budget { stops: 1, jumps: 1, ..NOTHING },
        short: Some(1),
        long: Some(3),
        ..FILE
    },
    Scenario {
        name: "file-faults",
        processes: &[ONE, ONE],
        budget: Budget { faults: 1, crashes: 1, ..NOTHING },
        ..FILE
    },
    Scenario { name: "file-empty", processes: &[&[LeavesEmpty], ONE, ONE], ..FILE },
    Scenario {
        name: "file-named",
        fs: NAMED,
        processes: &[ONE, ONE, &[Sweeper]],
        short: Some(1),
        ..FILE
    },
    Scenario { name: "file-network", fs: NETWORK, processes: &[ONE, ONE], ..FILE },
    Scenario {
        name: "file-network-faults",
        fs: NETWORK,
        processes: &[ONE, ONE],
        budget: Budget { faults: 1, ..NOTHING },
        ..FILE
    },
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
        ..DIRECTORY
    },
    Scenario { name: "dir-2", processes: &[ONE, ONE], ..DIRECTORY },
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
        name: "dir-network-faults",
        fs: NETWORK,
        processes: &[ONE, ONE],
        budget: Budget { faults: 1, ..NOTHING },
        short: Some(1),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-windows",
        fs: WINDOWS,
        processes: &[ONE, ONE],
        short: Some(2),
        ..DIRECTORY
    },
    Scenario {
        name: "dir-windows-stale",
        fs: WINDOWS,
        processes: &[&[DiesHolding], ONE, ONE],
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
        ..DIRECTORY
    },
    Scenario {
        name: "dir-faults-sweep",
        processes: &[ONE, &[Sweeper]],
        budget: Budget { faults: 1, ..NOTHING },
        ..DIRECTORY
    },
    Scenario {
        name: "dir-stopped",
        processes: &[ONE, ONE],
        budget: Budget { stops: 1, ..NOTHING },
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
        name: "dir-windows-crowd",
        fs: WINDOWS,
        processes: &[&[DiesHolding], &[Locker(2), Locker(1)], TWICE, ONE, &[Sweeper]],
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
