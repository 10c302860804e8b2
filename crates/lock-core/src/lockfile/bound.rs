//! What a lock's path is bound to, pinned by open descriptors: opening, checking, removing.

use std::io;
use std::path::Path;

use super::directory::{Layout, OWNER_FILE};
use super::sys::{Access, Facts, FileKind, Place, Sys};
use super::{LockFile, litter};
use crate::error::LockError;
use crate::filesystem::{Filesystem, FsClass};
use crate::record::MAX_LEN;

/// An open lock directory.
#[derive(Debug)]
pub(super) struct OpenDir<S: Sys> {
    pub(super) dir: S::Dir,
    pub(super) facts: Facts,
}

/// What was found at a lock's path.
#[derive(Debug)]
pub(super) enum Bound<S: Sys> {
    /// A record file, and for the directory layout the directory it is in.
    File { dir: Option<OpenDir<S>>, file: S::File, facts: Facts },
    /// A lock directory without a record in it: nothing, or a link that leads nowhere.
    Ownerless { dir: OpenDir<S>, link: Option<Facts> },
    /// Something is there that this process may not open.
    Opaque { error: io::Error },
}

impl<S: Sys> Bound<S> {
    /// Opens what is at the lock's path. `None`: nothing.
    pub(super) fn open(lock: &LockFile<S>, access: Access) -> Result<Option<Self>, LockError> {
        let sys = lock.sys();
        let dir = match lock.inner.layout {
            Layout::File => None,
            Layout::Directory => match sys.open_dir(lock.place()) {
                Ok(dir) => {
                    let facts = sys.dir_facts(&dir).map_err(LockError::io("read", lock.path()))?;
                    Some(OpenDir { dir, facts })
                }
                Err(e) => return Self::cannot_open(lock, lock.place(), e),
            },
        };
        let at = record_place(lock, dir.as_ref());
        let error = match sys.open(at, access) {
            Ok((file, facts)) => return Ok(Some(Self::File { dir, file, facts })),
            Err(error) => error,
        };
        if dir.is_none() {
            return Self::cannot_open(lock, at, error);
        }
        let link = match error.kind() {
            io::ErrorKind::NotFound => None,
            io::ErrorKind::InvalidInput if sys.is_dangling(at).unwrap_or(false) => {
                sys.stat(at).ok().filter(|facts| facts.kind == FileKind::Symlink)
            }
            _ => return Self::cannot_open(lock, at, error),
        };
        Ok(dir.map(|dir| Self::Ownerless { dir, link }))
    }

    fn cannot_open(
        lock: &LockFile<S>,
        at: Place<'_, S::Dir>,
        error: io::Error,
    ) -> Result<Option<Self>, LockError> {
        match error.kind() {
            io::ErrorKind::NotFound => Ok(None),
            io::ErrorKind::InvalidInput => match lock.sys().stat(at) {
                // It changed hands between the two looks: as good as gone.
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(LockError::io("look at", lock.path())(e)),
                // Joining an absolute name is that name.
                Ok(facts) => {
                    Err(LockError::NotALock { path: lock.path().join(at.name), kind: facts.kind })
                }
            },
            // Somebody else's file: it may well be a live lock, so it is waited for. Any other
            // failure (EMFILE, EIO, ESTALE) must not pass for a missing record.
            io::ErrorKind::PermissionDenied => Ok(Some(Self::Opaque { error })),
            // The kernel takes a lease back that a file server gave to a client (an NFS
            // delegation, an oplock): the next look finds it open.
            io::ErrorKind::WouldBlock => Ok(Some(Self::Opaque { error })),
            _ => Err(LockError::io("open", lock.path())(error)),
        }
    }

    /// The record's place.
    pub(super) fn record_place<'a>(&'a self, lock: &'a LockFile<S>) -> Place<'a, S::Dir> {
        match self {
            Self::File { dir, .. } => record_place(lock, dir.as_ref()),
            Self::Ownerless { dir, .. } => record_place(lock, Some(dir)),
            Self::Opaque { .. } => lock.place(),
        }
    }

    /// The record file and its facts.
    pub(super) fn file(&self) -> Option<(&S::File, &Facts)> {
        match self {
            Self::File { file, facts, .. } => Some((file, facts)),
            Self::Ownerless { .. } | Self::Opaque { .. } => None,
        }
    }

    /// Whether both are one inode, which each of them pins, so that equal numbers mean it.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { facts: a, .. }, Self::File { facts: b, .. }) => a.same_file(b),
            (Self::Ownerless { dir: a, .. }, Self::Ownerless { dir: b, .. }) => {
                a.facts.same_file(&b.facts)
            }
            _ => false,
        }
    }

    /// The file system, freshly classified.
    pub(super) fn filesystem(&self, lock: &LockFile<S>) -> Filesystem {
        match self {
            Self::File { file, .. } => lock.sys().filesystem(file),
            Self::Ownerless { dir, .. } => lock.sys().dir_filesystem(&dir.dir),
            Self::Opaque { .. } => Filesystem::unknown(),
        }
    }

    /// Whether the path still leads to this very inode. Call with its binding byte held to get
    /// an answer that stays true.
    ///
    /// Off local file systems an inode number can come back under an open descriptor (NFSv3),
    /// and a path can show the old one (9p): there the content, which holds a unique id, is
    /// compared through a fresh open as well.
    pub(super) fn is_current(
        &self,
        lock: &LockFile<S>,
        content: &[u8],
        class: FsClass,
    ) -> io::Result<bool> {
        let sys = lock.sys();
        let leads_to = |at: Place<'_, S::Dir>, facts: &Facts| match sys.stat(at) {
            Ok(seen) => Ok(seen.same_file(facts)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        };
        match self {
            Self::File { dir, facts, .. } => {
                if let Some(dir) = dir
                    && !leads_to(lock.place(), &dir.facts)?
                {
                    return Ok(false);
                }
                let at = self.record_place(lock);
                if !leads_to(at, facts)? {
                    return Ok(false);
                }
                if matches!(class, FsClass::Local | FsClass::Volatile) {
                    return Ok(true);
                }
                match sys.open(at, Access::Read) {
                    Ok((fresh, _)) => Ok(same_record(&sys.read(&fresh, MAX_LEN + 1)?, content)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
                    Err(e) => Err(e),
                }
            }
            Self::Ownerless { dir, .. } => leads_to(lock.place(), &dir.facts),
            Self::Opaque { .. } => Ok(false),
        }
    }

    /// Removes the lock from its path. The caller holds the binding byte of the record file and
    /// has checked [`is_current`](Self::is_current).
    ///
    /// # Errors
    /// Nothing was removed, except that `DirectoryNotEmpty` means that the lock directory held
    /// foreign files: a tombstone with them, or the ownerless directory, is still there.
    pub(super) fn remove(&self, lock: &LockFile<S>) -> io::Result<()> {
        let sys = lock.sys();
        match self {
            Self::File { dir: None, file, .. } => sys.remove(lock.place(), file),
            Self::File { dir: Some(dir), file, facts } if !sys.renames_directories() => {
                lock.remove_in_place(dir, file, facts)
            }
            Self::File { dir: Some(dir), file, facts } => {
                let tombstone = litter::tombstone_name(sys, lock.path());
                match sys.rename(lock.place(), lock.at(&tombstone)) {
                    // An overlay renames no directory of its lower layer, which is where a lock is
                    // that came with a container's image.
                    Err(e) if e.kind() == io::ErrorKind::CrossesDevices => {
                        return lock.remove_in_place(dir, file, facts);
                    }
                    renamed => renamed?,
                }
                // The path is free. What is left to do is nobody else's business, and a
                // failure leaves litter for doctor.
                if let Err(error) = lock.clear(dir, &tombstone, file, facts) {
                    tracing::warn!(tombstone = %tombstone.display(), %error,
                        "a removed lock directory could not be emptied");
                }
                Ok(())
            }
            Self::Ownerless { dir, link } => {
                let owner = Place { dir: &dir.dir, name: Path::new(OWNER_FILE) };
                if let Some(link) = link
                    && sys.stat(owner)?.same_file(link)
                {
                    sys.remove_link(owner)?;
                }
                // Never renamed away: rmdir refuses a successor that has content.
                sys.remove_dir(lock.place())
            }
            Self::Opaque { error } => Err(error.kind().into()),
        }
    }
}

/// Emptying a lock directory, and removing it from the bottom up where it cannot be renamed.
///
/// In the latter case, in between it is a directory that names no owner. A crash there leaves it to
/// the grace for such directories, and whoever stands still there for longer than that may find it
/// gone, or another's in its place: only `rmdir` follows, which refuses what has content, and an
/// empty one that it takes from its maker is made again.
impl<S: Sys> LockFile<S> {
    /// Removes the open directory, which is at `path` now, and the open record in it.
    pub(super) fn clear(
        &self,
        dir: &OpenDir<S>,
        path: &Path,
        file: &S::File,
        facts: &Facts,
    ) -> io::Result<()> {
        self.remove_record(record_place(self, Some(dir)), file, facts)?;
        self.sys().remove_dir(self.at(path))
    }

    /// Removes a record from its lock directory. Not in place where what is deleted keeps a name
    /// until it is closed (Windows; on NFS another name beside it): nobody could remove the
    /// directory meanwhile.
    pub(super) fn remove_record(
        &self,
        at: Place<'_, S::Dir>,
        file: &S::File,
        facts: &Facts,
    ) -> io::Result<()> {
        let sys = self.sys();
        if sys.renames_directories()
            && matches!(sys.filesystem_of_new(file, facts), FsClass::Local | FsClass::Volatile)
        {
            return sys.remove(at, file);
        }
        let tombstone = litter::tombstone_name(sys, self.path());
        let tombstone = self.at(&tombstone);
        if sys.renames_directories() {
            // The name is unique. Not every such file system renames without replacing.
            sys.rename(at, tombstone)?;
        } else {
            sys.rename_file_new(file, at, tombstone)?;
        }
        // Where files are renamed by name, somebody outside the protocol may have put another
        // in its place since it was checked.
        match sys.stat(tombstone) {
            Ok(seen) if seen.same_file(facts) => {}
            Ok(_) => {
                let (theirs, _) = sys.open(tombstone, Access::Lock)?;
                sys.rename_file_new(&theirs, tombstone, at)?;
                return Err(io::ErrorKind::NotFound.into());
            }
            // Swept by now: nobody owns a dead owner's record.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        }
        match sys.remove(tombstone, file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // It is out of everybody's way, and a failure leaves litter.
                tracing::warn!(tombstone = %tombstone.name.display(), %error,
                    "a removed lock record could not be deleted");
            }
            _ => {}
        }
        Ok(())
    }

    /// Removes the lock directory where it is: its record, then what is left.
    fn remove_in_place(&self, dir: &OpenDir<S>, file: &S::File, facts: &Facts) -> io::Result<()> {
        let sys = self.sys();
        self.remove_record(record_place(self, Some(dir)), file, facts)?;
        match sys.stat(self.place()) {
            // This process stood still, and others went on.
            Ok(seen) if !seen.same_file(&dir.facts) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            _ => {}
        }
        match sys.remove_dir(self.place()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                match sys.list(&dir.dir, 2) {
                    // A record alone is that of a publisher who was held up so long that it took
                    // this directory for the one that it had made.
                    Ok(left) if left.iter().any(|name| name != OWNER_FILE) => Err(e),
                    Err(gone) if gone.kind() != io::ErrorKind::NotFound => Err(gone),
                    _ => Ok(()),
                }
            }
            done => done,
        }
    }
}

fn record_place<'a, S: Sys>(
    lock: &'a LockFile<S>,
    dir: Option<&'a OpenDir<S>>,
) -> Place<'a, S::Dir> {
    match dir {
        Some(dir) => Place { dir: &dir.dir, name: Path::new(OWNER_FILE) },
        None => lock.place(),
    }
}

/// Whether two contents are one record. White space after it means renewals of its promise.
pub(super) fn same_record(a: &[u8], b: &[u8]) -> bool {
    a.trim_ascii_end() == b.trim_ascii_end()
}
