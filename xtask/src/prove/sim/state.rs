//! Everything that is in a simulated machine at one moment.
//!
//! A thread's own state is a function of what it saw, so a process is summed up by its `history`:
//! a hash of everything that its threads saw, in order, since they last said what they remember.

mod history;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lock_core::Charge;

use super::ghost::Ghost;
use super::mutant::Mutant;
use super::scenario::{Budget, FileSystem};
use super::system::Simulated;
use super::world::{Process, World};

/// Before, while and after the scheduler has a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Before,
    Main,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Wants to make a call.
    Ready(&'static str),
    /// Goes on at a time, or when what it waits for has changed since it looked.
    Sleeping {
        until: Option<Duration>,
        seen: u64,
    },
    /// A watchdog, until something is due.
    Tending {
        until: Option<Duration>,
    },
    Done,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) kind: io::ErrorKind,
    /// It is done all the same.
    pub(crate) done: bool,
}

pub(crate) struct Thread {
    pub(crate) process: Process,
    pub(crate) phase: Phase,
    pub(crate) status: Status,
    /// How its next call fails.
    pub(crate) fault: Option<Fault>,
    /// The inode whose binding byte it has, and the last one that it had.
    pub(crate) bound: Option<u64>,
    pub(crate) judged: Option<u64>,
    /// Whether it did anything that counts in this turn, and whether its last call left something
    /// behind.
    pub(crate) counted: bool,
    pub(crate) leaves_something: bool,
    /// What it last read, for a mutant that believes it for too long.
    pub(crate) looked: Option<(u64, (Vec<u8>, u64))>,
}

#[derive(Default)]
pub(crate) struct ProcessState {
    pub(crate) dead: bool,
    pub(crate) stopped: bool,
    /// How often it was.
    pub(crate) stops: u8,
    /// Sums up what its threads saw.
    pub(crate) history: u64,
    /// Sums up how it fared.
    fate: u64,
    randoms: u64,
    /// The locks that its watchdog has yet to take over.
    pub(crate) charges: Vec<Charge>,
    /// A guard that its threads share.
    pub(crate) shared: Option<Arc<lock_core::Guard<Simulated>>>,
    /// Who is inside its gates, by the number of the gate.
    pub(crate) gates: Vec<Option<usize>>,
    /// The process before it that does just the same.
    twin: Option<Process>,
    /// How many turns it had, and when the first was.
    pub(crate) turns: u32,
    pub(crate) born: Option<Duration>,
}

impl ProcessState {
    pub(crate) fn new(twin: Option<Process>) -> Self {
        Self { twin, ..Self::default() }
    }
}

pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) threads: Vec<Thread>,
    pub(crate) processes: Vec<ProcessState>,
    pub(crate) phase: Phase,
    /// Whose turn it is.
    pub(crate) current: usize,
    pub(crate) ghost: Ghost,
    pub(crate) fs: FileSystem,
    pub(crate) mutant: Option<Mutant>,
    /// What a mutant has yet to write.
    pub(crate) put_off: Vec<u8>,
    /// What the scheduler may still do.
    pub(crate) budget: Budget,
    /// Whether states that come to the same may pass for one.
    pub(crate) reduced: bool,
    /// Whether how each process fares is a part of the state.
    pub(crate) compared: bool,
    /// Whether calls that nobody could notice are put off until one that counts.
    pub(crate) has_passing_calls: bool,
    /// Its calls so far were made in passing: nobody else gets a turn.
    pub(crate) in_passing: Option<usize>,
    /// Every thread unwinds: nobody wants to know how it goes on.
    pub(crate) over: bool,
    pub(crate) steps: usize,
    /// What it came to, before anybody cleaned up.
    pub(crate) end: Option<u64>,
    /// For how long everybody was held up.
    pub(crate) jumped: Duration,
    /// What happened, if somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

/// One number for whatever can be hashed; the same in every run.
pub(crate) fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl State {
    pub(crate) fn me(&self) -> Process {
        self.threads[self.current].process
    }

    /// Writes the trace, if there is one.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.trace.is_none() {
            return;
        }
        let line = format!("p{} t{}  {}", self.me(), self.current, what());
        self.trace.get_or_insert_default().push(line);
    }

    fn is_done(&self, process: Process) -> bool {
        let mine = |thread: &&Thread| thread.process == process;
        self.threads.iter().filter(mine).all(|thread| thread.status == Status::Done)
    }

    /// Whether what befalls this process next could as well befall its twin: neither has made a
    /// call yet that anybody could notice, so the two differ in nothing but their names.
    pub(crate) fn is_stood_for(&self, process: Process) -> bool {
        let of = &self.processes[process];
        let Some(twin) = of.twin.map(|twin| &self.processes[twin]) else { return false };
        // The first turn only leads up to such a call, if calls are not put off. But whose turn it
        // is counts where there is a bound on preemptions, and tells the two apart.
        let at_once = self.budget.preemptions.is_some() || self.puts_off(process);
        let at_most = if at_once { 0 } else { 1 };
        of.turns <= at_most
            && (of.turns, of.born) == (twin.turns, twin.born)
            && !twin.dead
            && (of.stops, twin.stops) == (0, 0)
    }

    /// What a sleeper of a process may be waiting for: the lock, its own gates and siblings.
    pub(crate) fn awaited(&self, process: Process) -> u64 {
        let of = &self.processes[process];
        let done = |thread: &&Thread| thread.process == process && thread.status == Status::Done;
        let done = self.threads.iter().filter(done).count();
        digest((self.world.lock_digest(self.ghost.layout), &of.gates, of.shared.is_some(), done))
    }

    /// Random bits that depend on nothing but what the process did.
    pub(crate) fn random(&mut self) -> u64 {
        let me = self.me();
        let process = &mut self.processes[me];
        process.randoms += 1;
        digest((me, process.randoms))
    }

    /// A process dies: its threads stop, its open files are closed, its byte locks vanish.
    pub(crate) fn kill(&mut self, process: Process) {
        self.processes[process].dead = true;
        self.processes[process].stopped = false;
        self.world.close_all(process);
        self.ghost.died(process);
    }

    /// Tells how the current process fares: what it gets, what it is told.
    pub(crate) fn fares(&mut self, how: impl Fn() -> String) {
        if self.compared {
            let me = self.me();
            let process = &mut self.processes[me];
            process.fate = digest((process.fate, how()));
        }
        self.tell(how);
    }

    fn fates(&self) -> Vec<u64> {
        self.processes.iter().map(|process| process.fate).collect()
    }

    /// What it all came to, but for names and times, in which chance has a hand.
    pub(crate) fn outcome(&self) -> u64 {
        let dead: Vec<_> = self.processes.iter().map(|process| process.dead).collect();
        digest((self.world.outcome(), dead, self.fates(), self.ghost.outcome(), self.budget))
    }

    /// Everything that decides how this can go on, as one number.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.world.digest().hash(&mut hasher);
        for (number, process) in self.processes.iter().enumerate() {
            // What it saw matters to nobody any more.
            let over = process.dead || self.is_done(number);
            (process.dead, (!over).then_some((process.history, process.stopped))).hash(&mut hasher);
        }
        for thread in &self.threads {
            match thread.status {
                Status::Ready(call) => (0, call).hash(&mut hasher),
                Status::Sleeping { until, seen } => {
                    (1, until, seen != self.awaited(thread.process)).hash(&mut hasher);
                }
                Status::Tending { until } => (3, until).hash(&mut hasher),
                Status::Done => 2.hash(&mut hasher),
            }
        }
        self.ghost.hash(&mut hasher);
        self.compared.then(|| self.fates()).hash(&mut hasher);
        (self.phase, self.budget, self.in_passing).hash(&mut hasher);
        if self.budget.preemptions.is_some() {
            self.current.hash(&mut hasher);
        }
        hasher.finish()
    }
}
