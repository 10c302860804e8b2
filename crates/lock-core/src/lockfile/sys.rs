//! The seam: every system call the protocol makes, one method each.
//!
//! The protocol above it is written once. Below it stand the operating systems, and later a
//! simulated one that explores interleavings, which is why each method is one step that other
//! processes can see happen, and why nothing above the seam reads a clock, sleeps or touches a
//! file by other means.
//!
//! Errors are classified by [`io::ErrorKind`], which an implementation maps from its own codes:
//! `AlreadyExists` (the target is there), `NotFound`, `Unsupported` (this file system cannot do
//! it: try the next way), `WouldBlock` is never returned (locks answer `bool`).

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::fence::{Gate, ThreadGate};
use crate::cleanup::Slot;
use crate::filesystem::{Filesystem, FsClass};
use crate::process::ProcessMark;
use crate::wait::Watch;
use crate::watchdog::{self, Charge};

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod linux;
        mod ofd;
        use linux as os;
        use ofd as locks;
        pub(crate) use ofd::{TAKE, byte_range, set_lock};
    } else if #[cfg(target_os = "macos")] {
        mod macos;
        mod ofd;
        use macos as os;
        use ofd as locks;
        pub(crate) use ofd::{TAKE, byte_range, set_lock};
    } else if #[cfg(unix)] {
        mod no_locks;
        use no_locks as locks;
        use no_locks as os;
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        mod errno;
        mod unix;
        pub use unix::Native;
        pub(crate) use unix::keep;
    } else if #[cfg(windows)] {
        pub(crate) mod windows;
        pub use windows::Native;
    } else {
        mod unsupported;
        pub use unsupported::Native;
    }
}

/// The byte ranges with a meaning. The offsets are part of the format: far beyond any content
/// (records end at 64 KiB), so that they stay readable where locks are mandatory (Windows), and
/// below 2^31 so that a 32-bit `off_t` reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Byte {
    /// Held by the owner for as long as it owns the lock.
    Owner,
    /// Held by whoever is about to change what the lock's path is bound to.
    Binding,
}

impl Byte {
    /// Its offset in the lock file.
    #[must_use]
    pub fn offset(self) -> u64 {
        match self {
            Self::Owner => 0x4000_0000,
            Self::Binding => 0x4000_0001,
        }
    }
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link (never followed).
    Symlink,
    /// A FIFO, a socket, a device.
    Other,
}

/// A file's identity and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is.
    pub kind: FileKind,
    /// Device number.
    pub device: u64,
    /// Inode number. Only means something while an open descriptor pins the inode.
    pub inode: u64,
    /// Last change of the content, stamped by the file system's own clock.
    pub modified: Option<Timestamp>,
}

impl Facts {
    /// Whether both describe one inode (meaningful while one of them is pinned).
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// How to open an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To look: reading and probing. Never wakes other waiters.
    Read,
    /// To lock: exclusive locks on NFSv4 need a writable description.
    Lock,
}

/// A name in a directory that is held open, or, with [`Sys::root`], an absolute path.
#[derive(Debug)]
pub struct Place<'a, D> {
    /// The directory.
    pub dir: &'a D,
    /// The name in it.
    pub name: &'a Path,
}

impl<D> Clone for Place<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Place<'_, D> {}

impl<'a> Place<'a, <Native as Sys>::Dir> {
    /// A place in this machine's file system at large.
    #[must_use]
    pub fn absolute(path: &'a Path) -> Self {
        Self { dir: Native.root(), name: path }
    }
}

/// Shorthand for a [`Place`] of a given system.
pub type At<'a, S> = Place<'a, <S as Sys>::Dir>;

/// The system calls of the protocol.
pub trait Sys: Clone + Send + Sync + std::fmt::Debug + 'static {
    /// An open file description: what byte locks belong to.
    type File: Send + Sync + std::fmt::Debug;
    /// An open directory.
    type Dir: Send + Sync + std::fmt::Debug;

    /// The directory of absolute paths.
    fn root(&self) -> &Self::Dir;

    /// Creates a file without a name, to be given one by [`link_unnamed`](Self::link_unnamed).
    /// `at` is the place it is meant for. `Unsupported` where there is no such thing.
    fn create_unnamed(&self, _at: At<'_, Self>) -> io::Result<Self::File> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Creates a file that must not exist yet.
    fn create_new(&self, at: At<'_, Self>) -> io::Result<Self::File>;
    /// Opens a regular file, without following a link and without blocking on anything else.
    /// What is not a regular file is `InvalidInput`.
    fn open(&self, at: At<'_, Self>, access: Access) -> io::Result<(Self::File, Facts)>;
    /// Describes an open file.
    fn facts(&self, file: &Self::File) -> io::Result<Facts>;
    /// Describes what is at a place, without following a link.
    fn stat(&self, at: At<'_, Self>) -> io::Result<Facts>;
    /// Whether a symbolic link leads nowhere.
    fn is_dangling(&self, at: At<'_, Self>) -> io::Result<bool>;
    /// Reads from the start, at most `limit` bytes.
    fn read(&self, file: &Self::File, limit: usize) -> io::Result<Vec<u8>>;
    /// Writes everything at `offset`, where the file ends.
    fn write(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Takes a byte exclusively, if nobody else has it.
    fn try_lock(&self, file: &Self::File, byte: Byte) -> io::Result<bool>;
    /// Gives a byte back, for every descriptor of this description.
    fn unlock(&self, file: &Self::File, byte: Byte) -> io::Result<()>;
    /// Whether another description holds the byte. Takes nothing, disturbs nobody.
    fn is_locked(&self, file: &Self::File, byte: Byte) -> io::Result<bool>;
    /// Lets child processes that are started from now on inherit the descriptor, moved out of
    /// the range that scripts use.
    fn make_inheritable(&self, file: &mut Self::File) -> io::Result<()>;

    /// Gives an unnamed file its name, if that is free.
    fn link_unnamed(&self, _file: &Self::File, _to: At<'_, Self>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Gives a file a second name, if that is free.
    fn link(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
    /// Moves a file or a directory to a name, if that is free.
    fn rename_new(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
    /// Moves a file that is open to a name, if that is free.
    fn rename_file_new(
        &self,
        _file: &Self::File,
        from: At<'_, Self>,
        to: At<'_, Self>,
    ) -> io::Result<()> {
        self.rename_new(from, to)
    }
    /// Whether directories can be renamed, with or without clobbering, while files in them are
    /// open. Where not, [`rename_new`](Self::rename_new) and [`rename`](Self::rename) are never
    /// asked to.
    fn renames_directories(&self) -> bool {
        true
    }
    /// Moves a directory to a name that the caller made unique.
    fn rename(&self, from: At<'_, Self>, to: At<'_, Self>) -> io::Result<()>;
    /// Removes the name of a file that is open, and whose binding byte is held.
    fn remove(&self, at: At<'_, Self>, file: &Self::File) -> io::Result<()>;
    /// Removes a name that cannot be opened as a lock file: a symbolic link.
    fn remove_link(&self, at: At<'_, Self>) -> io::Result<()>;

    /// Creates a directory that must not exist yet.
    fn create_dir(&self, at: At<'_, Self>) -> io::Result<()>;
    /// Opens a directory, without following a link.
    fn open_dir(&self, at: At<'_, Self>) -> io::Result<Self::Dir>;
    /// Describes an open directory.
    fn dir_facts(&self, dir: &Self::Dir) -> io::Result<Facts>;
    /// The names in a directory, at most `limit` of them.
    fn list(&self, dir: &Self::Dir, limit: usize) -> io::Result<Vec<std::ffi::OsString>>;
    /// Removes an empty directory.
    fn remove_dir(&self, at: At<'_, Self>) -> io::Result<()>;

    /// Classifies the file system of an open file. Never fails: unknown is an answer.
    fn filesystem(&self, file: &Self::File) -> Filesystem;
    /// The same for an owner's own new file, from memory where the device is known: it only
    /// tells whether the owner must test its own lock. Judges never ask this way.
    fn filesystem_of_new(&self, file: &Self::File, _facts: &Facts) -> FsClass {
        self.filesystem(file).class
    }
    /// The same for a directory.
    fn dir_filesystem(&self, dir: &Self::Dir) -> Filesystem;
    /// Enters a held lock for clean-up at exit and hygiene in forked children, where this system
    /// has either. `at` is the record, `directory` the lock directory and a free name beside it.
    fn enter_slot(
        &self,
        _file: &Self::File,
        _binding: Option<&Self::File>,
        _facts: &Facts,
        _at: &Path,
        _directory: Option<(&Path, &Path)>,
        _inherited: bool,
    ) -> Option<Slot> {
        None
    }
    /// Lets time pass.
    fn sleep(&self, time: Duration);

    /// The calling process.
    fn process(&self) -> ProcessMark {
        ProcessMark::current()
    }
    /// 64 random bits: for names that nobody else has, and for waits that differ.
    fn random(&self) -> u64 {
        crate::registry::random()
    }
    /// What keeps the threads of the calling process apart that are at work on one held lock.
    fn gate(&self) -> Box<dyn Gate> {
        Box::new(ThreadGate::default())
    }
    /// Has a lock that was just taken looked after: [tended](Charge::tend) whenever it is due.
    fn look_after(&self, charge: Charge) {
        watchdog::look_after(charge);
    }
    /// Watches what is at an absolute path. `None`: no events can be had.
    fn watch(&self, path: &Path) -> Option<Watch> {
        Some(Watch::new(path)).filter(Watch::is_live)
    }
}
