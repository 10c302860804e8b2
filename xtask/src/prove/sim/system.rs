//! The seam over the simulated machine: what [`lock_core`] calls instead of an operating system.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerIdentity, OwnerKind, PidNamespace, Process as Seen, StartTime,
    TimeOffset,
};
use lock_core::lockfile::Gate;
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Sys};
use lock_core::{Charge, Clock, ProcessMark, Watch};

use super::machine::{Machine, State, digest};
use super::mutant::Mutant;
use super::world::{DIRECTORY, Description, LOCK, Process};

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
        what: impl FnOnce() -> String,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> io::Result<T> {
        let state = self.machine.turn(name)?;
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
            self.machine.turn(name)?
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
        let answer = op(&mut state);
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

/// The directory of a place; `None` is the root of absolute paths.
fn dir(state: &State, at: &At<'_, Simulated>) -> Option<u64> {
    at.dir.0.as_ref().map(|file| state.world.inode_of(file.description))
}

impl Sys for Simulated {
    type File = File;
    type Dir = Dir;

    fn root(&self) -> &Dir {
        &ROOT
    }

    fn create_unnamed(&self, at: At<'_, Self>) -> io::Result<File> {
        if !self.machine.state().fs.unnamed {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let process = self.process;
        let fallible = self.machine.quietly()?.budget.faults > 0;
        let state =
            if fallible { self.machine.turn("create_unnamed")? } else { self.machine.quietly()? };
        let description = Self::carry_out(
            state,
            "create_unnamed",
            None,
            || place(at),
            |state| Ok((state.world.create_unnamed(process), 0)),
        )?;
        Ok(self.file(description))
    }

    fn create_new(&self, at: At<'_, Self>) -> io::Result<File> {
        let description = self.call(
            "create_new",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                Ok((state.world.create_new(self.process, dir, at.name)?, 0))
            },
        )?;
        Ok(self.file(description))
    }

    fn open(&self, at: At<'_, Self>, _access: Access) -> io::Result<(File, Facts)> {
        let (description, facts) = self.call(
            "open",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                let (description, facts) = state.world.open(self.process, dir, at.name, false)?;
                Ok(((description, facts), of_facts(facts).1))
            },
        )?;
        Ok((self.file(description), facts))
    }

    fn facts(&self, file: &File) -> io::Result<Facts> {
        self.call_on("facts", file, |state| {
            state.world.facts(state.world.inode_of(file.description)).map(of_facts)
        })
    }

    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts> {
        self.call(
            "stat",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                let number = match Mutant::instead_of_stat(state) {
                    Some(own) => own,
                    None => state.world.resolve(dir, at.name)?,
                };
                state.world.facts(number).map(of_facts)
            },
        )
    }

    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool> {
        self.call(
            "is_dangling",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                let facts = state.world.facts(state.world.resolve(dir, at.name)?)?;
                Ok(with_digest(facts.kind == lock_core::lockfile::sys::FileKind::Symlink))
            },
        )
    }

    fn read(&self, file: &File, limit: usize) -> io::Result<Vec<u8>> {
        self.call_on("read", file, |state| {
            let number = state.world.inode_of(file.description);
            let (mut bytes, tag) = Mutant::content(state, number);
            bytes.truncate(limit);
            Ok((bytes, tag))
        })
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.call_on("write", file, |state| {
            let now = Mutant::first_part(state, file.description, bytes.len());
            state.put_off = bytes[now..].to_vec();
            state.append(file.description, offset, &bytes[..now]);
            done()
        })
    }

    fn try_lock(&self, file: &File, byte: Byte) -> io::Result<bool> {
        let name = match byte {
            Byte::Owner => "lock owner byte",
            Byte::Binding => "lock binding byte",
        };
        self.call_on(name, file, |state| {
            let taken = match Mutant::instead_of_lock(state, file.description, byte) {
                Some(taken) => taken,
                None => state.world.try_lock(file.description, byte),
            };
            if taken && byte == Byte::Binding {
                let (me, inode) = (state.current, state.world.inode_of(file.description));
                state.threads[me].bound = Some(inode);
                state.threads[me].judged = Some(inode);
            }
            Ok(with_digest(taken))
        })
    }

    fn unlock(&self, file: &File, byte: Byte) -> io::Result<()> {
        let name = match byte {
            Byte::Owner => "unlock owner byte",
            Byte::Binding => "unlock binding byte",
        };
        self.call_on(name, file, |state| {
            Mutant::before_unlock(state, file.description);
            if byte == Byte::Binding {
                let me = state.current;
                state.threads[me].bound = None;
            }
            state.world.unlock(file.description, byte);
            done()
        })
    }

    fn is_locked(&self, file: &File, byte: Byte) -> io::Result<bool> {
        self.call_on("probe", file, |state| {
            let number = state.world.inode_of(file.description);
            let holder = state.world.holder(number, byte);
            let locked =
                holder.is_some_and(|holder| !Mutant::same_owner(state, holder, file.description));
            Ok(with_digest(locked))
        })
    }

    fn make_inheritable(&self, _file: &mut File) -> io::Result<()> {
        Ok(())
    }

    fn link_unnamed(&self, file: &File, to: At<'_, Self>) -> io::Result<()> {
        self.call(
            "link_unnamed",
            || place(to),
            |state| {
                let (number, dir) = (state.world.inode_of(file.description), dir(state, &to));
                Mutant::clobber(state, dir, to.name);
                state.world.link(number, dir, to.name)?;
                done()
            },
        )?;
        Mutant::after_publish(self, file)
    }

    fn link(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        self.call(
            "link",
            || place(to),
            |state| {
                let (from_dir, to_dir) = (dir(state, &from), dir(state, &to));
                let number = state.world.resolve(from_dir, from.name)?;
                state.world.link(number, to_dir, to.name)?;
                done()
            },
        )
    }

    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if !self.machine.state().fs.renames {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.call(
            "rename_new",
            || place(to),
            |state| {
                let (from_dir, to_dir) = (dir(state, &from), dir(state, &to));
                let replace = Mutant::clobbers(state);
                state.world.rename((from_dir, from.name), (to_dir, to.name), replace)?;
                done()
            },
        )
    }

    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        self.call(
            "rename",
            || format!("{} to {}", place(from), place(to)),
            |state| {
                let (from_dir, to_dir) = (dir(state, &from), dir(state, &to));
                state.world.rename((from_dir, from.name), (to_dir, to.name), true)?;
                done()
            },
        )
    }

    fn remove(&self, at: At<'_, Self>, file: &File) -> io::Result<()> {
        Mutant::before_remove(self, file)?;
        self.call(
            "remove",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                state.world.remove(dir, at.name)?;
                done()
            },
        )
    }

    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()> {
        self.call(
            "remove_link",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                state.world.remove(dir, at.name)?;
                done()
            },
        )
    }

    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        self.call(
            "create_dir",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                state.world.create_dir(self.process, dir, at.name)?;
                done()
            },
        )
    }

    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Dir> {
        let description = self.call(
            "open_dir",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                let (description, facts) = state.world.open(self.process, dir, at.name, true)?;
                Ok((description, facts.inode))
            },
        )?;
        Ok(Dir(Some(self.file(description))))
    }

    fn dir_facts(&self, dir: &Dir) -> io::Result<Facts> {
        let file = dir.0.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        self.facts(file)
    }

    fn list(&self, dir: &Dir, limit: usize) -> io::Result<Vec<OsString>> {
        let file = dir.0.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        self.call_on("list", file, |state| {
            state.world.list(state.world.inode_of(file.description), limit).map(with_digest)
        })
    }

    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        if Mutant::renames_ownerless(self, at)? {
            return Ok(());
        }
        self.call(
            "remove_dir",
            || place(at),
            |state| {
                let dir = dir(state, &at);
                state.world.remove_dir(dir, at.name)?;
                done()
            },
        )
    }

    fn filesystem(&self, _file: &File) -> Filesystem {
        let class = self.machine.state().fs.class;
        Filesystem { kind: "sim".to_owned(), class, locks_exclude: true }
    }

    fn filesystem_of_new(&self, _file: &File, _facts: &Facts) -> FsClass {
        self.machine.state().fs.class
    }

    fn dir_filesystem(&self, _dir: &Dir) -> Filesystem {
        let class = self.machine.state().fs.class;
        Filesystem { kind: "sim".to_owned(), class, locks_exclude: true }
    }

    fn sleep(&self, time: Duration) {
        self.machine.sleep(time);
    }

    fn process(&self) -> ProcessMark {
        ProcessMark::simulated(pid(self.process))
    }

    fn random(&self) -> u64 {
        self.machine.state().random()
    }

    fn gate(&self) -> Box<dyn Gate> {
        let mut state = self.machine.state();
        let gates = &mut state.processes[self.process].gates;
        gates.push(None);
        Box::new(Turnstile { sys: self.clone(), number: gates.len() - 1 })
    }

    fn look_after(&self, charge: Charge) {
        self.machine.state().processes[self.process].charges.push(charge);
    }

    /// There are no events. Sleepers wake when something changed anyway.
    fn watch(&self, _path: &Path) -> Option<Watch> {
        None
    }
}

/// A gate whose order the scheduler decides.
#[derive(Debug)]
struct Turnstile {
    sys: Simulated,
    number: usize,
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

/// The pid of a process.
pub(crate) fn pid(process: Process) -> u32 {
    100 + process as u32
}

/// Everybody sees all of everybody, at once.
#[derive(Debug)]
pub(crate) struct Identity(pub(crate) Simulated);

fn owner(process: Process) -> OwnerId {
    OwnerId {
        start: Some(StartTime::Ticks { ticks: process as u64, per_second: 100 }),
        boot: BootId::Kernel("boot".to_owned()),
        namespace: Some(PidNamespace { inode: 1, id: None }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::Linux, pid(process))
    }
}

impl OwnerIdentity for Identity {
    fn this_process(&self) -> OwnerId {
        owner(self.0.process)
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        let mut seen = Observed::nothing("simulated");
        let mut state = self.0.machine.state();
        let process = recorded.pid.checked_sub(100).map(|process| process as Process);
        let known = process.and_then(|process| Some((process, state.processes.get(process)?)));
        match known {
            Some((process, known)) if !known.dead => {
                let there = owner(process);
                seen.process = Seen::Running;
                seen.start = there.start;
                seen.time_offset = there.time_offset;
            }
            _ => seen.process = Seen::Gone,
        }
        state.note("observe", u64::from(seen.process == Seen::Running));
        seen
    }
}

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Simulated);

impl Time {
    fn read(&self) -> Duration {
        let mut state = self.0.machine.state();
        let now = state.world.now;
        state.note("clock", digest(now));
        now
    }
}

impl Clock for Time {
    fn wall(&self) -> Timestamp {
        super::world::World::wall(self.read())
    }

    fn monotonic(&self) -> Duration {
        self.read()
    }
}

/// A lock on the machine, as one of its processes uses it.
pub(crate) fn lock_of(
    machine: &Machine,
    process: Process,
    layout: lock_core::lockfile::Layout,
) -> lock_core::LockFile<Simulated> {
    let sys = Simulated::new(machine, process);
    let (identity, time) = (Identity(sys.clone()), Time(sys.clone()));
    let path = Path::new(DIRECTORY).join(LOCK);
    lock_core::LockFile::over(sys, path, layout, Arc::new(identity), Arc::new(time))
}
