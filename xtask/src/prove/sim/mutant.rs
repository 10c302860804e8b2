//! Broken protocols. Each misbehaves below the seam as the protocol above it would if one of its
//! rules were missing; each must be caught, or the simulation proves nothing.

use std::io;
use std::path::Path;

use lock_core::lockfile::sys::{At, Byte, Place, Sys};

use super::state::State;
use super::system::{Dir, File, Simulated};
use super::world::Description;

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Everybody has every binding byte.
    NoBinding,
    /// The threads of a process do not keep out of each other's way.
    NoGate,
    /// Under the binding byte, the earlier look is believed.
    NoRejudge,
    /// Under the binding byte, the path is not compared with the open file.
    NoInodeCheck,
    /// The owner byte is taken only after the record is visible.
    LateOwnerByte,
    /// The file is closed, and its locks dropped, before its name is removed.
    CloseBeforeUnlink,
    /// A directory without an owner is renamed away instead of removed in place.
    RenameOwnerless,
    /// Publication replaces what is there.
    Clobber,
    /// The record is visible before it is complete.
    HalfRecord,
    /// Byte locks belong to the process (`F_SETLK`), not to the open file.
    ProcessLocks,
    /// A sweep does not mind who owns a stage.
    SweepOwned,
}

impl Mutant {
    pub(crate) const ALL: [Self; 11] = [
        Self::NoBinding,
        Self::NoGate,
        Self::NoRejudge,
        Self::NoInodeCheck,
        Self::LateOwnerByte,
        Self::CloseBeforeUnlink,
        Self::RenameOwnerless,
        Self::Clobber,
        Self::HalfRecord,
        Self::ProcessLocks,
        Self::SweepOwned,
    ];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoBinding => "no-binding-byte",
            Self::NoGate => "binding-byte-without-mutex",
            Self::NoRejudge => "no-re-judge",
            Self::NoInodeCheck => "no-inode-check",
            Self::LateOwnerByte => "publish-before-owner-byte",
            Self::CloseBeforeUnlink => "close-before-unlink",
            Self::RenameOwnerless => "ownerless-renamed-away",
            Self::Clobber => "clobbering-publish",
            Self::HalfRecord => "half-written-record",
            Self::ProcessLocks => "process-owned-byte-locks",
            Self::SweepOwned => "sweep-of-owned-stages",
        }
    }

    /// The scenario in which it is hunted, without crashes.
    pub(crate) fn ground(self) -> &'static str {
        match self {
            Self::NoBinding | Self::CloseBeforeUnlink => "file-stale-2",
            Self::NoGate => "file-threads",
            Self::NoRejudge | Self::NoInodeCheck => "file-overdue",
            Self::ProcessLocks => "file-siblings",
            Self::LateOwnerByte | Self::Clobber | Self::HalfRecord => "file-2",
            Self::RenameOwnerless => "dir-ownerless",
            Self::SweepOwned => "dir-sweep",
        }
    }

    fn is(self, state: &State) -> bool {
        state.mutant == Some(self)
    }

    pub(crate) fn instead_of_lock(
        state: &mut State,
        file: Description,
        byte: Byte,
    ) -> Option<bool> {
        let holder = state.world.holder(state.world.inode_of(file), byte);
        let lies = match state.mutant? {
            Self::NoBinding => byte == Byte::Binding,
            Self::LateOwnerByte => byte == Byte::Owner && state.world.is_private(file),
            Self::SweepOwned => byte == Byte::Owner && holder.is_some(),
            Self::ProcessLocks => {
                Self::take_over(state, file);
                false
            }
            _ => false,
        };
        lies.then_some(true)
    }

    /// What one description of a process has locked, all of them have.
    fn take_over(state: &mut State, file: Description) {
        for byte in [Byte::Owner, Byte::Binding] {
            let holder = state.world.holder(state.world.inode_of(file), byte);
            if let Some(other) = holder.filter(|holder| holder.0 == file.0) {
                state.world.unlock(other, byte);
                state.world.try_lock(file, byte);
            }
        }
    }

    pub(crate) fn before_close(state: &mut State, file: Description) {
        if Self::ProcessLocks.is(state) {
            Self::take_over(state, file);
        }
    }

    pub(crate) fn before_unlock(state: &mut State, file: Description) {
        Self::before_close(state, file);
    }

    pub(crate) fn same_owner(state: &State, holder: Description, file: Description) -> bool {
        holder == file || (Self::ProcessLocks.is(state) && holder.0 == file.0)
    }

    pub(crate) fn opens_gates(state: &State) -> bool {
        Self::NoGate.is(state)
    }

    pub(crate) fn clobbers(state: &State) -> bool {
        Self::Clobber.is(state)
    }

    pub(crate) fn clobber(state: &mut State, dir: Option<u64>, name: &Path) {
        if Self::Clobber.is(state) {
            let _ = state.world.remove(dir, name);
        }
    }

    /// The inode that a thread has bound, and believes to be at the path.
    pub(crate) fn instead_of_stat(state: &State) -> Option<u64> {
        let bound = state.threads[state.current].bound;
        bound.filter(|_| Self::NoInodeCheck.is(state))
    }

    /// Whether threads know more than the protocol holds in its hands.
    pub(crate) fn remembers_more(state: &State) -> bool {
        Self::NoRejudge.is(state)
    }

    /// What was read, or would be read again.
    pub(crate) fn content(state: &mut State, inode: u64) -> (Vec<u8>, u64) {
        let (bytes, tag) = state.world.content(inode);
        let now = (bytes.to_vec(), tag);
        if !Self::NoRejudge.is(state) {
            return now;
        }
        let thread = &mut state.threads[state.current];
        match &thread.looked {
            Some((of, earlier)) if *of == inode && thread.bound == Some(inode) => earlier.clone(),
            _ => thread.looked.insert((inode, now)).1.clone(),
        }
    }

    /// How much of a record is written before it is published.
    pub(crate) fn first_part(state: &State, file: Description, length: usize) -> usize {
        let half = Self::HalfRecord.is(state) && state.world.is_private(file);
        if half { length / 2 } else { length }
    }

    /// What was put off until the record is visible.
    pub(crate) fn after_publish(sys: &Simulated, file: &File) -> io::Result<()> {
        let mutant = sys.machine().state().mutant;
        match mutant {
            Some(Self::LateOwnerByte) => sys.try_lock(file, Byte::Owner).map(|_| ()),
            Some(Self::HalfRecord) => sys.finish_write(file),
            _ => Ok(()),
        }
    }

    pub(crate) fn before_remove(sys: &Simulated, file: &File) -> io::Result<()> {
        let mutant = sys.machine().state().mutant;
        if mutant == Some(Self::CloseBeforeUnlink) {
            sys.unlock(file, Byte::Binding)?;
            sys.unlock(file, Byte::Owner)?;
        }
        Ok(())
    }

    /// Whether a directory was renamed away instead of being removed in place.
    pub(crate) fn renames_ownerless(sys: &Simulated, at: At<'_, Simulated>) -> io::Result<bool> {
        let mutant = sys.machine().state().mutant;
        if mutant != Some(Self::RenameOwnerless) || !at.name.ends_with("lock") {
            return Ok(false);
        }
        let root: &Dir = sys.root();
        let grave = at.name.with_file_name(format!(".00000000-{:016x}.lock-tomb", sys.random()));
        let grave = Place { dir: root, name: &grave };
        sys.rename(at, grave)?;
        sys.remove_dir(grave)?;
        Ok(true)
    }
}
