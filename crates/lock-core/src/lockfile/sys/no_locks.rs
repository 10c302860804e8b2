//! Unixes without byte locks that belong to an open file: there is no lock to take, but locks
//! can be looked at.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::unix::Native;
use super::{At, Byte};
use crate::filesystem::Filesystem;

/// Why no lock can be taken. Neither of the locks that every Unix has will do: POSIX record
/// locks belong to the process and are dropped when *any* descriptor of the file is closed, also
/// by a look of another thread; `flock` has one lock for a file, and the protocol needs two.
pub(super) fn exist() -> io::Result<()> {
    no()
}

fn no<T>() -> io::Result<T> {
    let why = format!(
        "no lock can be taken on {}: it has no open-file-description locks, POSIX record locks are \
         dropped when any descriptor of the file is closed, and flock has only one lock per file",
        std::env::consts::OS
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

pub(super) fn try_lock(_: BorrowedFd<'_>, _: Byte) -> io::Result<bool> {
    no()
}

pub(super) fn unlock(_: BorrowedFd<'_>, _: Byte) -> io::Result<()> {
    no()
}

pub(super) fn is_locked(_: BorrowedFd<'_>, _: Byte) -> io::Result<bool> {
    no()
}

pub(super) fn rename_new(_: At<'_, Native>, _: At<'_, Native>) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Only matters for conclusions from a lock's state, which cannot be seen here.
pub(super) fn filesystem(_: BorrowedFd<'_>) -> Filesystem {
    Filesystem::unknown()
}
