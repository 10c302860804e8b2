//! Appending to the file that a lock protects, inside the fence.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::guard::{Guard, SectionError};
use super::sys::Sys;

/// Why something was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Nothing was written: the lock is not ours to write under.
    #[error(transparent)]
    Fence(#[from] SectionError),
    /// The file could not be written to the end of the bytes.
    #[error("{written} of {wanted} bytes were appended to {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// How much of the bytes went out. They are in the file.
        written: usize,
        /// How much there was.
        wanted: usize,
        /// What kept the rest from going out.
        source: io::Error,
    },
}

/// A file to append to, opened when first needed, and again when it was replaced.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Appender {
    /// An appender for the file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends everything, or says how much of it.
    fn append(&self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut file = self.file();
        if !file.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            let fresh = OpenOptions::new().append(true).create(true).open(&self.path);
            *file = Some(fresh.map_err(|e| (0, e))?);
        }
        let Some(file) = file.as_mut() else { return Ok(()) };
        let mut written = 0;
        while written < bytes.len() {
            match file.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err((written, e)),
            }
        }
        Ok(())
    }
}

/// Whether the path still leads to the open file: a transcript may be rewritten and renamed.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata();
    let named = std::fs::metadata(path);
    matches!((open, named), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    false
}

impl<S: Sys> Guard<S> {
    /// Appends `bytes` as one fenced write: no reclaim lands in the middle, no other thread of
    /// this process comes in between, and after a loss not a byte is written. Waits at most
    /// `patience` for the fence.
    ///
    /// # Errors
    /// See [`AppendError`], which tells how much was written.
    pub fn append(
        &self,
        to: &Appender,
        bytes: &[u8],
        patience: Duration,
    ) -> Result<(), AppendError> {
        self.section(patience, || to.append(bytes))?.map_err(|(written, source)| AppendError::Io {
            path: to.path.clone(),
            written,
            wanted: bytes.len(),
            source,
        })
    }
}
