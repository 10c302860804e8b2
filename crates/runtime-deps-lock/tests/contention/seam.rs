//! The protocol's system calls with a hook around each: to refuse some, to slow them down, to
//! run something else in between.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Native, Sys};
use lock_core::lockfile::{Layout, LockFile};
use lock_core::policy::Policy;
use lock_core::record::Dialect;
use lock_core::{Acquisition, Guard, Request, SystemClock};
use runtime_deps_lock::POLICY;

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

pub(crate) type Hook = dyn Fn(When, &'static str) + Send + Sync;

/// [`Native`] without the renaming of directories, as on NFS and 9p.
#[derive(Clone)]
pub(crate) struct Seam {
    pub(crate) hook: Arc<Hook>,
    /// Links succeed and say that the name exists, as a retransmitted NFS request does.
    pub(crate) lying_links: bool,
    /// Renaming without clobbering works.
    pub(crate) renames: bool,
    /// As on Windows: files are renamed, directories never, and nothing is linked.
    pub(crate) bottom_up: bool,
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seam")
    }
}

impl Seam {
    pub(crate) fn new(hook: impl Fn(When, &'static str) + Send + Sync + 'static) -> Self {
        Self { hook: Arc::new(hook), lying_links: false, renames: false, bottom_up: cfg!(windows) }
    }

    pub(crate) fn lock(self, path: &Path) -> LockFile<Self> {
        let identity = lock_core::native_identity!();
        let path = path.to_owned();
        LockFile::over(self, path, Layout::Directory, identity, Arc::new(SystemClock))
    }

    fn around<T>(&self, call: &'static str, body: impl FnOnce() -> T) -> T {
        (self.hook)(When::Before, call);
        let result = body();
        (self.hook)(When::After, call);
        result
    }
}

/// Takes the lock, with another grace for directories that name no owner.
pub(crate) fn acquire<S: Sys>(lock: &LockFile<S>, grace: Duration) -> Guard<S> {
    let policy = Policy { nameless_grace: grace, ..POLICY };
    let request = Request {
        stamp: stamp(),
        policy,
        timeout: Some(Duration::from_secs(60)),
        reentrant: false,
        fail_when_stale: false,
    };
    Acquisition::new(lock.clone(), request).block(|_, _, _| {}).expect("within a minute")
}

pub(crate) fn stamp() -> lock_core::lockfile::Stamp {
    lock_core::lockfile::Stamp { dialect: Dialect::RuntimeDeps, label: None, inheritable: false }
}

impl Sys for Seam {
    type File = <Native as Sys>::File;
    type Dir = <Native as Sys>::Dir;

    fn root(&self) -> &Self::Dir {
        Native.root()
    }
    fn create_unnamed(&self, at: At<'_, Self>) -> io::Result<Self::File> {
        if self.lying_links || self.bottom_up {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.around("create_unnamed", || Native.create_unnamed(at))
    }
    fn create_new(&self, at: At<'_, Self>) -> io::Result<Self::File> {
        self.around("create_new", || Native.create_new(at))
    }
    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(Self::File, Facts)> {
        self.around("open", || Native.open(at, access))
    }
    fn facts(&self, file: &Self::File) -> io::Result<Facts> {
        Native.facts(file)
    }
    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts> {
        self.around("stat", || Native.stat(at))
    }
    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool> {
        self.around("is_dangling", || Native.is_dangling(at))
    }
    fn read(&self, file: &Self::File, limit: usize) -> io::Result<Vec<u8>> {
        Native.read(file, limit)
    }
    fn write(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.around("write", || Native.write(file, offset, bytes))
    }
    fn try_lock(&self, file: &Self::File, byte: Byte) -> io::Result<bool> {
        let call = match byte {
            Byte::Owner => "lock owner",
            Byte::Binding => "lock binding",
        };
        self.around(call, || Native.try_lock(file, byte))
    }
    fn unlock(&self, file: &Self::File, byte: Byte) -> io::Result<()> {
        self.around("unlock", || Native.unlock(file, byte))
    }
    fn is_locked(&self, file: &Self::File, byte: Byte) -> io::Result<bool> {
        self.around("is_locked", || Native.is_locked(file, byte))
    }
    fn make_inheritable(&self, file: &mut Self::File) -> io::Result<()> {
        Native.make_inheritable(file)
    }
    fn link_unnamed(&self, file: &Self::File, to: At<'_, Self>) -> io::Result<()> {
        self.around("link_unnamed", || Native.link_unnamed(file, to))
    }
    fn link(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        let linked = self.around("link", || Native.link(from, to));
        if self.lying_links { linked.and(Err(io::ErrorKind::AlreadyExists.into())) } else { linked }
    }
    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if !self.renames {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.around("rename_new", || Native.rename_new(from, to))
    }
    fn rename_file_new(
        &self,
        file: &Self::File,
        from: At<'_, Self>,
        to: At<'_, Self>,
    ) -> io::Result<()> {
        if self.bottom_up {
            return self.around("rename_file_new", || Native.rename_file_new(file, from, to));
        }
        self.rename_new(from, to)
    }
    fn renames_directories(&self) -> bool {
        !self.bottom_up
    }
    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        assert!(!self.bottom_up, "a directory is renamed");
        self.around("rename", || Native.rename(from, to))
    }
    fn remove(&self, at: At<'_, Self>, file: &Self::File) -> io::Result<()> {
        self.around("remove", || Native.remove(at, file))
    }
    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()> {
        self.around("remove_link", || Native.remove_link(at))
    }
    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        self.around("create_dir", || Native.create_dir(at))
    }
    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Self::Dir> {
        self.around("open_dir", || Native.open_dir(at))
    }
    fn dir_facts(&self, dir: &Self::Dir) -> io::Result<Facts> {
        Native.dir_facts(dir)
    }
    fn list(&self, dir: &Self::Dir, limit: usize) -> io::Result<Vec<OsString>> {
        self.around("list", || Native.list(dir, limit))
    }
    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()> {
        self.around("remove_dir", || Native.remove_dir(at))
    }
    fn filesystem(&self, file: &Self::File) -> Filesystem {
        Native.filesystem(file)
    }
    fn filesystem_of_new(&self, file: &Self::File, facts: &Facts) -> FsClass {
        if self.lying_links { FsClass::Network } else { Native.filesystem_of_new(file, facts) }
    }
    fn dir_filesystem(&self, dir: &Self::Dir) -> Filesystem {
        Native.dir_filesystem(dir)
    }
    fn sleep(&self, time: Duration) {
        Native.sleep(time);
    }
}
