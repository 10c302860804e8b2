//! The simulated machine with processes and threads on it, and the turns they take.
//!
//! Each simulated thread is a coroutine. It gives up its turn before every call that others can
//! see ([`Machine::turn`]), and goes on when the scheduler picks it. All state is here, behind one
//! mutex that nobody holds across a turn.
//!
//! A thread's own state is a function of what it saw, so a process is summed up by its `history`:
//! a hash of everything that its threads saw, in order.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lock_core::Charge;

use super::ghost::Ghost;
use super::mutant::Mutant;
use super::scenario::{Budget, FileSystem, Scenario};
use super::system::Simulated;
use super::world::{Description, Process, World};

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

pub(crate) struct Thread {
    pub(crate) process: Process,
    pub(crate) phase: Phase,
    pub(crate) status: Status,
    /// How its next call fails.
    pub(crate) fault: Option<i32>,
    /// The inode whose binding byte it has, and the last one that it had.
    pub(crate) bound: Option<u64>,
    pub(crate) judged: Option<u64>,
    /// What it last read, for a mutant that believes it for too long.
    pub(crate) looked: Option<(u64, (Vec<u8>, u64))>,
}

#[derive(Default)]
pub(crate) struct ProcessState {
    pub(crate) dead: bool,
    pub(crate) stopped: bool,
    /// Sums up what its threads saw.
    pub(crate) history: u64,
    randoms: u64,
    /// The locks that its watchdog has yet to take over.
    pub(crate) charges: Vec<Charge>,
    /// A guard that its threads share.
    pub(crate) shared: Option<Arc<lock_core::Guard<Simulated>>>,
    /// Who is inside its gates, by the number of the gate.
    pub(crate) gates: Vec<Option<usize>>,
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
    /// Every thread unwinds: nobody wants to know how it goes on.
    pub(crate) over: bool,
    pub(crate) steps: usize,
    /// For how long everybody was held up.
    pub(crate) jumped: Duration,
    /// What happened, if somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

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

/// One number for whatever can be hashed; the same in every run.
pub(crate) fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
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
                looked: None,
            })
            .collect();
        let processes = (0..scenario.process_count()).map(|_| ProcessState::default()).collect();
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
            over: false,
            steps: 0,
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
        match state.threads[me].fault.take() {
            None => Ok(state),
            Some(code) => {
                let error = io::Error::from_raw_os_error(code);
                state.note(call, digest(code));
                state.tell(|| format!("{call} fails: {error}"));
                Err(error)
            }
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
    pub(crate) fn sleep(&self, time: Duration) {
        let status = {
            let state = self.state();
            let until = state.world.now.checked_add(time);
            Status::Sleeping { until, seen: state.awaited(state.me()) }
        };
        let _ = self.give_up_turn(status);
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
        drop(state);
        #[expect(deprecated, reason = "the protocol in between cannot pass a scope through")]
        generator::yield_with(());
        let state = self.state();
        let process = state.threads[state.current].process;
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

impl State {
    pub(crate) fn me(&self) -> Process {
        self.threads[self.current].process
    }

    /// Remembers what the current thread saw.
    pub(crate) fn note(&mut self, call: &'static str, seen: u64) {
        let (me, now) = (self.me(), self.current);
        let process = &mut self.processes[me];
        process.history = digest((process.history, now, call, seen));
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

    /// Writes at the end of a file.
    pub(crate) fn append(&mut self, file: Description, offset: usize, bytes: &[u8]) {
        let tag = digest((self.processes[self.me()].history, self.current, offset, bytes.len()));
        let number = self.world.inode_of(file);
        self.world.write(number, offset, bytes, tag);
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
        (self.phase, self.budget).hash(&mut hasher);
        if self.budget.preemptions.is_some() {
            self.current.hash(&mut hasher);
        }
        hasher.finish()
    }
}
