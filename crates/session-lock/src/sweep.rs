//! Sweeping a directory of session locks: what is stale, and, if asked, removing it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use lock_core::lockfile::{Litter, Reclaimed};
use lock_core::{Inspection, State};

use crate::policy::sweep_policy;
use crate::{SessionLock, SessionLockError, SessionOptions};

/// One lock that a sweep looked at.
#[derive(Debug)]
pub struct Swept {
    /// What it found.
    pub inspection: Inspection,
    /// Whether it removed the lock.
    pub removed: bool,
    /// Why it could not remove a lock that it wanted to.
    pub obstacle: Option<String>,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Sweep {
    /// The locks, sorted by name.
    pub locks: Vec<Swept>,
    /// What crashes left beside them.
    pub litter: Litter,
}

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
    let resolved = match std::fs::canonicalize(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Sweep::default()),
        resolved => resolved.map_err(fail)?,
    };
    let mut names = std::fs::read_dir(&resolved)
        .and_then(|entries| entries.map(|e| Ok(e?.file_name())).collect::<io::Result<Vec<_>>>())
        .map_err(fail)?;
    names.retain(|name| is_session_lock(name));
    names.sort();
    let sweep_one =
        |name| sweep_one(&SessionLock::at(resolved.join(name), options.clone()), options, fix);
    let locks = names.into_iter().filter_map(sweep_one).collect();
    // Any name will do: litter is told by its own.
    let litter = SessionLock::at(resolved.join("any"), options.clone()).file.sweep_litter(fix)?;
    Ok(Sweep { locks, litter })
}

fn is_session_lock(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(b".jsonl.lock")
}

/// `None`: the lock went away before it could be looked at.
fn sweep_one(lock: &SessionLock, options: &SessionOptions, fix: bool) -> Option<Swept> {
    let policy = sweep_policy(options.stale_after);
    let (inspection, look) = lock.file.inspect_pinned(&policy);
    let mut swept = Swept { inspection, removed: false, obstacle: None };
    match (swept.inspection.state(), look) {
        (State::Unlocked, _) => return None,
        (State::Stale, Some(look)) if fix => match lock.file.reclaim_if_stale(&look, &policy) {
            Ok(Reclaimed::Removed) => swept.removed = true,
            Ok(Reclaimed::Changed) => {}
            Ok(Reclaimed::Busy) => {
                swept.obstacle = Some("another process is at work on it".to_owned());
            }
            Ok(Reclaimed::Denied(error)) => swept.obstacle = Some(error.to_string()),
            Err(error) => swept.obstacle = Some(error.to_string()),
        },
        _ => {}
    }
    Some(swept)
}
