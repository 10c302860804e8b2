//! Where a session file's lock is: `realpath(directory)/<file name>.lock`, as in the origin.

use std::ffi::OsString;
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
    let Some(mut lock_name) = file_name(session) else {
        return Err(SessionLockError::NotAFile { path: session.to_owned() });
    };
    lock_name.push(".lock");
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| SessionLockError::Directory { path, source }
    };
    let directory = match session.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let resolved = match dunce::canonicalize(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && missing == Missing::Create => {
            std::fs::create_dir_all(directory).map_err(fail(directory))?;
            dunce::canonicalize(directory)
        }
        resolved => resolved,
    };
    // What cannot be resolved is used as it is written: opening it will say what is wrong.
    let directory =
        resolved.or_else(|_| std::path::absolute(directory)).map_err(fail(directory))?;
    Ok(directory.join(lock_name))
}

#[cfg(not(windows))]
fn file_name(session: &Path) -> Option<OsString> {
    session.file_name().map(ToOwned::to_owned)
}

/// The name that the system gives the file: trailing dots and blanks are no part of it, so that
/// all spellings are one lock, and `NUL` and its like name no file.
#[cfg(windows)]
fn file_name(session: &Path) -> Option<OsString> {
    session.file_name()?;
    std::path::absolute(session).ok()?.file_name().map(ToOwned::to_owned)
}

#[cfg(all(test, windows))]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_file_is_one_lock() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| lock_path(&dir.path().join(name), Missing::Leave).unwrap();
        let lock = at("chat.jsonl");
        assert!(lock.ends_with("chat.jsonl.lock"));
        // What people and commands are shown, and can use, is the usual form.
        assert!(!lock.to_string_lossy().starts_with(r"\\?\"), "{}", lock.display());
        for spelt in ["chat.jsonl.", "chat.jsonl ", "./chat.jsonl", r"x\..\chat.jsonl"] {
            assert_eq!(at(spelt), lock, "{spelt:?}");
        }
    }

    #[test]
    fn devices_have_no_lock() {
        for device in [r"C:\NUL", "NUL", r"C:\x\.."] {
            let refused = lock_path(Path::new(device), Missing::Leave);
            assert!(matches!(refused, Err(SessionLockError::NotAFile { .. })), "{device}");
        }
    }
}

#[cfg(all(test, unix))]
mod tests_unix {
    use super::*;
    use std::os::unix::fs::symlink;

    /// As OpenClaw does: only the directory is resolved.
    #[test]
    fn a_session_that_is_a_link_has_its_lock_beside_the_link() {
        let dir = tempfile::tempdir().unwrap();
        let real = dunce::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(real.join("there")).unwrap();
        std::fs::write(real.join("there/x.jsonl"), "").unwrap();
        symlink("there/x.jsonl", real.join("link.jsonl")).unwrap();
        symlink("there", real.join("directory")).unwrap();
        let at = |name: &str| lock_path(&real.join(name), Missing::Leave).unwrap();
        assert_eq!(at("link.jsonl"), real.join("link.jsonl.lock"));
        assert_eq!(at("directory/x.jsonl"), real.join("there/x.jsonl.lock"));
    }
}
