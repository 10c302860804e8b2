//! Failures of the protocol itself. A lock that is merely held is not among them.

use std::io;
use std::path::{Path, PathBuf};

use crate::lockfile::sys::FileKind;
use crate::story::plain_path;

/// Why the protocol could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// What is at the lock's path is no lock. It is left alone.
    #[error("{} is {}, not a lock", plain_path(path), describe(*kind))]
    NotALock {
        /// The lock's path.
        path: PathBuf,
        /// What is there instead.
        kind: FileKind,
    },
    /// A system call failed.
    #[error("cannot {action} {}: {source}", plain_path(path))]
    Io {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The file in question.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl LockError {
    /// Adds the context that an `io::Error` lacks.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

fn describe(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "a regular file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::Other => "a FIFO, socket or device",
    }
}
