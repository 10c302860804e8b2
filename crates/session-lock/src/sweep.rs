//! Sweeping a directory of session locks: what is stale, and, if asked, removing it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use lock_core::Sweep;

use crate::policy::sweep_policy;
use crate::{SessionLock, SessionLockError, SessionOptions};

/// Looks at every `*.jsonl.lock` in `directory`, and removes the stale ones if `fix` is set.
///
/// Never touches a lock that this process holds, never one for its age alone, and never
/// considers how long a lock is held. A missing directory is an empty result.
///
/// # Errors
/// The directory cannot be read. What goes wrong with one lock is told in its entry.
pub fn sweep(
    directory: impl AsRef<Path>,
    options: &SessionOptions,
    fix: bool,
) -> Result<Sweep, SessionLockError> {
    let directory = directory.as_ref();
    let fail = |source| SessionLockError::Directory { path: directory.to_owned(), source };
    let resolved = match dunce::canonicalize(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Sweep::default()),
        resolved => resolved.map_err(fail)?,
    };
    let mut names = std::fs::read_dir(&resolved)
        .and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(fail)?;
    names.retain(|name| is_session_lock(name));
    names.sort();
    let policy = sweep_policy(options.stale_after);
    let lock = |name| SessionLock::at(resolved.join(name), options.clone()).file;
    let locks = names.into_iter().filter_map(|name| lock(name).tend(&policy, fix)).collect();
    // Any name will do: litter is told by its own.
    let litter = lock("any".into()).sweep_litter(fix)?;
    Ok(Sweep { locks, litter })
}

fn is_session_lock(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".jsonl.lock")
}
