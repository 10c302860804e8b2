//! One run: threads take turns as a chooser says, until all are done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use generator::{Generator, Gn};

use super::actors::{self, MAX_HOLD};
use super::ghost::Violation;
use super::machine::{Machine, Phase, State, Status, was_killed};
use super::mutant::Mutant;
use super::scenario::Scenario;
use super::world::Process;

/// What the scheduler can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A thread makes its call.
    Run(usize),
    /// A thread's call fails with this error number.
    Fail(usize, i32),
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
            match event {
                Event::Run(thread) => {
                    state.current = thread;
                    drop(state);
                    threads[thread].resume();
                }
                Event::Fail(thread, code) => {
                    state.budget.faults -= 1;
                    state.current = thread;
                    state.threads[thread].fault = Some(code);
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

impl State {
    fn can_run(&self, thread: usize) -> bool {
        let of = &self.threads[thread];
        let process = &self.processes[of.process];
        let awake = match of.status {
            Status::Ready(_) => true,
            Status::Sleeping { until, seen } => {
                seen != self.awaited(of.process)
                    || until.is_some_and(|until| until <= self.world.now)
            }
            Status::Tending { until } => {
                until.is_some_and(|until| until <= self.world.now)
                    || !process.charges.is_empty()
                    || self.is_last_of_its_process(thread)
            }
            Status::Done => false,
        };
        awake && of.phase == self.phase && !process.stopped && !process.dead
    }

    fn is_last_of_its_process(&self, thread: usize) -> bool {
        let process = self.threads[thread].process;
        self.threads.iter().enumerate().all(|(other, of)| {
            other == thread || of.process != process || of.status == Status::Done
        })
    }

    /// The threads that can go on, the current one first.
    fn runnable(&self) -> Vec<usize> {
        let others = (0..self.threads.len()).filter(|&thread| thread != self.current);
        [self.current].into_iter().chain(others).filter(|&thread| self.can_run(thread)).collect()
    }

    /// Nobody can go on: time passes, who is stopped is continued, or the next phase begins.
    fn move_on(&mut self) -> bool {
        let waits = |thread: &&super::machine::Thread| {
            thread.phase == self.phase && thread.status != Status::Done
        };
        let waiting = |thread: &&super::machine::Thread| {
            let process = &self.processes[thread.process];
            waits(thread) && !process.stopped && !process.dead
        };
        let wake = self.threads.iter().filter(waiting).filter_map(|thread| match thread.status {
            Status::Sleeping { until, .. } | Status::Tending { until } => until,
            Status::Ready(_) | Status::Done => None,
        });
        if let Some(wake) = wake.min() {
            self.world.now = self.world.now.max(wake);
            return true;
        }
        let stopped = self.processes.iter_mut().filter(|process| process.stopped);
        let mut continued = false;
        for process in stopped {
            process.stopped = false;
            continued = true;
        }
        if continued {
            self.tell_all("who was stopped goes on");
            return true;
        }
        if self.threads.iter().any(|thread| waits(&thread) && !self.processes[thread.process].dead)
        {
            self.ghost.violated(6, "everybody waits for ever");
            return false;
        }
        self.phase = match self.phase {
            Phase::Before => Phase::Main,
            Phase::Main => {
                // Nobody outlives the program that it runs.
                (0..self.processes.len() - 1).for_each(|process| self.kill(process));
                Phase::After
            }
            Phase::After => return false,
        };
        // Nobody is preempted by the first of them.
        self.current = self.threads.len() - 1;
        true
    }

    /// What can happen next. The first is what happens if nothing is chosen.
    fn events(&self, runnable: &[usize]) -> Vec<Event> {
        let stays = self.budget.preemptions == Some(0) && runnable[0] == self.current;
        let threads = if stays { &runnable[..1] } else { runnable };
        let mut events: Vec<_> = threads.iter().map(|&thread| Event::Run(thread)).collect();
        if self.budget.faults > 0 {
            for &thread in threads {
                if let Status::Ready(call) = self.threads[thread].status {
                    events.extend(errors_of(call).iter().map(|&code| Event::Fail(thread, code)));
                }
            }
        }
        let alive = || {
            (0..self.processes.len()).filter(|&process| {
                let unfinished = self.threads.iter().any(|thread| {
                    thread.process == process
                        && thread.phase == Phase::Main
                        && thread.status != Status::Done
                });
                !self.processes[process].dead && unfinished
            })
        };
        if self.budget.crashes > 0 {
            events.extend(alive().map(Event::Crash));
        }
        if self.budget.stops > 0 {
            let running = alive().filter(|&process| !self.processes[process].stopped);
            events.extend(running.map(Event::Stop));
        }
        if self.budget.jumps > 0 {
            events.push(Event::Jump);
        }
        events
    }

    /// The same as [`note`](Self::note), of another process than the current one.
    fn note_of(&mut self, process: Process, what: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("p{process} {what}"));
        }
    }

    fn tell_all(&mut self, what: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.push(what.to_owned());
        }
    }
}

/// How a call can fail.
fn errors_of(call: &str) -> &'static [i32] {
    const EINTR: i32 = 4;
    const EIO: i32 = 5;
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    const ENOLCK: i32 = 37;
    const ESTALE: i32 = 116;
    match call {
        "open" | "open_dir" => &[EIO, EMFILE, ESTALE, EINTR],
        "create_unnamed" | "create_new" | "create_dir" => &[EIO, EMFILE, ENOSPC, EINTR],
        "write" => &[EIO, ENOSPC],
        "link_unnamed" | "link" | "rename_new" | "rename" => &[EIO, ENOSPC, ESTALE],
        "remove" | "remove_link" | "remove_dir" => &[EIO, EINTR],
        "stat" | "facts" | "read" | "list" | "is_dangling" => &[EIO, ESTALE],
        "lock owner byte" | "lock binding byte" => &[ENOLCK],
        "probe" => &[EIO],
        _ => &[],
    }
}
