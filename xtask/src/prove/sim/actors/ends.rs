//! Before anybody comes, and after everybody is gone.

use std::time::Duration;

use lock_core::lockfile::Attempt;

use super::super::scenario::Actor;
use super::{Player, lock_path};

/// Longer than every grace.
const LONG_AGO: Duration = Duration::from_secs(3600);

impl Player {
    pub(super) fn leave(&self, what: Actor) {
        let path = lock_path();
        let mut state = self.machine.state();
        let world = &mut state.world;
        let made = match what {
            Actor::LeavesEmpty => {
                world.create_new(self.process, None, &path).map(|file| world.close(file))
            }
            _ => world.create_dir(self.process, None, &path),
        };
        assert!(made.is_ok(), "nothing is there yet");
        if what == Actor::LeavesDangling {
            assert!(world.dangle(self.process, &path.join("owner.json")).is_ok());
        }
        world.now += LONG_AGO;
    }

    /// Whatever happened, one sweep leaves nothing behind, and the lock can be had at once.
    pub(super) fn clean_up(&self) {
        self.machine.state().world.now += LONG_AGO;
        self.sweep();
        let left = self.machine.state().world.paths();
        if !left.is_empty() {
            self.machine
                .state()
                .ghost
                .violated(2, format!("after a sweep there is still {left:?}"));
        }
        match self.lock.attempt(&self.stamp()) {
            Ok(Attempt::Acquired(guard)) => {
                self.machine.state().acquired(guard.record().id.as_deref());
                self.release(guard);
            }
            not => {
                let what = format!("after everybody is gone the lock cannot be had: {not:?}");
                self.machine.state().ghost.violated(2, what);
            }
        }
        let left = self.machine.state().world.paths();
        if !left.is_empty() {
            self.machine.state().ghost.violated(2, format!("a release leaves {left:?}"));
        }
    }
}
