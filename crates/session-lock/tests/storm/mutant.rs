//! The native system with another way to take a byte lock, and with it the protocol's mutant:
//! one that believes to have every binding byte, and takes none. Slow motion has to catch it, or
//! slow motion proves nothing about the real protocol.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use lock_core::filesystem::{Filesystem, FsClass};
use lock_core::lockfile::sys::{Access, At, Byte, Facts, Native, Sys};

/// [`Native`], except for how it takes bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Altered(pub(crate) fn(&File, Byte) -> io::Result<bool>);

/// Has every binding byte, and keeps nobody out with it.
pub(crate) fn no_binding(file: &File, byte: Byte) -> io::Result<bool> {
    if byte == Byte::Binding { Ok(true) } else { Native.try_lock(file, byte) }
}

pub(crate) type File = <Native as Sys>::File;
type Dir = <Native as Sys>::Dir;

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
        (self.0)(file, byte)
    }

    the_same! {
        fn create_unnamed(at: At<'_, Self>) -> io::Result<File>;
        fn create_new(at: At<'_, Self>) -> io::Result<File>;
        fn open(at: At<'_, Self>, access: Access) -> io::Result<(File, Facts)>;
        fn facts(file: &File) -> io::Result<Facts>;
        fn stat(at: At<'_, Self>) -> io::Result<Facts>;
        fn is_dangling(at: At<'_, Self>) -> io::Result<bool>;
        fn read(file: &File, limit: usize) -> io::Result<Vec<u8>>;
        fn write(file: &File, bytes: &[u8]) -> io::Result<()>;
        fn unlock(file: &File, byte: Byte) -> io::Result<()>;
        fn is_locked(file: &File, byte: Byte) -> io::Result<bool>;
        fn make_inheritable(file: &mut File) -> io::Result<()>;
        fn link_unnamed(file: &File, to: At<'_, Self>) -> io::Result<()>;
        fn link(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
        fn rename_new(from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
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
