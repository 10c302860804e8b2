//! Reading `/proc`, and whether it can be believed.
//!
//! Everything is opened relative to a descriptor of `/proc`, never by an absolute path: the
//! user-mode emulator of QEMU replaces absolute paths to a process's own files by its own idea
//! of them.

use crate::parse::{self, Stat, Status};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;
use std::fmt;

/// The directory `/proc`, known to be a procfs (of whatever pid namespace).
pub(super) struct Procfs(OwnedFd);

/// Why `/proc` says nothing about the pids of this namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoProcfs {
    /// It, or the calling process in it, cannot be opened or read.
    Unreadable(Errno),
    /// Something else is mounted there.
    OtherFileSystem,
    /// It belongs to another pid namespace, so its numbers name strangers.
    OtherNamespace,
}

impl fmt::Display for NoProcfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(errno) => write!(f, "/proc cannot be read: {errno}"),
            Self::OtherFileSystem => f.write_str("/proc is not a procfs"),
            Self::OtherNamespace => f.write_str("/proc belongs to another pid namespace"),
        }
    }
}

impl From<Errno> for NoProcfs {
    fn from(errno: Errno) -> Self {
        Self::Unreadable(errno)
    }
}

impl Procfs {
    /// Opens `/proc`, whosever namespace it shows.
    pub(super) fn open() -> Result<Self, NoProcfs> {
        let root = directory(rustix::fs::CWD, "/proc")?;
        if fstatfs(&root)?.f_type != PROC_SUPER_MAGIC {
            return Err(NoProcfs::OtherFileSystem);
        }
        Ok(Self(root))
    }

    /// Opens `/proc` if its numbers are pids as this process sees them.
    ///
    /// Asked anew each time, not remembered: a process may move to another mount namespace.
    pub(super) fn of_this_namespace() -> Result<Self, NoProcfs> {
        let procfs = Self::open()?;
        procfs.own_stat().map(|_| procfs)
    }

    /// The calling process's own entry, provided that this procfs shows its pid namespace.
    ///
    /// It does if it shows this process under the number that the process has for itself, and
    /// under no other: `NSpid` lists one number per namespace from that of the procfs inwards,
    /// so it also catches a stranger's procfs in which the outer number happens to be equal.
    /// A kernel without `NSpid` (before 4.1) leaves only the first half of that.
    pub(super) fn own_stat(&self) -> Result<Stat, NoProcfs> {
        let own = self.own()?;
        let pid = rustix::process::getpid().as_raw_pid().cast_unsigned();
        let stat = parse::stat(&read(&own, "stat")?, pid).ok_or(NoProcfs::OtherNamespace)?;
        match parse::status(&read(&own, "status")?).namespace_depth {
            None | Some(1) => Ok(stat),
            Some(_) => Err(NoProcfs::OtherNamespace),
        }
    }

    /// The directory of the calling process. It is that, or missing, in any namespace's procfs.
    pub(super) fn own(&self) -> Result<OwnedFd, Errno> {
        directory(&self.0, "self")
    }

    /// The directory of the process (or thread) `pid`: one incarnation, whatever happens to
    /// the number. Reading through it after the process was reaped fails with `ESRCH`.
    pub(super) fn process(&self, pid: u32) -> Result<ProcessDir, Errno> {
        directory(&self.0, &pid.to_string()).map(|dir| ProcessDir { dir, pid })
    }

    /// The pids that this procfs lists. Under `hidepid` only those of the caller.
    pub(super) fn pids(&self) -> Vec<u32> {
        numbers(&self.0)
    }
}

/// `/proc/<pid>`.
pub(super) struct ProcessDir {
    dir: OwnedFd,
    pid: u32,
}

impl ProcessDir {
    /// `None` inside: not the shape that this crate knows.
    pub(super) fn stat(&self) -> Result<Option<Stat>, Errno> {
        read(&self.dir, "stat").map(|bytes| parse::stat(&bytes, self.pid))
    }

    pub(super) fn status(&self) -> Result<Status, Errno> {
        read(&self.dir, "status").map(|bytes| parse::status(&bytes))
    }

    /// To start paths from.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Opens a directory below.
    pub(super) fn open(&self, path: &str) -> Result<OwnedFd, Errno> {
        directory(&self.dir, path)
    }
}

/// The entries of `dir` whose names are numbers; of a directory that cannot be read, none.
pub(super) fn numbers(dir: impl AsFd) -> Vec<u32> {
    // Not `Dir::read_from`: it keeps the flags of `dir`, and `O_PATH` does not read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(entries) = openat(dir, ".", flags, Mode::empty()).and_then(rustix::fs::Dir::new) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            std::str::from_utf8(entry.ok()?.file_name().to_bytes()).ok()?.parse().ok()
        })
        .collect()
}

/// Opens a directory as a place to start paths from.
fn directory(at: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A whole file of procfs.
pub(super) fn read(at: impl AsFd, path: &str) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    read_to_end(openat(at, path, flags, Mode::empty())?)
}

/// What is left to read in `file`.
pub(super) fn read_to_end(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 4096];
    let mut len = 0;
    loop {
        match rustix::io::read(&file, &mut bytes[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if len == bytes.len() {
            bytes.resize(2 * len, 0);
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// What a symbolic link of procfs shows.
pub(super) fn link(at: impl AsFd, path: &str) -> Result<Vec<u8>, Errno> {
    readlinkat(at, path, Vec::new()).map(std::ffi::CString::into_bytes)
}
