//! The seam over the simulated machine: what [`lock_core`] calls instead of an operating system.

mod calls;
mod gate;
mod surroundings;

pub(crate) use surroundings::{lock_of, pid};

use std::io;

use lock_core::lockfile::sys::{At, Facts};

use super::machine::Machine;
use super::mutant::Mutant;
use super::passing::Touched;
use super::state::{Fault, State, digest};
use super::world::{Description, Process};

/// The machine, as one of its processes sees it.
#[derive(Clone, Debug)]
pub(crate) struct Simulated {
    machine: Machine,
    process: Process,
}

/// An open file. Closed on drop, which takes a turn where others can tell.
#[derive(Debug)]
pub(crate) struct File {
    machine: Machine,
    description: Description,
}

/// An open directory, or the root of absolute paths.
#[derive(Debug)]
pub(crate) struct Dir(Option<File>);

static ROOT: Dir = Dir(None);

impl Drop for File {
    fn drop(&mut self) {
        let visible = self.machine.state().world.closes_visibly(self.description);
        if visible && let Ok(mut state) = self.machine.turn("close") {
            let inode = state.world.inode_of(self.description);
            state.makes("close", &Touched::Inode(inode));
            state.note("close", 0);
            state.tell(|| "close".to_owned());
        }
        let mut state = self.machine.state();
        Mutant::before_close(&mut state, self.description);
        state.world.close(self.description);
    }
}

/// A result, and what of it the caller sees.
type Answer<T> = io::Result<(T, u64)>;

fn done() -> Answer<()> {
    Ok(((), 0))
}

fn with_digest<T: std::hash::Hash>(value: T) -> (T, u64) {
    let seen = digest(&value);
    (value, seen)
}

fn of_facts(facts: Facts) -> (Facts, u64) {
    let Facts { kind, device, inode, modified } = facts;
    (facts, digest((kind as u8, device, inode, modified)))
}

impl Simulated {
    pub(crate) fn new(machine: &Machine, process: Process) -> Self {
        Self { machine: machine.clone(), process }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Makes a call, when it is this thread's turn.
    pub(crate) fn call<T>(
        &self,
        name: &'static str,
        touches: impl FnOnce(&State) -> Touched,
        what: impl FnOnce() -> String,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> io::Result<T> {
        let mut state = self.machine.turn(name)?;
        let touched = touches(&state);
        state.makes(name, &touched);
        Self::carry_out(state, name, None, what, op)
    }

    /// The same, without a turn where nobody else can see the file.
    fn call_on<T>(
        &self,
        name: &'static str,
        file: &File,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> io::Result<T> {
        let state = self.machine.quietly()?;
        let (inode, mine) = (state.world.inode_of(file.description), self.process);
        let fallible = state.budget.faults > 0;
        let state = if state.world.is_private(file.description) && !fallible {
            state
        } else {
            drop(state);
            let mut state = self.machine.turn(name)?;
            let read = name == "read";
            state.makes(name, &if read { Touched::Content(inode) } else { Touched::Inode(inode) });
            state
        };
        debug_assert_eq!(mine, state.me());
        Self::carry_out(state, name, Some(inode), || format!("of inode {inode}"), op)
    }

    fn carry_out<T>(
        mut state: std::sync::MutexGuard<'_, State>,
        name: &'static str,
        file: Option<u64>,
        what: impl FnOnce() -> String,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> io::Result<T> {
        let before = state.binding();
        let me = state.current;
        let mut answer = op(&mut state);
        if let Some(Fault { name, kind, .. }) = state.threads[me].fault.take() {
            answer = answer.and(Err(io::Error::new(kind, name)));
        }
        let seen = answer.as_ref().map_or_else(|e| digest(e.kind()), |(_, seen)| *seen);
        state.note(name, seen);
        state.tell(|| {
            let error = answer.as_ref().err().map_or(String::new(), |e| format!(": {}", e.kind()));
            format!("{name} {}{error}", what())
        });
        state.check(name, before, file);
        answer.map(|(value, _)| value)
    }

    /// Writes what a mutant put off.
    pub(crate) fn finish_write(&self, file: &File) -> io::Result<()> {
        self.call_on("write", file, |state| {
            let offset = state.world.content(state.world.inode_of(file.description)).0.len();
            let rest = std::mem::take(&mut state.put_off);
            state.append(file.description, offset, &rest);
            done()
        })
    }

    fn file(&self, description: Description) -> File {
        File { machine: self.machine.clone(), description }
    }
}

fn place(at: At<'_, Simulated>) -> String {
    at.name.display().to_string()
}

/// What is made at a place.
fn new(at: &At<'_, Simulated>) -> impl FnOnce(&State) -> Touched {
    |state| Touched::New(dir(state, at), at.name.to_owned())
}

/// What is at a place.
fn named(at: &At<'_, Simulated>) -> impl FnOnce(&State) -> Touched {
    |state| Touched::Named(dir(state, at), at.name.to_owned())
}

/// What others may look at, too.
pub(crate) fn shared(_: &State) -> Touched {
    Touched::Shared
}

/// The directory of a place; `None` is the root of absolute paths.
fn dir(state: &State, at: &At<'_, Simulated>) -> Option<u64> {
    at.dir.0.as_ref().map(|file| state.world.inode_of(file.description))
}
