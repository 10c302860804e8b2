//! What the threads do, over the real protocol.

mod ends;
mod openclaw;

use std::cell::Cell;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use lock_core::lockfile::{Layout, SectionError, Stamp};
use lock_core::policy::{Disposition, Policy};
use lock_core::record::Dialect;
use lock_core::{AcquireError, Acquisition, Charge, Guard, LockFile, Request, Step};

use super::machine::Machine;
use super::scenario::{Actor, Scenario};
use super::system::{Simulated, lock_of};
use super::world::{DIRECTORY, LOCK, Process};

/// How long a holder promises to hold at most. A jump is longer.
pub(crate) const MAX_HOLD: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_millis(300);
/// How long a waiter may be late: it naps between its looks.
const SLACK: Duration = Duration::from_secs(1);

fn policy(promises: bool) -> Policy {
    Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Report,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: if promises { Disposition::Reclaim } else { Disposition::Ignore },
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    }
}

/// One thread.
struct Player {
    machine: Machine,
    sys: Simulated,
    process: Process,
    lock: LockFile<Simulated>,
    promises: bool,
    lock_is_directory: bool,
    /// How often it has set out to take the lock.
    round: Cell<u8>,
}

fn lock_path() -> PathBuf {
    Path::new(DIRECTORY).join(LOCK)
}

/// Runs a thread to its end.
pub(crate) fn play(machine: Machine, scenario: &Scenario, process: Process, actor: Actor) {
    let player = Player {
        sys: Simulated::new(&machine, process),
        lock: lock_of(&machine, process, scenario.layout),
        machine,
        process,
        promises: scenario.promises,
        lock_is_directory: scenario.layout == Layout::Directory,
        round: Cell::new(0),
    };
    match actor {
        Actor::Locker(rounds) => (0..rounds).for_each(|_| player.take_once(false)),
        Actor::Renewer => player.take_once(true),
        Actor::Sharer => player.share(),
        Actor::Helper => player.help(),
        Actor::Sweeper => player.sweep(),
        Actor::OpenClaw => player.follow_other_rules(),
        Actor::Watchdog => player.watch(),
        Actor::DiesHolding => {
            let guard = player.acquire();
            let _kept = guard;
            player.machine.die();
        }
        Actor::LeavesOwnerless | Actor::LeavesDangling | Actor::LeavesEmpty => player.leave(actor),
        Actor::Janitor => player.clean_up(),
    }
}

impl Player {
    /// What the protocol holds in its hands just now, whatever led to it.
    fn remembers(&self, what: &dyn Debug) {
        self.machine.state().remembers(format_args!("{} {what:?}", self.round.get()));
    }

    fn stamp(&self) -> Stamp {
        let dialect = if self.promises {
            Dialect::Session { max_hold: MAX_HOLD }
        } else {
            Dialect::RuntimeDeps
        };
        Stamp { dialect, label: None, inheritable: false }
    }

    fn acquire(&self) -> Option<Guard<Simulated>> {
        let request = Request {
            stamp: self.stamp(),
            policy: policy(self.promises),
            timeout: Some(TIMEOUT),
            reentrant: false,
            fail_when_stale: false,
        };
        // Who is held up or stopped is not waiting.
        let clocks = || {
            let state = self.machine.state();
            (state.world.now - state.jumped, state.processes[self.process].stops)
        };
        let start = clocks();
        let mut acquisition = Acquisition::new(self.lock.clone(), request);
        let had = loop {
            match acquisition.step_telling(|in_hand| self.remembers(&(start, in_hand))) {
                Ok(Step::Acquired(guard)) => break Ok(guard),
                Ok(Step::Wait(pause)) => {
                    self.remembers(&(start, &acquisition, &pause));
                    let woken = pause.block(&self.sys);
                    acquisition.resume(woken);
                }
                Err(error) => break Err(error),
            }
        };
        let end = clocks();
        let mut state = self.machine.state();
        let waited = end.0 - start.0;
        if waited > TIMEOUT + SLACK && start.1 == end.1 {
            state.ghost.violated(6, format!("waited {waited:?} of at most {TIMEOUT:?}"));
        }
        match had {
            Ok(guard) => {
                state.fares(|| "acquired".to_owned());
                state.acquired(guard.record().id.as_deref());
                drop(state);
                self.remembers(&guard.record());
                Some(guard)
            }
            Err(error) => {
                state.fares(|| match &error {
                    AcquireError::Lock(error) => format!("not acquired: {error:?}"),
                    AcquireError::Contended(what) => {
                        format!("not acquired: {:?} {:?}", what.assessment.verdict, what.obstacle)
                    }
                });
                state.gave_up();
                None
            }
        }
    }

    /// A fenced write: three steps that nobody may interrupt.
    fn write(&self, guard: &Guard<Simulated>) {
        let id = guard.record().id.clone();
        let wrote = guard.section(TIMEOUT, || {
            for (step, writing) in [("write a", true), ("write b", true), ("write c", false)] {
                let Ok(mut state) = self.machine.turn(step) else { return };
                state.counts();
                state.note(step, 0);
                state.tell(|| step.to_owned());
                state.writes(id.as_deref(), writing);
            }
        });
        let mut state = self.machine.state();
        state.fares(|| format!("section: {wrote:?}"));
        if let Err(SectionError::Nested | SectionError::Forked) = wrote {
            state.ghost.violated(5, format!("a section of its own is refused: {wrote:?}"));
        }
    }

    fn release(&self, guard: Guard<Simulated>) {
        let id = guard.record().id.clone();
        self.machine.state().releasing(id.as_deref());
        let outcome = guard.release();
        self.machine.state().released(id.as_deref(), &outcome);
    }

    fn take_once(&self, renew: bool) {
        self.round.set(self.round.get() + 1);
        self.remembers(&());
        let Some(guard) = self.acquire() else { return };
        if renew {
            let renewed = guard.extend(MAX_HOLD * 3);
            self.machine.state().tell(|| format!("extend: {renewed:?}"));
        }
        self.write(&guard);
        self.release(guard);
    }

    fn share(&self) {
        let Some(guard) = self.acquire() else { return };
        let guard = Arc::new(guard);
        {
            let mut state = self.machine.state();
            state.processes[self.process].shared = Some(Arc::clone(&guard));
        }
        self.write(&guard);
        drop(self.machine.state().processes[self.process].shared.take());
        let mut guard = guard;
        loop {
            match Arc::try_unwrap(guard) {
                Ok(guard) => return self.release(guard),
                Err(shared) => guard = shared,
            }
            if self.machine.turn("wait for helpers").is_err() {
                return;
            }
            if Arc::strong_count(&guard) > 1 {
                self.machine.sleep(TIMEOUT);
            }
        }
    }

    fn help(&self) {
        for _ in 0..2 {
            let shared = {
                let Ok(mut state) = self.machine.turn("ask for the guard") else { return };
                let shared = state.processes[self.process].shared.clone();
                state.note("ask for the guard", u64::from(shared.is_some()));
                shared
            };
            if let Some(guard) = shared {
                self.write(&guard);
                drop(guard);
                return;
            }
            self.machine.sleep(TIMEOUT);
        }
    }

    fn sweep(&self) {
        let sweeping = Policy { hold_exceeded: Disposition::Ignore, ..policy(self.promises) };
        let tended = self.lock.tend(&sweeping, true);
        let litter = self.lock.sweep_litter(true).map(|litter| litter.swept.len());
        let tended = tended.map(|swept| (swept.inspection.state(), swept.removed));
        self.machine.state().fares(|| format!("sweep: {tended:?} {litter:?}"));
    }

    /// The same watchdog as everywhere, on this machine's clock.
    fn watch(&self) {
        // Only differences between such times ever matter.
        let start = Instant::now();
        let mut charges: Vec<Charge> = Vec::new();
        loop {
            let (now, alone) = {
                let mut state = self.machine.state();
                charges.append(&mut state.processes[self.process].charges);
                (state.world.now, state.is_last_of_its_process(state.current))
            };
            if alone {
                return;
            }
            let mut next: Option<Instant> = None;
            charges.retain_mut(|charge| {
                let again = charge.tend(start + now, Waker::noop());
                next = next.into_iter().chain(again).min();
                again.is_some()
            });
            self.machine.tend_until(next.map(|at| at - start));
        }
    }
}
