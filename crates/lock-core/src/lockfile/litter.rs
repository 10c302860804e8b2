//! Litter: what a crash in the middle of the protocol can leave, and how it is swept.
//!
//! Two kinds, both siblings of the lock: a *stage* (a record not yet published) and a
//! *tombstone* (a lock directory renamed away to be emptied; where directories cannot be renamed,
//! or deleted names linger, a record renamed away to be deleted). Names are short whatever the
//! lock's name is, and never end like a lock's. A sweep touches only what nobody owns: it must
//! get the owner byte first. A stager that is swept in the microseconds before it has its byte
//! finds its file gone and starts again.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::directory::OWNER_FILE;
use super::sys::{Access, Byte, FileKind, Place, Sys};

const STAGE: &str = ".lock-stage";
const TOMBSTONE: &str = ".lock-tomb";

/// How many directory entries a sweep looks at.
const SWEEP_LIMIT: usize = 100_000;

/// A fresh name for a stage of the lock at `path`, beside it.
pub(super) fn stage_name(sys: &impl Sys, path: &Path) -> PathBuf {
    sibling(sys, path, STAGE)
}

/// A fresh name for a tombstone of the lock at `path`, beside it.
pub(super) fn tombstone_name(sys: &impl Sys, path: &Path) -> PathBuf {
    sibling(sys, path, TOMBSTONE)
}

fn sibling(sys: &impl Sys, path: &Path, suffix: &str) -> PathBuf {
    let hash = fnv1a(path.file_name().unwrap_or_default().as_encoded_bytes());
    path.with_file_name(format!(".{hash:08x}-{:016x}{suffix}", sys.random()))
}

/// FNV-1a: the same in every version of this code, which `std`'s hashers are not.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

/// Whether a name is one of ours: `.` 8 hex `-` 16 hex and a suffix.
pub(super) fn is_litter(name: &OsStr) -> bool {
    let Some(stem) = name.to_str().and_then(|n| {
        n.strip_prefix('.')?
            .strip_suffix(STAGE)
            .or_else(|| n.strip_prefix('.')?.strip_suffix(TOMBSTONE))
    }) else {
        return false;
    };
    let hex = |s: &str, len| s.len() == len && s.bytes().all(|b| b.is_ascii_hexdigit());
    stem.split_once('-').is_some_and(|(hash, random)| hex(hash, 8) && hex(random, 16))
}

/// What a sweep of one directory found.
#[derive(Debug, Default)]
pub struct Litter {
    /// Ownerless leftovers, removed if removing was asked for.
    pub swept: Vec<PathBuf>,
    /// Tombstones that hold files which are not ours, and so stay.
    pub obstructed: Vec<PathBuf>,
}

/// Looks for litter in `directory`, and removes what nobody owns if `remove` is set.
///
/// # Errors
/// The directory cannot be read. What cannot be removed is left, silently: it is in nobody's way.
pub(super) fn sweep<S: Sys>(sys: &S, directory: &Path, remove: bool) -> io::Result<Litter> {
    let dir = sys.open_dir(Place { dir: sys.root(), name: directory })?;
    let mut names: Vec<OsString> = sys.list(&dir, SWEEP_LIMIT)?;
    names.retain(|name| is_litter(name));
    names.sort();
    let mut litter = Litter::default();
    for name in names {
        let at = Place { dir: &dir, name: Path::new(&name) };
        let path = directory.join(&name);
        match sweep_one(sys, at, remove) {
            Ok(Swept::Ownerless) => litter.swept.push(path),
            Ok(Swept::Obstructed) => litter.obstructed.push(path),
            Ok(Swept::Owned) | Err(_) => {}
        }
    }
    Ok(litter)
}

enum Swept {
    Ownerless,
    Obstructed,
    Owned,
}

fn sweep_one<S: Sys>(sys: &S, at: Place<'_, S::Dir>, remove: bool) -> io::Result<Swept> {
    match sys.stat(at)?.kind {
        FileKind::Regular => sweep_file(sys, at, remove, || Ok(true)),
        FileKind::Directory => {
            let dir = sys.open_dir(at)?;
            let facts = sys.dir_facts(&dir)?;
            // A stage may be published while it is open here: then it is a lock, to be judged.
            let still_litter = || Ok(sys.stat(at)?.same_file(&facts));
            let inside = sys.list(&dir, 2)?;
            if inside.iter().any(|name| name != OWNER_FILE) {
                return Ok(Swept::Obstructed);
            }
            if !inside.is_empty() {
                let owner = Place { dir: &dir, name: Path::new(OWNER_FILE) };
                match sys.stat(owner)?.kind {
                    FileKind::Symlink if remove => sys.remove_link(owner)?,
                    FileKind::Symlink => {}
                    _ => {
                        if let Swept::Owned = sweep_file(sys, owner, remove, still_litter)? {
                            return Ok(Swept::Owned);
                        }
                    }
                }
            }
            if remove {
                sys.remove_dir(at)?;
            }
            Ok(Swept::Ownerless)
        }
        FileKind::Symlink | FileKind::Other => Ok(Swept::Obstructed),
    }
}

/// `still_litter` is asked with the owner byte held: it keeps the stager from publishing.
fn sweep_file<S: Sys>(
    sys: &S,
    at: Place<'_, S::Dir>,
    remove: bool,
    still_litter: impl Fn() -> io::Result<bool>,
) -> io::Result<Swept> {
    if !remove {
        // Who only looks takes nothing, or a stager would have to start again.
        let (file, _) = sys.open(at, Access::Read)?;
        let owned = sys.is_locked(&file, Byte::Owner)?;
        return Ok(if owned { Swept::Owned } else { Swept::Ownerless });
    }
    let (file, facts) = sys.open(at, Access::Lock)?;
    if !sys.try_lock(&file, Byte::Owner)? {
        return Ok(Swept::Owned);
    }
    // The byte keeps the stager out; the name must still be this file's.
    let ownerless = sys
        .stat(at)
        .map(|seen| seen.same_file(&facts))
        .and_then(|same| Ok(same && still_litter()?));
    let swept = match ownerless {
        Ok(true) => sys.remove(at, &file).map(|()| Swept::Ownerless),
        Ok(false) => Ok(Swept::Owned),
        Err(e) => Err(e),
    };
    // Explicitly, for the same reason as the binding byte.
    let _ = sys.unlock(&file, Byte::Owner);
    swept
}

#[cfg(test)]
mod tests {
    use super::super::sys::Native;
    use super::*;

    #[test]
    fn names_are_short_recognisable_and_never_look_like_locks() {
        let long = PathBuf::from("/d").join("x".repeat(255));
        for name in
            [stage_name(&Native, &long), tombstone_name(&Native, Path::new("/d/s.jsonl.lock"))]
        {
            let name = name.file_name().unwrap();
            assert!(name.len() < 48 && is_litter(name), "{name:?}");
            assert!(!name.to_str().unwrap().ends_with(".jsonl.lock"));
        }
        for other in [".lock-stage", ".0123-4567.lock-tomb", "s.jsonl.lock", "x.lock-stage"] {
            assert!(!is_litter(OsStr::new(other)), "{other}");
        }
    }
}
