//! Where a session file's lock is: `realpath(directory)/<file name>.lock`, as in the origin.

use std::io;
use std::path::{Path, PathBuf};

use crate::SessionLockError;

/// Whether a missing directory is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Create,
    Leave,
}

/// The lock's path. Only the directory is resolved, so two paths to one directory are one lock,
/// and a session file that is itself a link has its lock beside the link.
pub(crate) fn lock_path(session: &Path, missing: Missing) -> Result<PathBuf, SessionLockError> {
    let Some(name) = session.file_name() else {
        return Err(SessionLockError::NotAFile { path: session.to_owned() });
    };
    let mut lock_name = name.to_owned();
    lock_name.push(".lock");
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| SessionLockError::Directory { path, source }
    };
    let directory = match session.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let resolved = match std::fs::canonicalize(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && missing == Missing::Create => {
            std::fs::create_dir_all(directory).map_err(fail(directory))?;
            std::fs::canonicalize(directory)
        }
        resolved => resolved,
    };
    // What cannot be resolved is used as it is written: opening it will say what is wrong.
    let directory =
        resolved.or_else(|_| std::path::absolute(directory)).map_err(fail(directory))?;
    Ok(directory.join(lock_name))
}
