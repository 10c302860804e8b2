//! The guard: what a holder keeps, and how it lets go.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::binding::at_work;
use super::end::End;
use super::held::Held;
use super::sys::{self, Sys};
use crate::record::LockRecord;
use crate::registry;
use crate::wait::Watch;
use crate::watchdog::{self, Charge};

/// How a release ended. In every case but [`StillHeld`](Self::StillHeld) and
/// [`Forked`](Self::Forked) this process no longer owns the lock.
#[derive(Debug)]
#[must_use = "a lost lock means that somebody else may have written meanwhile"]
pub enum ReleaseOutcome {
    /// The lock file is gone from its path.
    Released,
    /// The lock had been lost before: somebody reclaimed, removed or replaced the file, or the
    /// watchdog let go of it. What is at the path now was not touched.
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
    /// Another thread's write section, a contender or a release is at work on the lock, and did
    /// not finish in time.
    #[error("the lock was not free for a write in time: {}", at_work(pids))]
    Busy {
        /// Which processes they are, as far as the system shows them; possibly this one.
        pids: Vec<u32>,
    },
    /// This thread is inside a write section of this lock already.
    #[error("this thread is inside a write section of this lock already")]
    Nested,
    /// A forked child does not hold its parent's lock.
    #[error("the lock belongs to the process this one was forked from")]
    Forked,
    /// The system would not say who is bound.
    #[error("cannot check the lock: {0}")]
    Io(#[from] io::Error),
}

impl SectionError {
    /// Nobody is named yet.
    pub(super) fn busy() -> Self {
        Self::Busy { pids: Vec::new() }
    }
}

/// A held lock. Dropping the last handle releases it.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct Guard<S: Sys = sys::Native> {
    handle: Arc<Handle<S>>,
}

/// What the handles of one acquisition share; releases when the last of them goes. The watchdog
/// shares `held` instead, and so never keeps a lock from being released.
struct Handle<S: Sys> {
    held: Arc<Held<S>>,
    /// The outcome went to whoever released.
    told: bool,
}

impl<S: Sys> Guard<S> {
    /// The first handle. From here on the watchdog looks after it, and threads of this process
    /// can find it by its record.
    pub(super) fn new(held: Held<S>) -> Self {
        held.enter_slot();
        let held = Arc::new(held);
        held.lock.sys().look_after(Charge::new(&held));
        let handle = Arc::new(Handle { held, told: false });
        if let Some(id) = handle.held.record.id.as_deref() {
            let shared: Arc<dyn Any + Send + Sync> = handle.clone();
            registry::share(id, &shared);
        }
        Self { handle }
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.handle.held.lock.path()
    }

    /// The record as it was published.
    #[must_use]
    pub fn record(&self) -> &LockRecord {
        &self.handle.held.record
    }

    /// Watches the lock file for changes, a loss among them. `None`: no events can be had.
    #[must_use]
    pub fn watch(&self) -> Option<Watch> {
        self.handle.held.lock.watch()
    }

    /// Whether this process still holds the lock: not released, not forked, and the path still
    /// leads to our file (one system call on a local file system). Another process may reclaim
    /// an overdue lock right after the answer; only a [write section](Self::section) keeps it
    /// true.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.handle.held.check()
    }

    /// Runs `write` while no reclaim can land, waiting at most `patience` for other threads'
    /// sections and for the binding byte. Two threads are never inside at once; one that is
    /// inside can [`extend`](Self::extend), but not enter again.
    ///
    /// # Errors
    /// See [`SectionError`]; in each case `write` was not run.
    pub fn section<T>(
        &self,
        patience: Duration,
        write: impl FnOnce() -> T,
    ) -> Result<T, SectionError> {
        self.handle.held.section(patience, write).map_err(|error| self.name(error))
    }

    /// Promises contenders to hold for at most `more` from now, if that is later than promised
    /// so far: for a holder that makes progress. Contenders see a promise that is rounded up to
    /// a multiple of the record's `max_hold`; the watchdog keeps to the exact one. OpenClaw does
    /// not see it. A lock without a promise (`runtime-deps`) has nothing to extend.
    ///
    /// # Errors
    /// See [`SectionError`]: the promise is as it was.
    pub fn extend(&self, more: Duration) -> Result<(), SectionError> {
        self.extend_within(Duration::from_secs(1), more)
    }

    /// The same, waiting at most `patience` for whoever is at work on the lock (1 s otherwise).
    ///
    /// # Errors
    /// See [`SectionError`]: the promise is as it was.
    pub fn extend_within(&self, patience: Duration, more: Duration) -> Result<(), SectionError> {
        self.try_extend(patience, more).map_err(|error| self.name(error))
    }

    /// The same for whoever tries again: nobody looks up who is in the way.
    pub(crate) fn try_extend(
        &self,
        patience: Duration,
        more: Duration,
    ) -> Result<(), SectionError> {
        self.handle.held.extend(more, patience)?;
        watchdog::wake();
        Ok(())
    }

    fn name(&self, error: SectionError) -> SectionError {
        match error {
            SectionError::Busy { .. } => SectionError::Busy { pids: self.handle.held.at_work() },
            error => error,
        }
    }

    /// A signal for the end of this hold, loss included. Does not keep the lock held.
    #[must_use]
    pub fn lost(&self) -> LostSignal<S> {
        LostSignal { held: Arc::clone(&self.handle.held), number: None }
    }

    /// Calls back once, on a thread of its own, when this hold ends; at once and on this thread,
    /// if it has ended.
    pub fn on_end(&self, callback: impl FnOnce(End) + Send + 'static) {
        self.handle.held.end.on_end(Box::new(callback));
    }

    /// Releases the lock, unless another handle of the same acquisition is left.
    pub fn release(self) -> ReleaseOutcome {
        let held = Arc::clone(&self.handle.held);
        match Arc::into_inner(self.handle) {
            Some(mut handle) => {
                handle.told = true;
                held.release()
            }
            None if !held.is_own() => ReleaseOutcome::Forked,
            None => ReleaseOutcome::StillHeld,
        }
    }

    /// One more handle of the same acquisition.
    #[cfg(feature = "tokio")]
    pub(crate) fn another(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }

    /// The guard of this process that holds the acquisition `id`, as one more handle.
    pub(crate) fn find(sys: &S, id: &str) -> Option<Self> {
        let handle = registry::find(id, sys.process())?.downcast::<Handle<S>>().ok()?;
        Some(Self { handle })
    }
}

impl<S: Sys> Drop for Handle<S> {
    fn drop(&mut self) {
        if self.told || !self.held.is_own() {
            return;
        }
        let path = self.held.lock.path().display();
        match self.held.release() {
            ReleaseOutcome::Released | ReleaseOutcome::StillHeld | ReleaseOutcome::Forked => {}
            ReleaseOutcome::Lost => tracing::warn!(%path, "the lock had been lost"),
            ReleaseOutcome::Abandoned(error) => {
                tracing::warn!(%path, %error,
                    "the lock was let go, but its file could not be removed");
            }
        }
    }
}

impl<S: Sys> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("path", &self.path())
            .field("id", &self.record().id)
            .finish_non_exhaustive()
    }
}

/// Tells when a hold ends: await it, or [`wait`](Self::wait) for it. Cancel-safe.
///
/// The loss is noticed by the process's watchdog thread: at once where file events can be had,
/// within a second elsewhere. It needs no runtime that makes progress.
#[derive(Debug)]
pub struct LostSignal<S: Sys = sys::Native> {
    held: Arc<Held<S>>,
    /// Its number among the futures that wait, once it does.
    number: Option<u64>,
}

impl<S: Sys> LostSignal<S> {
    /// How the hold ended; `None`: it has not.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.held.end.get()
    }

    /// Blocks until the hold ends, at most for `timeout`.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> Option<End> {
        self.held.end.wait(timeout)
    }
}

impl<S: Sys> Future for LostSignal<S> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        let Self { held, number } = self.get_mut();
        held.end.poll(number, context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: Sys> Drop for LostSignal<S> {
    fn drop(&mut self) {
        // In a forked child, nobody may be left to unlock what another thread had locked.
        if let Some(number) = self.number.filter(|_| self.held.is_own()) {
            self.held.end.forget(number);
        }
    }
}
