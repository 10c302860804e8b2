//! The native system with some of its abilities taken away: file systems that cannot do
//! everything, and the protocol's mutant, which believes that it has every binding byte and takes
//! none. Slow motion has to catch it, or slow motion proves nothing about the real protocol.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Native, Sys};

/// [`Native`], altered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Altered {
    /// How bytes are taken.
    pub(crate) lock: fn(&File, Byte) -> io::Result<bool>,
    /// How the lock file is removed.
    pub(crate) remove: fn(At<'_, Native>, &File) -> io::Result<()>,
    /// Whether an owner byte is seen through another open.
    pub(crate) sees: bool,
    /// The file system that it claims to be on.
    pub(crate) class: Option<FsClass>,
    /// Whether a file can be opened once more.
    pub(crate) open: bool,
    /// Whether there are files without a name.
    pub(crate) unnamed: bool,
    /// Whether renaming can be kept from replacing.
    pub(crate) rename: bool,
}

impl Altered {
    /// Nothing is altered yet.
    pub(crate) const NATIVE: Self = Self {
        lock: |file, byte| Native.try_lock(file, byte),
        remove: |at, file| Native.remove(at, file),
        sees: true,
        class: None,
        open: true,
        unnamed: true,
        rename: true,
    };
    /// Cannot remove a lock file.
    pub(crate) const STUCK: Self =
        Self { remove: |_, _| Err(io::ErrorKind::PermissionDenied.into()), ..Self::NATIVE };
    /// A guest's file system on which no lock is seen through another open.
    pub(crate) const BLIND: Self =
        Self { sees: false, class: Some(FsClass::GuestLocal), ..Self::NATIVE };
    /// Stages have names.
    pub(crate) const NAMED: Self = Self { unnamed: false, ..Self::NATIVE };
    /// And are linked to the lock's path, as on NFS and 9p.
    pub(crate) const LINKED: Self = Self { rename: false, ..Self::NAMED };
    /// Has every binding byte, and keeps nobody out with it.
    pub(crate) const MUTANT: Self = Self {
        lock: |file, byte| match byte {
            Byte::Binding => Ok(true),
            Byte::Owner => Native.try_lock(file, byte),
        },
        ..Self::NATIVE
    };
}

pub(crate) type File = <Native as Sys>::File;
type Dir = <Native as Sys>::Dir;

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Passes calls on as they are.
macro_rules! the_same {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&self, $($argument: $kind),*) -> $result { Native.$name($($argument),*) })*
    };
}

impl Sys for Altered {
    type File = File;
    type Dir = Dir;

    fn root(&self) -> &Dir {
        static NATIVE: Native = Native;
        NATIVE.root()
    }

    fn try_lock(&self, file: &File, byte: Byte) -> io::Result<bool> {
        (self.lock)(file, byte)
    }

    fn create_unnamed(&self, at: At<'_, Self>) -> io::Result<File> {
        if self.unnamed { Native.create_unnamed(at) } else { unsupported() }
    }

    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if self.rename { Native.rename_new(from, to) } else { unsupported() }
    }

    fn rename_file_new(&self, file: &File, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()> {
        if self.rename { Native.rename_file_new(file, from, to) } else { unsupported() }
    }

    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(File, Facts)> {
        if self.open { Native.open(at, access) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn remove(&self, at: At<'_, Self>, file: &File) -> io::Result<()> {
        (self.remove)(at, file)
    }

    fn is_locked(&self, file: &File, byte: Byte) -> io::Result<bool> {
        if self.sees { Native.is_locked(file, byte) } else { Ok(false) }
    }

    fn filesystem_of_new(&self, file: &File, facts: &Facts) -> FsClass {
        self.class.unwrap_or_else(|| Native.filesystem_of_new(file, facts))
    }

    the_same! {
        fn create_new(at: At<'_, Self>) -> io::Result<File>;
        fn facts(file: &File) -> io::Result<Facts>;
        fn stat(at: At<'_, Self>) -> io::Result<Facts>;
        fn is_dangling(at: At<'_, Self>) -> io::Result<bool>;
        fn read(file: &File, limit: usize) -> io::Result<Vec<u8>>;
        fn write(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;
        fn unlock(file: &File, byte: Byte) -> io::Result<()>;
        fn make_inheritable(file: &mut File) -> io::Result<()>;
        fn link_unnamed(file: &File, to: At<'_, Self>) -> io::Result<()>;
        fn link(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
        fn renames_directories() -> bool;
        fn rename(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
        fn remove_link(at: At<'_, Self>) -> io::Result<()>;
        fn create_dir(at: At<'_, Self>) -> io::Result<()>;
        fn open_dir(at: At<'_, Self>) -> io::Result<Dir>;
        fn dir_facts(dir: &Dir) -> io::Result<Facts>;
        fn list(dir: &Dir, limit: usize) -> io::Result<Vec<OsString>>;
        fn remove_dir(at: At<'_, Self>) -> io::Result<()>;
        fn filesystem(file: &File) -> Filesystem;
        fn dir_filesystem(dir: &Dir) -> Filesystem;
        fn sleep(time: Duration) -> ();
    }
}
