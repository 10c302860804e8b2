//! Staging: a complete record on an inode that nobody sees yet, with its owner byte taken.

use std::io;
use std::path::PathBuf;

use super::bound::OpenDir;
use super::directory::OWNER_FILE;
use super::sys::{Byte, Facts, Place, Sys};
use super::{LockFile, litter};

/// A staged file.
#[derive(Debug)]
pub(super) struct Stage<S: Sys> {
    pub(super) file: S::File,
    pub(super) facts: Facts,
    /// Where it is while it waits; `None` for a file without a name.
    name: Option<PathBuf>,
    /// Whether the owner byte was taken: some file systems have no byte locks.
    pub(super) locked: bool,
}

/// A staged lock directory with its staged record.
#[derive(Debug)]
pub(super) struct DirStage<S: Sys> {
    pub(super) dir: OpenDir<S>,
    pub(super) record: Stage<S>,
    name: PathBuf,
}

impl<S: Sys> Stage<S> {
    /// Stages a file beside the lock. `None`: a sweeper took it for litter; start again.
    pub(super) fn create(lock: &LockFile<S>, unnamed: bool) -> io::Result<Option<Self>> {
        if unnamed {
            match lock.sys().create_unnamed(lock.place()) {
                Ok(file) => return Self::lock(lock, file, None),
                Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
                Err(e) => return Err(e),
            }
        }
        let name = litter::stage_name(lock.sys(), lock.path());
        let file = lock.sys().create_new(lock.at(&name))?;
        let staged = Self::lock(lock, file, Some(name.clone()));
        if !matches!(staged, Ok(Some(_))) {
            // The sweeper may only have looked, or be gone by now. The name is nobody else's.
            let _ = lock.sys().remove_link(lock.at(&name));
        }
        staged
    }

    fn lock(lock: &LockFile<S>, file: S::File, name: Option<PathBuf>) -> io::Result<Option<Self>> {
        let sys = lock.sys();
        let locked = match sys.try_lock(&file, Byte::Owner) {
            Ok(true) => true,
            Ok(false) => return Ok(None),
            // No byte locks here (ENOLCK, EOPNOTSUPP, EINVAL): the record will not claim one.
            Err(_) => false,
        };
        let facts = sys.facts(&file)?;
        Ok(Some(Self { file, facts, name, locked }))
    }

    /// Gives the stage its final name, if that is free. A named stage is gone afterwards,
    /// whatever the outcome.
    pub(super) fn publish(&self, lock: &LockFile<S>, to: Place<'_, S::Dir>) -> io::Result<()> {
        let sys = lock.sys();
        let Some(name) = &self.name else { return sys.link_unnamed(&self.file, to) };
        let from = lock.at(name);
        // SMB makes a linked file unopenable on the same mount, so renaming comes first.
        let published = match sys.rename_file_new(&self.file, from, to) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let linked = sys.link(from, to);
                self.discard(lock);
                return linked;
            }
            published => published,
        };
        if published.is_err() {
            self.discard(lock);
        }
        published
    }

    /// Takes a named stage back.
    pub(super) fn discard(&self, lock: &LockFile<S>) {
        if let Some(name) = &self.name {
            // A failure leaves litter, which sweeps itself once the owner byte is dropped.
            let _ = lock.sys().remove(lock.at(name), &self.file);
        }
    }

    /// Whether the stage has no name, and so may need another way to be published.
    pub(super) fn is_unnamed(&self) -> bool {
        self.name.is_none()
    }
}

impl<S: Sys> DirStage<S> {
    /// Stages a lock directory beside the lock. `None`: swept; start again.
    pub(super) fn create(lock: &LockFile<S>) -> io::Result<Option<Self>> {
        let sys = lock.sys();
        let name = litter::stage_name(lock.sys(), lock.path());
        sys.create_dir(lock.at(&name))?;
        let swept = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        let dir = match sys.open_dir(lock.at(&name)) {
            Err(e) if swept(&e) => return Ok(None),
            dir => dir?,
        };
        let at = Place { dir: &dir, name: OWNER_FILE.as_ref() };
        let staged = match sys.create_new(at) {
            Err(e) if swept(&e) => return Ok(None),
            Err(e) => Err(e),
            Ok(file) => Stage::lock(lock, file, None),
        };
        match staged {
            // A sweeper that had the byte before us took the record, and has yet to take the
            // directory; one that comes now is kept out by the byte.
            Ok(Some(record)) if sys.stat(at).is_ok_and(|seen| seen.same_file(&record.facts)) => {
                let facts = sys.dir_facts(&dir)?;
                Ok(Some(Self { dir: OpenDir { dir, facts }, record, name }))
            }
            other => {
                // As above.
                let _ = sys.remove_link(at);
                let _ = sys.remove_dir(lock.at(&name));
                other.map(|_| None)
            }
        }
    }

    /// Moves the directory to the lock's path, if that is free.
    pub(super) fn publish(&self, lock: &LockFile<S>) -> io::Result<()> {
        lock.sys().rename_new(lock.at(&self.name), lock.place())
    }

    /// Takes the staged directory back.
    pub(super) fn discard(&self, lock: &LockFile<S>) {
        // As above: what stays is swept later.
        let _ = lock.clear(&self.dir, &self.name, &self.record.file, &self.record.facts);
    }
}
