//! What holders say: that they have a lock, write under it, let go of it. It must fit what is.

use lock_core::ReleaseOutcome;

use super::super::state::State;
use super::Hold;

impl State {
    /// A guard was handed out.
    pub(crate) fn acquired(&mut self, id: Option<&str>) {
        self.counts();
        match self.ghost.named(id) {
            Some(hold) if !hold.released => hold.returned = true,
            _ => self.ghost.violated(1, "a guard without a record of its own"),
        }
    }

    /// The current thread did not get the lock. What it may have published is not held.
    pub(crate) fn gave_up(&mut self) {
        self.counts();
        let me = self.current;
        let unfinished = |hold: &&mut Hold| hold.thread == me && !hold.returned && !hold.released;
        self.ghost.holds.iter_mut().filter(unfinished).for_each(|hold| hold.released = true);
    }

    /// OpenClaw has the lock, or lets go of it.
    pub(crate) fn foreign_hold(&mut self, released: bool) {
        self.counts();
        if let Some(inode) = self.binding().record
            && let Some(hold) = self.ghost.at(inode)
        {
            hold.returned = true;
            hold.released = released;
        }
    }

    /// The holder begins to let go.
    pub(crate) fn releasing(&mut self, id: Option<&str>) {
        self.counts();
        if let Some(hold) = self.ghost.named(id) {
            hold.released = true;
        }
    }

    /// The holder was told how that ended.
    pub(crate) fn released(&mut self, id: Option<&str>, outcome: &ReleaseOutcome) {
        self.counts();
        self.fares(|| format!("release: {outcome:?}"));
        let Some(hold) = self.ghost.named(id).map(|hold| hold.clone()) else { return };
        match outcome {
            ReleaseOutcome::Released if hold.lost => {
                self.ghost.violated(5, "the release of a lost lock says that all was well");
            }
            ReleaseOutcome::Released if hold.bound => {
                self.ghost.violated(2, "a released lock is still there");
            }
            ReleaseOutcome::Lost if !hold.lost => {
                let over = hold.until.is_some_and(|until| self.world.now > until);
                if !over && !hold.late {
                    self.ghost.violated(5, "a lock that nobody took is said to be lost");
                }
            }
            ReleaseOutcome::Abandoned(error) if hold.bound && !self.ghost.may_abandon => {
                self.ghost.violated(6, format!("a release gave up: {error}"));
            }
            _ => {}
        }
        self.ghost.holds.retain(|other| other.id != hold.id || other.bound);
    }

    /// The holder is inside a write section: at its beginning, in its middle, at its end.
    pub(crate) fn writes(&mut self, id: Option<&str>, writing: bool) {
        let record = self.binding().record;
        let Some(hold) = self.ghost.named(id) else {
            self.ghost.violated(5, "a fenced write by nobody");
            return;
        };
        hold.writing = writing;
        let (process, held) = (hold.process, hold.bound && record == Some(hold.inode));
        if !held {
            self.ghost.violated(5, format!("p{process} writes under a lock that it lost"));
        }
        if self.ghost.holds.iter().filter(|hold| hold.writing).count() > 1 {
            self.ghost.violated(1, "two holders write at once");
        }
    }
}
