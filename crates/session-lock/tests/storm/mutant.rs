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
    /// Whether there are files without a name.
    pub(crate) unnamed: bool,
    /// Whether renaming can be kept from replacing.
    pub(crate) rename: bool,
}

impl Altered {
    /// Nothing is altered yet.
    pub(crate) const NATIVE: Self =
        Self { lock: |file, byte| Native.try_lock(file, byte), unnamed: true, rename: true };
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

    the_same! {
        fn create_new(at: At<'_, Self>) -> io::Result<File>;
        fn open(at: At<'_, Self>, access: Access) -> io::Result<(File, Facts)>;
        fn facts(file: &File) -> io::Result<Facts>;
        fn stat(at: At<'_, Self>) -> io::Result<Facts>;
        fn is_dangling(at: At<'_, Self>) -> io::Result<bool>;
        fn read(file: &File, limit: usize) -> io::Result<Vec<u8>>;
        fn write(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;
        fn unlock(file: &File, byte: Byte) -> io::Result<()>;
        fn is_locked(file: &File, byte: Byte) -> io::Result<bool>;
        fn make_inheritable(file: &mut File) -> io::Result<()>;
        fn link_unnamed(file: &File, to: At<'_, Self>) -> io::Result<()>;
        fn link(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
        fn rename(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
        fn remove(at: At<'_, Self>, file: &File) -> io::Result<()>;
        fn remove_link(at: At<'_, Self>) -> io::Result<()>;
        fn create_dir(at: At<'_, Self>) -> io::Result<()>;
        fn open_dir(at: At<'_, Self>) -> io::Result<Dir>;
        fn dir_facts(dir: &Dir) -> io::Result<Facts>;
        fn list(dir: &Dir, limit: usize) -> io::Result<Vec<OsString>>;
        fn remove_dir(at: At<'_, Self>) -> io::Result<()>;
        fn filesystem(file: &File) -> Filesystem;
        fn filesystem_of_new(file: &File, facts: &Facts) -> FsClass;
        fn dir_filesystem(dir: &Dir) -> Filesystem;
        fn sleep(time: Duration) -> ();
    }
}
