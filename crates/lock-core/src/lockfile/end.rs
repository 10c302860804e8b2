//! How a hold ended, and telling whoever wants to know: threads, tasks and callbacks.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The holder let go.
    Released,
    /// The holder kept it longer than it had promised, and its own watchdog let go.
    Overdue,
    /// Somebody else reclaimed, removed or replaced the lock file.
    Taken,
}

type Callback = Box<dyn FnOnce(End) + Send>;

#[derive(Default)]
struct State {
    end: Option<End>,
    wakers: Vec<Waker>,
    callbacks: Vec<Callback>,
}

/// Set once, when a hold ends.
#[derive(Default)]
pub(super) struct EndCell {
    state: Mutex<State>,
    changed: Condvar,
}

impl EndCell {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> Option<End> {
        self.state().end
    }

    /// Ends the hold, if it has not ended yet, and tells everybody. Callbacks run on the
    /// calling thread, after everything else was told.
    pub(super) fn set(&self, end: End) {
        self.set_if(end, || true);
    }

    /// The same, if `still` says so with every other end locked out. Whoever makes that untrue
    /// and then finds no end has prevented this one.
    pub(super) fn set_if(&self, end: End, still: impl FnOnce() -> bool) {
        let mut state = self.state();
        if state.end.is_some() || !still() {
            return;
        }
        state.end = Some(end);
        let (wakers, callbacks) =
            (std::mem::take(&mut state.wakers), std::mem::take(&mut state.callbacks));
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
        callbacks.into_iter().for_each(|callback| callback(end));
    }

    /// The end, or `None` and a wake-up when it comes.
    pub(super) fn poll(&self, waker: &Waker) -> Option<End> {
        let mut state = self.state();
        if state.end.is_none() && !state.wakers.iter().any(|known| known.will_wake(waker)) {
            state.wakers.push(waker.clone());
        }
        state.end
    }

    pub(super) fn wait(&self, timeout: Duration) -> Option<End> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        while state.end.is_none() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state = self
                .changed
                .wait_timeout(state, left.unwrap_or(timeout))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.end
    }

    /// Calls back when the hold ends; at once, if it has ended.
    pub(super) fn on_end(&self, callback: Callback) {
        let mut state = self.state();
        match state.end {
            None => state.callbacks.push(callback),
            Some(end) => {
                drop(state);
                callback(end);
            }
        }
    }
}

impl fmt::Debug for EndCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndCell").field(&self.get()).finish()
    }
}
