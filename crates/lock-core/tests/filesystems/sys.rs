//! This machine's files, passed off as those of another file system.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Native, Place, Sys};

/// What a system without byte locks says.
pub(crate) const WHY: &str = "no such locks on this system";

/// What a file system does otherwise than the local one.
#[derive(Clone, Debug)]
pub(crate) struct Pretended {
    pub(crate) class: FsClass,
    pub(crate) locks_exclude: bool,
    /// Locks do not reach the next open of the file (9p after a link).
    pub(crate) locks_are_unseen: bool,
    /// No nameless files.
    pub(crate) no_unnamed: bool,
    /// `RENAME_NOREPLACE` is not known (NFS, 9p).
    pub(crate) no_rename_new: bool,
    /// Directories cannot be renamed (those of an overlay's lower layer).
    pub(crate) no_rename_dir: bool,
    /// A file that is deleted while it is open gets another name beside it (NFS).
    pub(crate) keeps_deleted: bool,
    /// No hard links (vfat, exfat).
    pub(crate) no_link: bool,
    /// A link is made, and reported as "exists": a retransmitted NFS request.
    pub(crate) link_answers_twice: bool,
    /// A system without byte locks that belong to an open file (FreeBSD): nothing is made or
    /// opened for a lock.
    pub(crate) no_locks: bool,
    /// A file system without byte locks (NFS without a lock daemon): every lock call fails.
    pub(crate) locks_fail: bool,
    /// How many more times a file cannot be opened, because a file server leased it to a client.
    pub(crate) leased: Arc<AtomicU32>,
    /// How often a file was published.
    pub(crate) published: Arc<AtomicU32>,
}

impl Pretended {
    pub(crate) fn new(class: FsClass) -> Self {
        Self {
            class,
            locks_exclude: matches!(class, FsClass::Local | FsClass::Volatile | FsClass::Network),
            locks_are_unseen: false,
            no_unnamed: false,
            no_rename_new: false,
            no_rename_dir: false,
            keeps_deleted: false,
            no_link: false,
            link_answers_twice: false,
            no_locks: false,
            locks_fail: false,
            leased: Arc::default(),
            published: Arc::default(),
        }
    }

    fn publish(&self, done: io::Result<()>) -> io::Result<()> {
        done?;
        self.published.fetch_add(1, Ordering::Relaxed);
        if self.link_answers_twice {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(())
    }

    fn locks_exist(&self) -> io::Result<()> {
        if self.no_locks { Err(io::Error::new(io::ErrorKind::Unsupported, WHY)) } else { Ok(()) }
    }

    fn locks_work(&self) -> io::Result<()> {
        self.locks_exist()?;
        if self.locks_fail { Err(io::Error::new(io::ErrorKind::Unsupported, WHY)) } else { Ok(()) }
    }

    fn seen(&self) -> Filesystem {
        let (class, locks_exclude) = (self.class, self.locks_exclude);
        Filesystem { kind: "pretended".into(), class, locks_exclude }
    }
}

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

type File = <Native as Sys>::File;
type Dir = <Native as Sys>::Dir;

impl Sys for Pretended {
    type File = File;
    type Dir = Dir;

    fn root(&self) -> &Dir {
        Native.root()
    }
    fn create_unnamed(&self, at: At<'_, Self>) -> io::Result<File> {
        let unnamed = !self.no_unnamed && !self.no_locks;
        if unnamed { Native.create_unnamed(at) } else { Err(unsupported()) }
    }
    fn create_new(&self, at: At<'_, Self>) -> io::Result<File> {
        self.locks_exist()?;
        Native.create_new(at)
    }
    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(File, Facts)> {
        // As the seam over Unix does: first it looks whether there is anything.
        Native.stat(at)?;
        if access == Access::Lock {
            self.locks_exist()?;
        }
        let less = |left: u32| left.checked_sub(1);
        if self.leased.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Native.open(at, access)
    }
    fn facts(&self, file: &File) -> io::Result<Facts> {
        Native.facts(file)
    }
    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts> {
        Native.stat(at)
    }
    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool> {
        Native.is_dangling(at)
    }
    fn read(&self, file: &File, limit: usize) -> io::Result<Vec<u8>> {
        Native.read(file, limit)
    }
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        Native.write(file, offset, bytes)
    }
    fn try_lock(&self, file: &File, byte: Byte) -> io::Result<bool> {
        self.locks_work()?;
        Native.try_lock(file, byte)
    }
    fn unlock(&self, file: &File, byte: Byte) -> io::Result<()> {
        Native.unlock(file, byte)
    }
    fn is_locked(&self, file: &File, byte: Byte) -> io::Result<bool> {
        self.locks_work()?;
        Ok(Native.is_locked(file, byte)? && !self.locks_are_unseen)
    }
    fn make_inheritable(&self, file: &mut File) -> io::Result<()> {
        Native.make_inheritable(file)
    }
    fn link_unnamed(&self, file: &File, to: At<'_, Self>) -> io::Result<()> {
        self.publish(Native.link_unnamed(file, to))
    }
    fn link(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if self.no_link { Err(unsupported()) } else { self.publish(Native.link(from, to)) }
    }
    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if self.no_rename_new {
            return Err(unsupported());
        }
        self.publish(Native.rename_new(from, to))
    }
    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if self.no_rename_dir {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        Native.rename(from, to)
    }
    fn remove(&self, at: At<'_, Self>, file: &File) -> io::Result<()> {
        if self.keeps_deleted {
            let kept = at.name.with_file_name(".nfs");
            return Native.rename(at, Place { dir: at.dir, name: &kept });
        }
        Native.remove(at, file)
    }
    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()> {
        Native.remove_link(at)
    }
    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        self.locks_exist()?;
        Native.create_dir(at)
    }
    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Dir> {
        Native.open_dir(at)
    }
    fn dir_facts(&self, dir: &Dir) -> io::Result<Facts> {
        Native.dir_facts(dir)
    }
    fn list(&self, dir: &Dir, limit: usize) -> io::Result<Vec<OsString>> {
        Native.list(dir, limit)
    }
    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        Native.remove_dir(at)
    }
    fn filesystem(&self, _file: &File) -> Filesystem {
        self.seen()
    }
    fn dir_filesystem(&self, _dir: &Dir) -> Filesystem {
        self.seen()
    }
    fn sleep(&self, time: Duration) {
        Native.sleep(time);
    }
}
