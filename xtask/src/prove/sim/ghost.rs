//! The checker: what must be true, whatever the protocol believes.
//!
//! It watches what the lock's path is bound to, after every call of everybody, and knows what no
//! participant can know: who published which record, who has begun to let go of it, who is dead,
//! and whose promise is over.

mod holder;

use std::hash::{Hash, Hasher};
use std::time::Duration;

use lock_core::lockfile::Layout;
use lock_core::record::LockRecord;

use super::scenario::Scenario;
use super::state::State;
use super::world::{Process, maker};

/// How long a lock that names no owner must be left alone.
const GRACE: Duration = Duration::from_secs(30);

/// A broken invariant: its number in DESIGN.md, and how it was broken.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) invariant: u8,
    pub(crate) what: String,
}

/// One acquisition, from the publication of its record on.
#[derive(Clone, Debug)]
struct Hold {
    process: Process,
    thread: usize,
    inode: u64,
    /// The acquisition's name; OpenClaw's have none.
    id: Option<String>,
    /// Until when it may be held, by its own record.
    until: Option<Duration>,
    /// That time passed before it was put off.
    late: bool,
    /// Its record says that the owner byte is held. (Locks may not be had now and then.)
    claimed: bool,
    /// The record is at the lock's path.
    bound: bool,
    /// The guard was handed out.
    returned: bool,
    /// The holder has begun to let go.
    released: bool,
    /// Somebody took it, and was in the right.
    lost: bool,
    writing: bool,
}

/// Whose record, and how many of that process were visible before.
type RecordNumber = (Process, usize);

#[derive(Debug)]
pub(crate) struct Ghost {
    pub(crate) layout: Layout,
    foreign: Vec<bool>,
    /// Whether calls fail or processes are stopped here, so that a release may give up.
    pub(crate) may_abandon: bool,
    holds: Vec<Hold>,
    /// The names of all records that were ever visible, and what to call each: its name is not the
    /// same in every run.
    pub(crate) records: Vec<(String, RecordNumber)>,
    /// The lock directory from which somebody last removed a record, or a link to nowhere. That
    /// makes it young again, and no less dead: whoever is about to remove it may go on.
    emptied: Option<u64>,
    someone_died: bool,
    pub(crate) violations: Vec<Violation>,
}

impl Hash for Ghost {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for hold in &self.holds {
            (hold.process, hold.thread, hold.inode, hold.until, hold.bound).hash(state);
            (hold.returned, hold.released, hold.lost, hold.writing, hold.late).hash(state);
        }
        self.emptied.hash(state);
    }
}

/// What the lock's path leads to: the inode there, and the one with the record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    top: Option<u64>,
    pub(crate) record: Option<u64>,
    /// What is there names no owner, and has been like that for longer than its grace.
    aged: bool,
}

impl Ghost {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            layout: scenario.layout,
            foreign: scenario.foreign(),
            may_abandon: scenario.budget.stops + scenario.budget.faults > 0,
            holds: Vec::new(),
            records: Vec::new(),
            emptied: None,
            someone_died: false,
            violations: Vec::new(),
        }
    }

    pub(crate) fn violated(&mut self, invariant: u8, what: impl Into<String>) {
        // 1, 4 and 5 are promised among participants of this protocol. OpenClaw takes a dead
        // owner's lock in two steps, and may take another one with the second.
        if self.foreign.contains(&true) && self.someone_died && matches!(invariant, 1 | 4 | 5) {
            return;
        }
        self.violations.push(Violation { invariant, what: what.into() });
    }

    /// What became of every acquisition that is remembered.
    pub(crate) fn outcome(&self) -> Vec<(Process, u64, [bool; 5])> {
        let of = |hold: &Hold| [hold.bound, hold.returned, hold.released, hold.lost, hold.writing];
        self.holds.iter().map(|hold| (hold.process, hold.inode, of(hold))).collect()
    }

    /// What the next record of a process will be called once it is visible.
    pub(crate) fn next_record_of(&self, process: Process) -> RecordNumber {
        (process, self.records.iter().filter(|(_, (by, _))| *by == process).count())
    }

    /// A process died. What it still has at the path is anybody's.
    pub(crate) fn died(&mut self, process: Process) {
        self.someone_died = true;
        self.holds.retain(|hold| hold.process != process || hold.bound);
        for hold in self.holds.iter_mut().filter(|hold| hold.process == process) {
            hold.released = true;
            hold.writing = false;
        }
    }

    fn named(&mut self, id: Option<&str>) -> Option<&mut Hold> {
        self.holds.iter_mut().find(|hold| id.is_some() && hold.id.as_deref() == id)
    }

    fn at(&mut self, inode: u64) -> Option<&mut Hold> {
        self.holds.iter_mut().find(|hold| hold.bound && hold.inode == inode)
    }
}

impl State {
    /// What the lock's path leads to now.
    pub(crate) fn binding(&self) -> Binding {
        let top = self.world.lock();
        let record = match self.ghost.layout {
            Layout::File => top,
            Layout::Directory => top.and_then(|top| self.world.record_in(top)),
        };
        let aged = self.ghost.layout == Layout::Directory
            && top.is_some_and(|top| self.ownerless_since(top) + GRACE < self.world.now);
        Binding { top, record, aged }
    }

    /// Called after every call, with what it wrote to.
    pub(crate) fn check(&mut self, call: &'static str, before: Binding, file: Option<u64>) {
        let after = self.binding();
        if before.record != after.record {
            if let Some(inode) = before.record {
                self.removed(inode, call);
                if after.top == before.top {
                    // Whoever empties a lock directory in place goes on to remove it.
                    self.ghost.emptied = before.top;
                }
            }
            if let Some(inode) = after.record {
                self.published(inode);
            }
        } else if let (None, Some(top)) = (before.record, before.top)
            && after.top != before.top
        {
            self.ownerless_removed(top, call, before.aged);
        } else if let (Some(inode), "write") = (after.record, call)
            && file == after.record
        {
            self.record_changed(inode);
        }
    }

    fn is_foreign(&self, process: Process) -> bool {
        self.ghost.foreign.get(process).copied().unwrap_or(false)
    }

    fn published(&mut self, inode: u64) {
        let (process, thread) = (self.me(), self.current);
        let mut hold = Hold {
            process,
            thread,
            inode,
            id: None,
            until: None,
            late: false,
            claimed: false,
            bound: true,
            returned: false,
            released: false,
            lost: false,
            writing: false,
        };
        if !self.is_foreign(process) {
            match LockRecord::parse(self.world.content(inode).0) {
                Some(record) if record.owner.is_some() => {
                    hold.until = record.monotonic.zip(record.promised()).map(|(a, b)| a + b);
                    hold.claimed = record.kernel_lock.is_some();
                    let number = self.ghost.next_record_of(process);
                    self.ghost.records.extend(record.id.iter().cloned().map(|id| (id, number)));
                    hold.id = record.id;
                }
                _ => self.ghost.violated(2, "a record is visible before it is complete"),
            }
        }
        let dead: Vec<bool> = self.processes.iter().map(|process| process.dead).collect();
        let now = self.world.now;
        let other = self.ghost.holds.iter().find(|other| {
            let overdue = other.until.is_some_and(|until| now > until);
            !other.released && !other.lost && !dead[other.process] && (other.bound || !overdue)
        });
        if let Some(other) = other {
            let what = format!("p{process} holds the lock while p{} does", other.process);
            self.ghost.violated(1, what);
        }
        self.ghost.holds.push(hold);
    }

    fn record_changed(&mut self, inode: u64) {
        if self.is_foreign(self.me()) {
            return;
        }
        let record = LockRecord::parse(self.world.content(inode).0);
        let until = record
            .as_ref()
            .and_then(|record| record.monotonic.zip(record.promised()))
            .map(|(start, promised)| start + promised);
        if record.is_none() {
            self.ghost.violated(2, "a visible record is not readable");
        }
        let now = self.world.now;
        if let Some(hold) = self.ghost.at(inode) {
            hold.late |= hold.until.is_some_and(|until| now > until);
            hold.until = until;
        }
    }

    fn removed(&mut self, inode: u64, call: &'static str) {
        let (process, thread, now) = (self.me(), self.current, self.world.now);
        let judged = self.threads[thread].judged;
        let foreign = self.is_foreign(process);
        let Some(hold) = self.ghost.at(inode) else {
            return;
        };
        hold.bound = false;
        let own = hold.process == process;
        let overdue = hold.until.is_some_and(|until| now > until);
        let unfinished = !hold.returned && hold.thread == thread;
        if foreign || (hold.released && (own || judged == Some(inode))) {
            hold.lost |= !hold.released;
            return;
        }
        // Without the byte a stage does not keep sweepers out: whoever published it has to notice.
        if unfinished || (!hold.returned && !hold.claimed) {
            hold.released = true;
            return;
        }
        // Its own watchdog may have decided before the promise was renewed.
        let evicted = own && hold.late;
        if (overdue || evicted) && !hold.writing && (own || judged == Some(inode)) {
            hold.lost = true;
            return;
        }
        let owner = hold.process;
        let writing = hold.writing;
        let what = format!("p{process} ({call}) removes the lock of p{owner}");
        if judged != Some(inode) {
            self.ghost.violated(4, format!("{what}: not the one that it judged"));
        } else if writing {
            self.ghost.violated(5, format!("{what} and is in a write section"));
        } else {
            self.ghost.violated(3, what);
        }
    }

    /// A directory without a record went away: its maker may be about to put one in.
    fn ownerless_removed(&mut self, top: u64, call: &'static str, aged: bool) {
        let me = self.me();
        let mine = maker(top) == me || self.ghost.emptied == Some(top);
        if !mine && !aged && !self.is_foreign(me) {
            let what = format!("p{me} ({call}) removes a lock that names no owner, in its grace");
            self.ghost.violated(3, what);
        }
    }

    fn ownerless_since(&self, top: u64) -> Duration {
        let modified = self.world.facts(top).ok().and_then(|facts| facts.modified);
        let since = modified.map(|at| at.duration_since(jiff::Timestamp::UNIX_EPOCH));
        since.and_then(|since| since.try_into().ok()).unwrap_or_default()
    }
}
