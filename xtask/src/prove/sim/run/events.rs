//! What can happen next.

use std::io;

use lock_core::filesystem::FsClass;

use super::super::state::{Fault, Phase, State, Status, Thread};
use super::super::world::Process;
use super::Event;

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

    pub(crate) fn is_last_of_its_process(&self, thread: usize) -> bool {
        let process = self.threads[thread].process;
        self.threads.iter().enumerate().all(|(other, of)| {
            other == thread || of.process != process || of.status == Status::Done
        })
    }

    /// The threads that can go on, the current one first.
    pub(super) fn runnable(&self) -> Vec<usize> {
        let others = (0..self.threads.len()).filter(|&thread| thread != self.current);
        [self.current].into_iter().chain(others).filter(|&thread| self.can_run(thread)).collect()
    }

    /// Nobody can go on: time passes, who is stopped is continued, or the next phase begins.
    pub(super) fn move_on(&mut self) -> bool {
        let waits = |thread: &&Thread| thread.phase == self.phase && thread.status != Status::Done;
        let waiting = |thread: &&Thread| {
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
                self.end = Some(self.outcome());
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

    pub(super) fn gives_turn(&mut self, thread: usize) {
        self.current = thread;
        let now = self.world.now;
        let process = &mut self.processes[self.threads[thread].process];
        process.turns += 1;
        process.born.get_or_insert(now);
    }

    /// What can happen next. The first is what happens if nothing is chosen.
    pub(super) fn events(&self, runnable: &[usize]) -> Vec<Event> {
        let stays = self.budget.preemptions == Some(0) && runnable[0] == self.current;
        // In between its calls in passing, nothing befalls anybody else.
        let concerns = |thread: usize| self.in_passing.is_none_or(|passing| passing == thread);
        let threads: Vec<_> = if stays { &runnable[..1] } else { runnable }
            .iter()
            .copied()
            .filter(|&thread| concerns(thread))
            .filter(|&thread| !self.is_stood_for(self.threads[thread].process))
            .collect();
        let mut events: Vec<_> = threads.iter().map(|&thread| Event::Run(thread)).collect();
        if self.budget.faults > 0 {
            for &thread in &threads {
                if let Status::Ready(call) = self.threads[thread].status {
                    let faults = faults_of(call, self.fs.class);
                    events.extend(faults.iter().map(|&fault| Event::Fail(thread, fault)));
                }
            }
        }
        let alive = || {
            (0..self.processes.len()).filter(|&process| {
                let unfinished = self.threads.iter().enumerate().any(|(number, thread)| {
                    concerns(number)
                        && thread.process == process
                        && thread.phase == Phase::Main
                        && thread.status != Status::Done
                });
                !self.processes[process].dead && unfinished && !self.is_stood_for(process)
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
    pub(super) fn note_of(&mut self, process: Process, what: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("p{process} {what}"));
        }
    }

    pub(super) fn tell_all(&mut self, what: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.push(what.to_owned());
        }
    }
}

/// How a call can fail. One of those that the protocol does not tell apart stands for all: EIO
/// for EMFILE, ENFILE, ENOLCK and the like.
fn faults_of(call: &str, class: FsClass) -> &'static [Fault] {
    const fn before(name: &'static str, kind: io::ErrorKind) -> Fault {
        Fault { name, kind, done: false }
    }
    const EIO: Fault = before("EIO", io::ErrorKind::Other);
    const EINTR: Fault = before("EINTR", io::ErrorKind::Interrupted);
    const EACCES: Fault = before("EACCES", io::ErrorKind::PermissionDenied);
    const ENOSPC: Fault = before("ENOSPC", io::ErrorKind::StorageFull);
    const ESTALE: Fault = before("ESTALE", io::ErrorKind::StaleNetworkFileHandle);
    // The server did it, its answer was lost, and the request was sent again.
    const AGAIN_EEXIST: Fault = Fault {
        name: "EEXIST for its own success",
        kind: io::ErrorKind::AlreadyExists,
        done: true,
    };
    const AGAIN_ENOENT: Fault =
        Fault { name: "ENOENT for its own success", kind: io::ErrorKind::NotFound, done: true };
    match (call, class) {
        ("open" | "open_dir", _) => &[EIO, EACCES, ESTALE, EINTR],
        ("create_unnamed" | "create_new", _) => &[EIO, ENOSPC, EINTR],
        ("write", _) => &[EIO, ENOSPC],
        ("link" | "create_dir", FsClass::Network) => &[EIO, ENOSPC, ESTALE, AGAIN_EEXIST],
        ("remove" | "remove_link" | "remove_dir" | "rename", FsClass::Network) => {
            &[EIO, EACCES, ESTALE, AGAIN_ENOENT]
        }
        ("link_unnamed" | "link" | "rename_new" | "rename" | "create_dir", _) => {
            &[EIO, ENOSPC, ESTALE]
        }
        ("remove" | "remove_link" | "remove_dir", _) => &[EIO, EACCES, EINTR],
        ("stat" | "facts" | "read" | "list" | "is_dangling", _) => &[EIO, ESTALE],
        ("lock owner byte" | "lock binding byte" | "probe", _) => &[EIO],
        _ => &[],
    }
}
