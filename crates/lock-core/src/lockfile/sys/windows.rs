//! The seam over Windows.
//!
//! Every handle shares reading, writing and deleting, so that nobody is kept from looking, and
//! none is inherited. What opens is never followed through a link, and must be a file on a disk.
//!
//! Three things are otherwise than on Unix:
//!
//! - Byte locks are mandatory. The format's offsets lie beyond every record, so records stay
//!   readable while they are locked.
//! - A name of a deleted file can stay until its last handle is closed. So what is removed gets
//!   another name first, and the lock's is free at once.
//! - A directory with an open file inside cannot be renamed, whatever the share modes. Wine would
//!   allow it; this seam renames none.
//!
//! Directories are not kept open, for the same reason: a handle would keep a removed one's name
//! busy. What the protocol asks of a directory is the identity that it had when it was opened.

pub(crate) mod calls;
pub(crate) mod paths;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::windows::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_FILE_EXISTS, ERROR_INVALID_PARAMETER, ERROR_SHARING_VIOLATION,
    GENERIC_READ, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, DELETE, FILE_READ_ATTRIBUTES, OPEN_EXISTING,
};

use super::{Access, At, Byte, Facts, FileKind, Place, Sys};
use crate::cleanup::{Paths, Slot};
use crate::filesystem::{Filesystem, FsClass};
use crate::lockfile::litter;
use calls::Goes;
use paths::Wide;

/// This machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

/// A directory as it was when it was opened, or the root of absolute paths.
#[derive(Debug)]
pub struct Dir(Option<(PathBuf, Facts)>);

static ROOT: Dir = Dir(None);

/// The classes of the file systems that were met.
static KNOWN: Mutex<BTreeMap<u64, FsClass>> = Mutex::new(BTreeMap::new());

impl Dir {
    fn join(&self, name: &Path) -> PathBuf {
        match &self.0 {
            None => name.to_owned(),
            // Joining nothing would add a separator.
            Some((path, _)) if name.as_os_str().is_empty() => path.clone(),
            Some((path, _)) => path.join(name),
        }
    }
}

/// How often what is only in the way for a moment is tried again: a scanner or an indexer that
/// does not share deleting, a directory whose removal waits for its last handle, a name whose
/// change was reported before it was complete.
const TRIES: u32 = 8;
const FIRST_NAP: Duration = Duration::from_micros(250);

impl Native {
    /// Repeats what fails with a code that passes: 31 ms in all.
    fn patiently<T>(self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut nap = FIRST_NAP;
        for _ in 1..TRIES {
            match call() {
                Err(e) if is_passing(&e) => self.sleep(nap),
                done => return done.map_err(classified),
            }
            nap *= 2;
        }
        call().map_err(classified)
    }

    fn open_for(self, at: At<'_, Self>, access: u32) -> io::Result<File> {
        let path = Wide::of(at)?;
        self.patiently(|| calls::open(&path, access, OPEN_EXISTING)).map(File::from)
    }

    /// Deletes a name that is in nobody's way. Through a handle of its own: the name goes when
    /// that is closed, even if others stay open.
    fn delete(self, at: At<'_, Self>, may_be: impl Fn(FileKind) -> bool) -> io::Result<Goes> {
        let file = self.open_for(at, DELETE | FILE_READ_ATTRIBUTES)?;
        let (kind, _) = calls::describe(&file).map_err(classified)?;
        if !may_be(kind) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.patiently(|| calls::delete(&file))
    }

    fn move_to(self, file: &File, to: At<'_, Self>) -> io::Result<()> {
        let name = calls::RenameTo::new(&Wide::of(to)?);
        let moved = self.patiently(|| calls::rename_new(file, &name));
        match moved {
            // The name is taken by something that cannot even be looked at, such as a file that
            // was deleted and is still open. A name that is free means that the code was meant.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && self.is_taken(to) => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            moved => moved,
        }
    }

    fn is_taken(self, at: At<'_, Self>) -> bool {
        !matches!(self.stat(at), Err(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

/// Whether a failure may be gone in a moment. `ERROR_ACCESS_DENIED` is also what a name answers
/// that is deleted and still open; a lasting refusal costs a few tries more.
fn is_passing(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(code, Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION))
}

/// Gives the codes that `std` does not know, or knows as something else, the kinds that the
/// protocol goes by.
fn classified(error: io::Error) -> io::Error {
    let kind = match error.raw_os_error().map(i32::cast_unsigned) {
        // Somebody has it open who does not share it: that may be a live lock, to be waited for.
        Some(ERROR_SHARING_VIOLATION) => io::ErrorKind::PermissionDenied,
        Some(ERROR_FILE_EXISTS) => io::ErrorKind::AlreadyExists,
        // `InvalidInput` means "not a lock file" to the protocol.
        Some(ERROR_INVALID_PARAMETER) => io::ErrorKind::Other,
        _ => return error,
    };
    io::Error::new(kind, error)
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Sys for Native {
    type File = File;
    type Dir = Dir;

    fn root(&self) -> &Dir {
        &ROOT
    }

    fn create_unnamed(&self, _at: At<'_, Self>) -> io::Result<File> {
        unsupported()
    }

    fn create_new(&self, at: At<'_, Self>) -> io::Result<File> {
        let path = Wide::of(at)?;
        let rights = GENERIC_READ | GENERIC_WRITE | DELETE;
        self.patiently(|| calls::open(&path, rights, CREATE_NEW)).map(File::from)
    }

    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(File, Facts)> {
        let rights = match access {
            Access::Read => GENERIC_READ,
            // Locking needs no more than reading; whoever locks may have to remove.
            Access::Lock => GENERIC_READ | DELETE,
        };
        let file = self.open_for(at, rights)?;
        let facts = self.facts(&file)?;
        if facts.kind == FileKind::Regular {
            Ok((file, facts))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    fn facts(&self, file: &File) -> io::Result<Facts> {
        let (kind, changed) = calls::describe(file).map_err(classified)?;
        let (device, inode) = calls::identity(file).map_err(classified)?;
        Ok(Facts { kind, device, inode, modified: timestamp(changed) })
    }

    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts> {
        self.facts(&self.open_for(at, FILE_READ_ATTRIBUTES)?)
    }

    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool> {
        match std::fs::metadata(paths::verbatim(at)?) {
            Ok(_) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(classified(e)),
        }
    }

    fn read(&self, file: &File, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; limit];
        let mut done = 0;
        while done < limit {
            match file.seek_read(&mut bytes[done..], done as u64).map_err(classified)? {
                0 => break,
                n => done += n,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            match file.seek_write(&bytes[done..], at).map_err(classified)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    fn try_lock(&self, file: &File, byte: Byte) -> io::Result<bool> {
        calls::try_lock(file, byte, calls::Mode::Exclusive).map_err(classified)
    }

    fn unlock(&self, file: &File, byte: Byte) -> io::Result<()> {
        calls::unlock(file, byte).map_err(classified)
    }

    /// There is no question without taking, so this takes the byte for a moment, and shared, so
    /// that two who ask never see each other. An owner has its byte before it can be asked about;
    /// a stager that meets a question starts again; whoever wants the binding byte waits a little.
    fn is_locked(&self, file: &File, byte: Byte) -> io::Result<bool> {
        let free = calls::try_lock(file, byte, calls::Mode::Shared).map_err(classified)?;
        if free {
            calls::unlock(file, byte).map_err(classified)?;
        }
        Ok(!free)
    }

    /// Does nothing: byte locks belong to a handle *and* a process, and no child inherits them.
    fn make_inheritable(&self, _file: &mut File) -> io::Result<()> {
        Ok(())
    }

    fn link_unnamed(&self, _file: &File, _to: At<'_, Self>) -> io::Result<()> {
        unsupported()
    }

    fn link(&self, _from: At<'_, Self>, _to: At<'_, Self>) -> io::Result<()> {
        unsupported()
    }

    fn rename_new(&self, _from: At<'_, Self>, _to: At<'_, Self>) -> io::Result<()> {
        unsupported()
    }

    /// By its handle: that catches this very file, and under Wine a handle whose file was renamed
    /// otherwise goes on by the old name.
    fn rename_file_new(
        &self,
        file: &File,
        _from: At<'_, Self>,
        to: At<'_, Self>,
    ) -> io::Result<()> {
        self.move_to(file, to)
    }

    fn renames_directories(&self) -> bool {
        false
    }

    fn rename(&self, _from: At<'_, Self>, _to: At<'_, Self>) -> io::Result<()> {
        unsupported()
    }

    fn remove(&self, at: At<'_, Self>, file: &File) -> io::Result<()> {
        let is_litter = at.name.file_name().is_some_and(litter::is_litter);
        if is_litter {
            return self.delete(at, |kind| kind == FileKind::Regular).map(drop);
        }
        let tombstone = litter::tombstone_name(self, at.name);
        let tombstone = Place { dir: at.dir, name: &tombstone };
        self.move_to(file, tombstone)?;
        match self.delete(tombstone, |kind| kind == FileKind::Regular) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // The lock's name is free: what is left is litter, if it was not swept yet.
                tracing::warn!(tombstone = %tombstone.name.display(), %error,
                    "a removed lock file could not be deleted");
            }
            _ => {}
        }
        Ok(())
    }

    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()> {
        self.delete(at, |kind| kind != FileKind::Directory).map(drop)
    }

    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        let path = paths::verbatim(at)?;
        match self.patiently(|| std::fs::create_dir(&path)) {
            // As in `move_to`: a directory on its way out.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && self.is_taken(at) => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            made => made,
        }
    }

    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Dir> {
        let facts = self.stat(at)?;
        if facts.kind != FileKind::Directory {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Dir(Some((at.dir.join(at.name), facts))))
    }

    fn dir_facts(&self, dir: &Dir) -> io::Result<Facts> {
        dir.0.as_ref().map(|(_, facts)| *facts).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }

    fn list(&self, dir: &Dir, limit: usize) -> io::Result<Vec<OsString>> {
        let path = paths::verbatim(Place { dir, name: Path::new("") })?;
        let entries = self.patiently(|| std::fs::read_dir(&path))?;
        entries.take(limit).map(|entry| Ok(entry?.file_name())).collect()
    }

    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        let goes = self.delete(at, |kind| kind == FileKind::Directory)?;
        let mut nap = FIRST_NAP;
        // It cannot be renamed out of the way first. But all who open a lock directory do so for
        // one look, and what they have open has no content to be lost.
        for _ in 0..TRIES {
            if goes == Goes::AtOnce || !self.is_taken(at) {
                break;
            }
            self.sleep(nap);
            nap *= 2;
        }
        Ok(())
    }

    fn filesystem(&self, file: &File) -> Filesystem {
        calls::filesystem(file).unwrap_or_else(Filesystem::unknown)
    }

    fn filesystem_of_new(&self, file: &File, facts: &Facts) -> FsClass {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(facts.device).or_insert_with(|| self.filesystem(file).class)
    }

    fn dir_filesystem(&self, dir: &Dir) -> Filesystem {
        let itself = Place { dir, name: Path::new("") };
        let opened = self.open_for(itself, FILE_READ_ATTRIBUTES);
        opened.map_or_else(|_| Filesystem::unknown(), |dir| self.filesystem(&dir))
    }

    fn enter_slot(
        &self,
        file: &File,
        _binding: Option<&File>,
        facts: &Facts,
        at: &Path,
        directory: Option<(&Path, &Path)>,
        _inherited: bool,
    ) -> Option<Slot> {
        let wide = |path: &Path| Wide::of_path(path).ok();
        let (directory, tombstone) = match directory {
            Some((directory, tombstone)) => (Some(wide(directory)?), wide(tombstone)?),
            None => (None, wide(&litter::tombstone_name(self, at))?),
        };
        Slot::hold(file, facts, Paths { record: wide(at)?, tombstone, directory })
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// From 100 ns steps since 1601.
fn timestamp(file_time: u64) -> Option<Timestamp> {
    const EPOCH: i128 = 116_444_736_000_000_000;
    Timestamp::from_nanosecond((i128::from(file_time) - EPOCH) * 100).ok()
}
