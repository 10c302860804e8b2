//! One run: threads take turns as a chooser says, until all are done.

mod events;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use generator::{Generator, Gn};

use super::actors::{self, MAX_HOLD};
use super::ghost::Violation;
use super::machine::{Machine, was_killed};
use super::mutant::Mutant;
use super::scenario::Scenario;
use super::state::{Fault, Phase, State, Status};
use super::world::Process;

/// What the scheduler can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A thread makes its call.
    Run(usize),
    /// A thread's call fails.
    Fail(usize, Fault),
    /// A process is killed.
    Crash(Process),
    /// A process is stopped.
    Stop(Process),
    /// Everybody is held up for longer than a holder promises to hold.
    Jump,
}

/// Decides what happens next.
pub(crate) trait Chooser {
    /// The number of one of the events, of which there are at least two. `None`: nobody wants to
    /// know how this goes on.
    fn choose(&mut self, state: &State, events: &[Event]) -> Option<usize>;
}

/// How a run went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<Violation>,
    pub(crate) steps: usize,
    /// The state in which everybody was done or dead, if it came to that.
    pub(crate) end: Option<u64>,
    pub(crate) trace: Vec<String>,
}

/// No run of ours is nearly as long.
const TOO_LONG: usize = 20_000;
/// In words: a debug build needs some.
const STACK: usize = 32 * 1024;

/// Runs scenarios, on stacks that are used again.
#[derive(Default)]
pub(crate) struct Runner {
    spare: Vec<Generator<'static, (), ()>>,
}

impl Runner {
    pub(crate) fn run(
        &mut self,
        scenario: &Scenario,
        mutant: Option<Mutant>,
        chooser: &mut dyn Chooser,
        record: bool,
    ) -> Outcome {
        let machine = Machine::new(scenario, mutant, record);
        let mut threads: Vec<_> = scenario
            .threads()
            .map(|(process, actor)| self.thread(&machine, scenario, process, actor))
            .collect();
        while let Some(event) = next(&machine, chooser) {
            let mut state = machine.state();
            state.steps += 1;
            state.in_passing = None;
            match event {
                Event::Run(thread) => {
                    state.gives_turn(thread);
                    drop(state);
                    threads[thread].resume();
                }
                Event::Fail(thread, fault) => {
                    state.budget.faults -= 1;
                    state.gives_turn(thread);
                    state.threads[thread].fault = Some(fault);
                    drop(state);
                    threads[thread].resume();
                }
                Event::Crash(process) => {
                    state.budget.crashes -= 1;
                    state.note_of(process, "is killed");
                    state.kill(process);
                    let mine = |thread: &usize| state.threads[*thread].process == process;
                    let dying: Vec<_> = (0..threads.len()).filter(mine).collect();
                    drop(state);
                    for thread in dying {
                        finish(&machine, &mut threads, thread);
                    }
                }
                Event::Stop(process) => {
                    state.budget.stops -= 1;
                    state.note_of(process, "is stopped");
                    state.processes[process].stopped = true;
                    state.processes[process].stops += 1;
                }
                Event::Jump => {
                    state.budget.jumps -= 1;
                    let jump = MAX_HOLD + Duration::from_secs(1);
                    state.world.now += jump;
                    state.jumped += jump;
                    state.tell_all("everybody is held up for a long time");
                }
            }
        }
        machine.state().over = true;
        for thread in 0..threads.len() {
            finish(&machine, &mut threads, thread);
        }
        self.spare.append(&mut threads);
        let mut state = machine.state();
        // They hold the machine that holds them.
        let kept: Vec<_> = state
            .processes
            .iter_mut()
            .map(|process| (process.shared.take(), std::mem::take(&mut process.charges)))
            .collect();
        let outcome = Outcome {
            violations: std::mem::take(&mut state.ghost.violations),
            steps: state.steps,
            end: state.end,
            trace: state.trace.take().unwrap_or_default(),
        };
        drop(state);
        drop(kept);
        outcome
    }

    fn thread(
        &mut self,
        machine: &Machine,
        scenario: &Scenario,
        process: Process,
        actor: super::scenario::Actor,
    ) -> Generator<'static, (), ()> {
        let (machine, scenario) = (machine.clone(), scenario.clone());
        let body = move || {
            let played = catch_unwind(AssertUnwindSafe(|| {
                // It may be killed before it did anything.
                if machine.is_alive(process) {
                    actors::play(machine.clone(), &scenario, process, actor);
                }
            }));
            let mut state = machine.state();
            let me = state.current;
            state.threads[me].status = Status::Done;
            if let Err(panic) = played
                && !was_killed(&*panic)
            {
                state.ghost.violated(6, "a thread panics");
            }
        };
        match self.spare.pop() {
            Some(mut spare) => {
                spare.init_code(body);
                spare
            }
            None => Gn::new_opt(STACK, body),
        }
    }
}

/// Lets a thread unwind.
fn finish(machine: &Machine, threads: &mut [Generator<'static, (), ()>], thread: usize) {
    let mut state = machine.state();
    let before = std::mem::replace(&mut state.current, thread);
    drop(state);
    while !threads[thread].is_done() {
        threads[thread].resume();
    }
    machine.state().current = before;
}

/// What happens next; `None`: everybody is done, or nobody can go on.
fn next(machine: &Machine, chooser: &mut dyn Chooser) -> Option<Event> {
    let mut state = machine.state();
    if state.steps > TOO_LONG {
        state.ghost.violated(6, "this goes on and on");
        return None;
    }
    loop {
        let runnable = state.runnable();
        if runnable.is_empty() {
            if !state.move_on() {
                return None;
            }
            continue;
        }
        if state.phase != Phase::Main {
            return Some(Event::Run(runnable[0]));
        }
        let events = state.events(&runnable);
        let chosen = match events.len() {
            1 => 0,
            _ => chooser.choose(&state, &events)?,
        };
        let event = events[chosen.min(events.len() - 1)];
        if let (Some(left), Event::Run(thread)) = (state.budget.preemptions, event)
            && thread != state.current
            && runnable.contains(&state.current)
        {
            state.budget.preemptions = Some(left.saturating_sub(1));
        }
        return Some(event);
    }
}
