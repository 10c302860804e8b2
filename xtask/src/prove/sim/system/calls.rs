//! Every call of the protocol, on the simulated machine.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::lockfile::Gate;
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Sys};
use lock_core::{Charge, ProcessMark, Watch};

use super::super::mutant::Mutant;
use super::gate::Turnstile;
use super::surroundings::pid;
use super::{
    Dir, File, ROOT, Simulated, dir, done, named, new, of_facts, place, shared, with_digest,
};

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
            new(&at),
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
            named(&at),
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
            named(&at),
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
            named(&at),
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
            shared,
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
            shared,
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
            shared,
            || place(to),
            |state| {
                let (from_dir, to_dir) = (dir(state, &from), dir(state, &to));
                let replace = Mutant::clobbers(state);
                state.world.rename((from_dir, from.name), (to_dir, to.name), replace)?;
                done()
            },
        )
    }

    fn renames_directories(&self) -> bool {
        self.machine.state().fs.renames_directories
    }

    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        self.call(
            "rename",
            shared,
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
            named(&at),
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
            named(&at),
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
            new(&at),
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
            named(&at),
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
            named(&at),
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
