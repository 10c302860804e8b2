//! The guard: what a holder keeps, and how it lets go.

use std::any::Any;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use super::binding::BindingByte;
use super::bound::Bound;
use super::publish::{Fresh, Written};
use super::sys::{Access, Byte, Sys};
use super::{LockFile, sys};
use crate::filesystem::FsClass;
use crate::process::ProcessMark;
use crate::record::LockRecord;
use crate::registry::{self, Registration};
use crate::wait::Watch;

/// How long a release waits for the binding byte. Others hold it for microseconds; whoever
/// holds it for a second is stopped (SIGSTOP, freezer) inside.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);

/// How a release ended. In every case but [`StillHeld`](Self::StillHeld) and
/// [`Forked`](Self::Forked) this process no longer owns the lock.
#[derive(Debug)]
#[must_use = "a lost lock means that somebody else may have written meanwhile"]
pub enum ReleaseOutcome {
    /// The lock file is gone from its path.
    Released,
    /// The lock had been lost before: somebody reclaimed, removed or replaced the file. What is
    /// at the path now was not touched.
    Lost,
    /// The lock is let go, but its file could not be removed; the next contender removes it.
    Abandoned(io::Error),
    /// Another handle of the same acquisition still holds it.
    StillHeld,
    /// This process is a forked child of the holder; nothing was done.
    Forked,
}

/// Why a write section was not entered. Nothing was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SectionError {
    /// The lock is not this process's any more.
    #[error("the lock was lost: somebody else may be writing")]
    Lost,
    /// A contender or a release is at work on the lock, and did not finish in time.
    #[error("the binding byte was not free in time: its holder is probably stopped")]
    Busy,
    /// A forked child does not hold its parent's lock.
    #[error("the lock belongs to the process this one was forked from")]
    Forked,
    /// The system would not say who is bound.
    #[error("cannot check the lock: {0}")]
    Io(#[from] io::Error),
}

/// A held lock. Dropping the last handle releases it.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct Guard<S: Sys = sys::Native> {
    held: Arc<Held<S>>,
}

pub(super) struct Held<S: Sys> {
    lock: LockFile<S>,
    bound: Bound<S>,
    /// A second description for the binding byte, where children inherit the first: a byte
    /// taken on a shared description would outlive this process in them.
    binding: Option<S::File>,
    record: LockRecord,
    content: Vec<u8>,
    class: FsClass,
    mark: ProcessMark,
    /// `false` once released or lost. Also serialises the binding byte among the threads of
    /// this process, whom one description does not tell apart.
    live: Mutex<bool>,
    registration: Registration,
}

impl<S: Sys> Guard<S> {
    /// The first handle. From here on threads of this process can find it by its record.
    pub(super) fn new(held: Held<S>) -> Self {
        let held = Arc::new(held);
        let shared: Arc<dyn Any + Send + Sync> = held.clone();
        held.registration.share(&shared);
        Self { held }
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.held.lock.path()
    }

    /// Watches the lock file for changes, a loss among them. `None`: no events can be had.
    #[must_use]
    pub fn watch(&self) -> Option<Watch> {
        self.held.lock.watch()
    }

    /// The record as it was published.
    #[must_use]
    pub fn record(&self) -> &LockRecord {
        &self.held.record
    }

    /// Whether this process still holds the lock: not released, not forked, and the path still
    /// leads to our file. Another process may reclaim an overdue lock right after the answer;
    /// only a [write section](Self::section) keeps it true.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let Held { lock, bound, content, class, mark, live, .. } = &*self.held;
        // Never waits: whoever has the mutex is inside a section, possibly this very thread, or
        // about to remove the file, which the path tells.
        let live = || match live.try_lock() {
            Ok(live) => *live,
            Err(TryLockError::Poisoned(live)) => *live.into_inner(),
            Err(TryLockError::WouldBlock) => true,
        };
        mark.is_current() && live() && bound.is_current(lock, content, *class).unwrap_or(false)
    }

    /// Runs `write` while no reclaim can land, waiting at most `patience` for the binding byte.
    ///
    /// # Errors
    /// See [`SectionError`]; in each case `write` was not run.
    pub fn section<T>(
        &self,
        patience: Duration,
        write: impl FnOnce() -> T,
    ) -> Result<T, SectionError> {
        let Held { lock, bound, content, class, mark, live, .. } = &*self.held;
        if !mark.is_current() {
            return Err(SectionError::Forked);
        }
        let mut live = live.lock().unwrap_or_else(PoisonError::into_inner);
        if !*live {
            return Err(SectionError::Lost);
        }
        let byte = self.held.take_binding(patience)?.ok_or(SectionError::Busy)?;
        if !bound.is_current(lock, content, *class)? {
            *live = false;
            return Err(SectionError::Lost);
        }
        let result = write();
        drop(byte);
        Ok(result)
    }

    /// Releases the lock, unless another handle of the same acquisition is left.
    pub fn release(self) -> ReleaseOutcome {
        match Arc::into_inner(self.held) {
            Some(held) => held.release(),
            None => ReleaseOutcome::StillHeld,
        }
    }

    /// The guard of this process that holds the acquisition `id`, as one more handle.
    pub(crate) fn find(id: &str) -> Option<Self> {
        let held = registry::find(id)?.downcast::<Held<S>>().ok()?;
        Some(Self { held })
    }
}

impl<S: Sys> Held<S> {
    pub(super) fn new(
        lock: &LockFile<S>,
        fresh: Fresh<S>,
        mark: ProcessMark,
        registration: Registration,
    ) -> Self {
        let Fresh { bound, written: Written { record, content, class } } = fresh;
        let (lock, binding, live) = (lock.clone(), None, Mutex::new(true));
        Self { lock, bound, binding, record, content, class, mark, live, registration }
    }

    /// Whether the owner byte can be relied on, or is not claimed anyway. Only file systems
    /// whose locks may not reach the next open need the test, and need it every time.
    pub(super) fn passes_self_test(&self) -> bool {
        match self.class {
            FsClass::Local | FsClass::Volatile => true,
            FsClass::GuestLocal | FsClass::Network | FsClass::Unknown => {
                self.record.kernel_lock.is_none()
                    || self.lock.sees_own_lock(&self.bound).unwrap_or(false)
            }
        }
    }

    /// Lets children inherit the owner byte.
    pub(super) fn make_inheritable(&mut self) -> io::Result<()> {
        let sys = self.lock.sys();
        let (second, seen) = sys.open(self.bound.record_place(&self.lock), Access::Lock)?;
        match &mut self.bound {
            Bound::File { file, facts, .. } if facts.same_file(&seen) => {
                sys.make_inheritable(file)?;
            }
            _ => return Err(io::Error::other("it was replaced meanwhile")),
        }
        self.binding = Some(second);
        Ok(())
    }

    fn take_binding(&self, patience: Duration) -> io::Result<Option<BindingByte<'_, S>>> {
        let sys = self.lock.sys();
        // A held lock always has its file.
        let own = self.bound.file().map(|(file, _)| file);
        let Some(file) = self.binding.as_ref().or(own) else { return Ok(None) };
        BindingByte::take(sys, file, patience)
    }

    fn release(&self) -> ReleaseOutcome {
        if !self.mark.is_current() {
            return ReleaseOutcome::Forked;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *live, false) {
            return ReleaseOutcome::Lost;
        }
        let outcome = self.unbind();
        // Explicitly: an inherited descriptor would keep the byte otherwise.
        if let Some((file, _)) = self.bound.file() {
            let _ = self.lock.sys().unlock(file, Byte::Owner);
        }
        outcome
    }

    fn unbind(&self) -> ReleaseOutcome {
        let _byte = match self.take_binding(RELEASE_PATIENCE) {
            Ok(Some(byte)) => Some(byte),
            Ok(None) => {
                return ReleaseOutcome::Abandoned(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process has held the lock's binding byte for over a second; \
                     it is probably stopped",
                ));
            }
            // Without byte locks the check and the removal are two steps, as everybody's are.
            Err(_) if self.record.kernel_lock.is_none() => None,
            Err(error) => return ReleaseOutcome::Abandoned(error),
        };
        match self.bound.is_current(&self.lock, &self.content, self.class) {
            Ok(true) => match self.bound.remove(&self.lock) {
                Ok(()) => ReleaseOutcome::Released,
                Err(error) => ReleaseOutcome::Abandoned(error),
            },
            Ok(false) => ReleaseOutcome::Lost,
            Err(error) => ReleaseOutcome::Abandoned(error),
        }
    }
}

impl<S: Sys> Drop for Held<S> {
    fn drop(&mut self) {
        let live = *self.live.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !live {
            return;
        }
        match self.release() {
            ReleaseOutcome::Released | ReleaseOutcome::StillHeld | ReleaseOutcome::Forked => {}
            ReleaseOutcome::Lost => {
                tracing::warn!(path = %self.lock.path().display(), "the lock had been lost");
            }
            ReleaseOutcome::Abandoned(error) => {
                tracing::warn!(path = %self.lock.path().display(), %error,
                    "the lock was let go, but its file could not be removed");
            }
        }
    }
}

impl<S: Sys> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("path", &self.path())
            .field("id", &self.held.record.id)
            .finish_non_exhaustive()
    }
}
