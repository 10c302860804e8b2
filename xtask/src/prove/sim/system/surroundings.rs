//! What the machine shows of its processes and its clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lock_core::Clock;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerIdentity, OwnerKind, PidNamespace, Process as Seen, StartTime,
    TimeOffset,
};

use super::super::machine::Machine;
use super::super::state::digest;
use super::super::world::{DIRECTORY, LOCK, Process, World};
use super::Simulated;

/// The pid of a process.
pub(crate) fn pid(process: Process) -> u32 {
    100 + process as u32
}

/// Everybody sees all of everybody, at once.
#[derive(Debug)]
pub(crate) struct Identity(pub(crate) Simulated);

fn owner(process: Process) -> OwnerId {
    OwnerId {
        start: Some(StartTime::Ticks { ticks: process as u64, per_second: 100 }),
        boot: BootId::Kernel("boot".to_owned()),
        namespace: Some(PidNamespace { inode: 1, id: None }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::Linux, pid(process))
    }
}

impl OwnerIdentity for Identity {
    fn this_process(&self) -> OwnerId {
        owner(self.0.process)
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        let mut seen = Observed::nothing("simulated");
        let mut state = self.0.machine.state();
        let process = recorded.pid.checked_sub(100).map(|process| process as Process);
        let known = process.and_then(|process| Some((process, state.processes.get(process)?)));
        match known {
            Some((process, known)) if !known.dead => {
                let there = owner(process);
                seen.process = Seen::Running;
                seen.start = there.start;
                seen.time_offset = there.time_offset;
            }
            _ => seen.process = Seen::Gone,
        }
        state.counts();
        state.note("observe", u64::from(seen.process == Seen::Running));
        seen
    }
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Simulated);

impl Time {
    fn read(&self) -> Duration {
        let mut state = self.0.machine.state();
        let now = state.world.now;
        state.note("clock", digest(now));
        now
    }
}

impl Clock for Time {
    fn wall(&self) -> Timestamp {
        World::wall(self.read())
    }

    fn monotonic(&self) -> Duration {
        self.read()
    }
}

/// A lock on the machine, as one of its processes uses it.
pub(crate) fn lock_of(
    machine: &Machine,
    process: Process,
    layout: lock_core::lockfile::Layout,
) -> lock_core::LockFile<Simulated> {
    let sys = Simulated::new(machine, process);
    let (identity, time) = (Identity(sys.clone()), Time(sys.clone()));
    let path = Path::new(DIRECTORY).join(LOCK);
    lock_core::LockFile::over(sys, path, layout, Arc::new(identity), Arc::new(time))
}
