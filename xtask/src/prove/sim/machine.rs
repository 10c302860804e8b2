//! The simulated machine with processes and threads on it, and the turns they take.
//!
//! Each simulated thread is a coroutine. It gives up its turn before every call that others can
//! see ([`Machine::turn`]), and goes on when the scheduler picks it. All state is here, behind one
//! mutex that nobody holds across a turn.
//!
//! A thread's own state is a function of what it saw, so a process is summed up by its `history`:
//! a hash of everything that its threads saw, in order.

use std::any::Any;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ghost::Ghost;
use super::mutant::Mutant;
use super::scenario::Scenario;
use super::state::{Fault, Phase, ProcessState, State, Status, Thread, digest};
use super::world::{Process, World};

/// How a thread of a killed process ends.
struct Killed;

/// A handle on the machine.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<State>>);

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

impl Machine {
    pub(crate) fn new(scenario: &Scenario, mutant: Option<Mutant>, record: bool) -> Self {
        let threads: Vec<_> = scenario
            .threads()
            .map(|(process, actor)| Thread {
                process,
                phase: actor.phase(),
                status: Status::Ready("start"),
                fault: None,
                bound: None,
                judged: None,
                counted: false,
                leaves_something: false,
                looked: None,
            })
            .collect();
        let process = |number| ProcessState::new(scenario.twin(number));
        let processes = (0..scenario.process_count()).map(process).collect();
        Self(Arc::new(Mutex::new(State {
            world: World::new(),
            threads,
            processes,
            phase: Phase::Before,
            current: 0,
            ghost: Ghost::new(scenario),
            fs: scenario.fs,
            mutant,
            put_off: Vec::new(),
            budget: scenario.budget,
            reduced: scenario.reduced,
            compared: scenario.compared,
            has_passing_calls: scenario.has_passing_calls(),
            in_passing: None,
            over: false,
            steps: 0,
            end: None,
            jumped: Duration::ZERO,
            trace: record.then(Vec::new),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next turn of the calling thread, which then makes one call.
    ///
    /// # Errors
    /// The call fails: the process is dead and only unwinds, or the scheduler said so.
    pub(crate) fn turn(&self, call: &'static str) -> io::Result<MutexGuard<'_, State>> {
        self.give_up_turn(Status::Ready(call))?;
        let mut state = self.state();
        let me = state.current;
        match state.threads[me].fault {
            Some(Fault { name, kind, done: false }) => {
                state.threads[me].fault = None;
                state.counts();
                state.note(call, digest(name));
                state.tell(|| format!("{call} fails: {name}"));
                Err(io::Error::new(kind, name))
            }
            _ => Ok(state),
        }
    }

    /// The same without a turn, for what nobody else can see.
    pub(crate) fn quietly(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if std::thread::panicking() || state.over {
            return Err(io::ErrorKind::Other.into());
        }
        Ok(state)
    }

    /// Sleeps until a time, or until something changes.
    ///
    /// Going on counts: behind it, a change that is undone again would not be noticed.
    pub(crate) fn sleep(&self, time: Duration) {
        let status = {
            let state = self.state();
            let until = state.world.now.checked_add(time);
            Status::Sleeping { until, seen: state.awaited(state.me()) }
        };
        if self.give_up_turn(status).is_ok() {
            self.state().counts();
        }
    }

    /// Sleeps as a watchdog does: until a time, a new charge, or until the others are done.
    pub(crate) fn tend_until(&self, until: Option<Duration>) {
        let _ = self.give_up_turn(Status::Tending { until });
    }

    fn give_up_turn(&self, status: Status) -> io::Result<()> {
        let mut state = self.state();
        let me = state.current;
        if std::thread::panicking() || state.over {
            return Err(io::ErrorKind::Other.into());
        }
        state.threads[me].status = status;
        if matches!(status, Status::Ready(_)) && state.goes_on_in_passing() {
            if !state.may_end_here() {
                return Ok(());
            }
            state.in_passing = Some(me);
        }
        drop(state);
        #[expect(deprecated, reason = "the protocol in between cannot pass a scope through")]
        generator::yield_with(());
        let mut state = self.state();
        let now = state.current;
        state.threads[now].counted = false;
        let process = state.threads[now].process;
        if state.over || state.processes[process].dead {
            drop(state);
            resume_unwind(Box::new(Killed));
        }
        Ok(())
    }

    /// Whether there is anything left to do for a process.
    pub(crate) fn is_alive(&self, process: Process) -> bool {
        let state = self.state();
        !state.over && !state.processes[process].dead
    }

    /// The calling process dies, here and now.
    pub(crate) fn die(&self) -> ! {
        let mut state = self.state();
        let process = state.threads[state.current].process;
        state.kill(process);
        drop(state);
        resume_unwind(Box::new(Killed));
    }
}

/// Whether a thread ended because it was killed, and not by a failure of its own.
pub(crate) fn was_killed(panic: &(dyn Any + Send)) -> bool {
    panic.is::<Killed>()
}
