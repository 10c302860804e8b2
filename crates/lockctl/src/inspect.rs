//! `lockctl … inspect`: who holds it, on what evidence, and what would happen next.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lock_core::{Inspection, is_harmful};
use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsLockError, DepsOptions};
use session_lock::{SessionLock, SessionLockError, SessionOptions};

use crate::exit;
use crate::report::{Report, text};

pub(crate) fn session(files: &[PathBuf], json: bool) -> u8 {
    show(files, json, |file| Ok(session_lock_of(file)?.inspect()))
}

pub(crate) fn deps(roots: &[PathBuf], json: bool) -> u8 {
    show(roots, json, |given| {
        let (root, name) = root_and_name(given);
        match deps_lock_of(given)? {
            Some(lock) => Ok(lock.inspect()),
            None => {
                let path = std::path::absolute(root)?.join(name);
                Ok(Inspection { path, found: None, error: None })
            }
        }
    })
}

fn show(
    paths: &[PathBuf],
    json: bool,
    inspect: impl Fn(&Path) -> Result<Inspection, anyhow::Error>,
) -> u8 {
    let found: Vec<_> = paths.iter().map(|path| (path, inspect(path))).collect();
    let mut readable = true;
    for (_, looked) in &found {
        match looked {
            Ok(inspection) => readable &= inspection.was_readable(),
            Err(error) => {
                say!("lockctl: {error}");
                readable = false;
            }
        }
    }
    let printed = if json {
        let reports = found.iter().map(|(path, looked)| match looked {
            Ok(inspection) => Report::new(inspection),
            Err(error) => Report::of_no_lock(path, error),
        });
        print_json(&reports.collect::<Vec<_>>())
    } else {
        let text: String = found.iter().flat_map(|(_, looked)| looked).map(text).collect();
        print(&text)
    };
    if printed && readable { 0 } else { exit::FAILED }
}

/// The lock of an install root. `None`: there is no such root, and only `run` makes one.
pub(crate) fn deps_lock_of(given: &Path) -> Result<Option<DepsLock>, DepsLockError> {
    let (root, name) = root_and_name(given);
    match DepsLock::new(root, DepsOptions::default().lock_name(name)) {
        Ok(lock) => Ok(Some(lock)),
        Err(DepsLockError::Root { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// An install root and the name of its lock. An error names the lock's path, whose name is a
/// library's option, and that is what gets pasted: a path that ends in `.lock` is taken for the
/// lock itself, unless it is a root that has a lock.
fn root_and_name(given: &Path) -> (&Path, &str) {
    match (given.parent(), given.file_name().and_then(OsStr::to_str)) {
        (Some(root), Some(name)) if is_default_lock(given) || is_lock_itself(given) => {
            (if root == Path::new("") { Path::new(".") } else { root }, name)
        }
        _ => (given, DEFAULT_LOCK_NAME),
    }
}

/// Whether a path leads to a lock directory of the usual name, and not to an install root.
pub(crate) fn is_default_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == DEFAULT_LOCK_NAME)
}

fn is_lock_itself(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "lock")
        && std::fs::symlink_metadata(path.join(DEFAULT_LOCK_NAME)).is_err()
}

/// The lock of a session file. A path that ends in `.lock` is taken for the lock itself, unless
/// a lock of a session file of that name exists.
pub(crate) fn session_lock_of(file: &Path) -> Result<SessionLock, SessionLockError> {
    let as_given = SessionLock::existing(file, SessionOptions::default())?;
    if file.extension().is_some_and(|e| e == "lock")
        && std::fs::symlink_metadata(as_given.path()).is_err()
    {
        return SessionLock::existing(file.with_extension(""), SessionOptions::default());
    }
    Ok(as_given)
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> bool {
    match serde_json::to_string_pretty(value) {
        Ok(json) => print(&(escaped(&json) + "\n")),
        Err(error) => {
            say!("lockctl: cannot write JSON: {error}");
            false
        }
    }
}

/// The same document with its harmful characters escaped: JSON leaves DEL, C1 (a terminal's
/// one-byte CSI) and the marks that turn a line around as they are, and people read it, too.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Below U+0020 only the layout's own line ends are left.
        match c {
            c if c != '\n' && is_harmful(c) => {
                write!(text, "\\u{:04x}", u32::from(c)).expect("writing to a String");
            }
            c => text.push(c),
        }
    }
    text
}

/// Writes to stdout. `false`: it could not be written, and was said so.
pub(crate) fn print(text: &str) -> bool {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            say!("lockctl: cannot write the output: {error}");
            false
        }
    }
}
