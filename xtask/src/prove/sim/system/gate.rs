//! What keeps the threads of one process apart, in an order that the scheduler decides.

use std::time::Duration;

use lock_core::lockfile::Gate;

use super::super::mutant::Mutant;
use super::super::passing::Touched;
use super::super::state::State;
use super::Simulated;

/// A gate whose order the scheduler decides.
#[derive(Debug)]
pub(super) struct Turnstile {
    pub(super) sys: Simulated,
    pub(super) number: usize,
}

impl Turnstile {
    fn inside<'a>(&self, state: &'a mut State) -> &'a mut Option<usize> {
        &mut state.processes[self.sys.process].gates[self.number]
    }
}

impl Gate for Turnstile {
    fn enter(&self, patience: Duration) -> Option<Duration> {
        let mut started = None;
        loop {
            let Ok(mut state) = self.sys.machine.turn("enter gate") else {
                // Unwinding: whatever is done inside has no effect.
                return Some(patience);
            };
            state.makes("enter gate", &Touched::Own);
            let now = state.world.now;
            let left = patience.saturating_sub(now - *started.get_or_insert(now));
            let me = state.current;
            let open = self.inside(&mut state).is_none() || Mutant::opens_gates(&state);
            state.note("enter gate", u64::from(open));
            if open {
                *self.inside(&mut state) = Some(me);
                return Some(left);
            }
            drop(state);
            if left.is_zero() {
                return None;
            }
            self.sys.machine.sleep(left);
        }
    }

    fn leave(&self) {
        let mut state = self.sys.machine.state();
        *self.inside(&mut state) = None;
    }

    fn is_mine(&self) -> bool {
        let mut state = self.sys.machine.state();
        let me = state.current;
        *self.inside(&mut state) == Some(me)
    }
}
