//! The seam over Unix: what all of them share. What differs is in `os`, and in `locks`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::{Errno, FdFlags};

use super::errno::{no_links, no_rename_new, not_a_directory, not_regular};
use super::{Access, At, Byte, Facts, FileKind, Sys, locks, os};
use crate::filesystem::{Filesystem, FsClass};

/// This machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

/// An open directory, or the root of absolute paths.
#[derive(Debug)]
pub struct Dir(pub(super) Option<OwnedFd>);

static ROOT: Dir = Dir(None);

impl Dir {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_ref().map_or(rustix::fs::CWD, AsFd::as_fd)
    }
}

/// Lock files are created 0644 less the umask: others may see who holds a lock.
pub(super) const MODE: Mode = Mode::from_raw_mode(0o644);

/// Descriptors that a command inherits start here: scripts number their own from 3 on.
const INHERITED_FROM: i32 = 200;

/// The classes of the file systems that were met.
static KNOWN: Mutex<BTreeMap<u64, FsClass>> = Mutex::new(BTreeMap::new());

/// Keeps them from changing; see [`crate::fork`].
pub(crate) fn keep() -> crate::fork::Kept {
    crate::fork::keep(&KNOWN)
}

impl Sys for Native {
    type File = OwnedFd;
    type Dir = Dir;

    fn root(&self) -> &Dir {
        &ROOT
    }

    #[cfg(target_os = "linux")]
    fn create_unnamed(&self, at: At<'_, Self>) -> io::Result<OwnedFd> {
        os::create_unnamed(at)
    }

    fn create_new(&self, at: At<'_, Self>) -> io::Result<OwnedFd> {
        locks::exist()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(at.dir.fd(), at.name, flags | OFlags::NOFOLLOW, MODE)?)
    }

    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(OwnedFd, Facts)> {
        let not_a_file = |facts: Facts| match facts.kind {
            FileKind::Regular => Ok(facts),
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        };
        // Opening a device can have effects: look first, and again through the descriptor,
        // because the name may have changed hands in between.
        not_a_file(self.stat(at)?)?;
        let mode = match access {
            Access::Read => OFlags::RDONLY,
            Access::Lock => {
                locks::exist()?;
                OFlags::RDWR
            }
        };
        let flags = mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(at.dir.fd(), at.name, flags, Mode::empty()).map_err(not_regular)?;
        let facts = not_a_file(self.facts(&file)?)?;
        Ok((file, facts))
    }

    fn facts(&self, file: &OwnedFd) -> io::Result<Facts> {
        Ok(facts_of(&rustix::fs::fstat(file)?))
    }

    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts> {
        Ok(facts_of(&rustix::fs::statat(at.dir.fd(), at.name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool> {
        match rustix::fs::statat(at.dir.fd(), at.name, AtFlags::empty()) {
            Ok(_) => Ok(false),
            Err(Errno::NOENT) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    fn read(&self, file: &OwnedFd, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        while bytes.len() < limit {
            let want = chunk.len().min(limit - bytes.len());
            match rustix::io::pread(file, &mut chunk[..want], bytes.len() as u64) {
                Ok(0) => break,
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(bytes)
    }

    fn write(&self, file: &OwnedFd, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match rustix::io::pwrite(file, &bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn try_lock(&self, file: &OwnedFd, byte: Byte) -> io::Result<bool> {
        locks::try_lock(file.as_fd(), byte)
    }

    fn unlock(&self, file: &OwnedFd, byte: Byte) -> io::Result<()> {
        locks::unlock(file.as_fd(), byte)
    }

    fn is_locked(&self, file: &OwnedFd, byte: Byte) -> io::Result<bool> {
        locks::is_locked(file.as_fd(), byte)
    }

    fn make_inheritable(&self, file: &mut OwnedFd) -> io::Result<()> {
        // A duplicate shares the description and its locks. A low RLIMIT_NOFILE forbids the
        // high number (EINVAL): then the number it has must do.
        if let Ok(high) = rustix::io::fcntl_dupfd_cloexec(&*file, INHERITED_FROM) {
            *file = high;
        }
        Ok(rustix::io::fcntl_setfd(&*file, FdFlags::empty())?)
    }

    #[cfg(target_os = "linux")]
    fn link_unnamed(&self, file: &OwnedFd, to: At<'_, Self>) -> io::Result<()> {
        os::link_unnamed(file, to)
    }

    fn link(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        let flags = AtFlags::empty();
        let linked = rustix::fs::linkat(from.dir.fd(), from.name, to.dir.fd(), to.name, flags);
        linked.map_err(no_links)
    }

    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        os::rename_new(from, to).map_err(no_rename_new)
    }

    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        Ok(rustix::fs::renameat(from.dir.fd(), from.name, to.dir.fd(), to.name)?)
    }

    fn remove(&self, at: At<'_, Self>, _file: &OwnedFd) -> io::Result<()> {
        self.remove_link(at)
    }

    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(at.dir.fd(), at.name, AtFlags::empty())?)
    }

    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        locks::exist()?;
        Ok(rustix::fs::mkdirat(at.dir.fd(), at.name, Mode::from_raw_mode(0o755))?)
    }

    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(at.dir.fd(), at.name, flags, Mode::empty()) {
            Ok(fd) => Ok(Dir(Some(fd))),
            Err(e) => Err(not_a_directory(e)),
        }
    }

    fn dir_facts(&self, dir: &Dir) -> io::Result<Facts> {
        Ok(facts_of(&rustix::fs::fstat(dir.fd())?))
    }

    fn list(&self, dir: &Dir, limit: usize) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        // Through a descriptor of its own: reading moves the directory's offset, which `dir`
        // shares.
        for entry in rustix::fs::Dir::read_from(dir.fd())? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if names.len() == limit {
                break;
            }
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        Ok(names)
    }

    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(at.dir.fd(), at.name, AtFlags::REMOVEDIR)?)
    }

    fn filesystem(&self, file: &OwnedFd) -> Filesystem {
        os::filesystem(file.as_fd())
    }

    fn filesystem_of_new(&self, file: &OwnedFd, facts: &Facts) -> FsClass {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(facts.device).or_insert_with(|| self.filesystem(file).class)
    }

    fn dir_filesystem(&self, dir: &Dir) -> Filesystem {
        os::filesystem(dir.fd())
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn enter_slot(
        &self,
        file: &OwnedFd,
        binding: Option<&OwnedFd>,
        facts: &Facts,
        at: &Path,
        directory: Option<(&Path, &Path)>,
        inherited: bool,
    ) -> Option<crate::cleanup::Slot> {
        use std::ffi::CString;
        use std::os::unix::ffi::OsStrExt;

        use crate::cleanup::{Paths, Slot};

        let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        let directory = match directory {
            Some((lock, tombstone)) => Some((c_path(lock)?, c_path(tombstone)?)),
            None => None,
        };
        Slot::hold(file, binding, facts, Paths { record: c_path(at)?, directory }, inherited)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

fn facts_of(stat: &Stat) -> Facts {
    let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => FileKind::Regular,
        rustix::fs::FileType::Directory => FileKind::Directory,
        rustix::fs::FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    };
    // Narrower, or signed, on some targets. The clean-up compares with the same conversion.
    #[allow(clippy::unnecessary_cast, reason = "the widths of the fields differ between targets")]
    let (device, inode) = (stat.st_dev as u64, stat.st_ino as u64);
    #[allow(clippy::unnecessary_cast, reason = "as above")]
    let modified = Timestamp::new(stat.st_mtime as i64, stat.st_mtime_nsec as i32).ok();
    Facts { kind, device, inode, modified }
}
