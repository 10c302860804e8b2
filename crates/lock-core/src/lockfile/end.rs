//! How a hold ended, and telling whoever wants to know: threads, tasks and callbacks.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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
    /// One for each future that waits, by the future's number.
    wakers: HashMap<u64, Waker>,
    futures: u64,
    callbacks: Vec<Callback>,
    /// Threads that wait. Mostly none, and then a release makes no system call to wake them.
    waiting: usize,
}

/// Set once, when a hold ends.
#[derive(Default)]
pub(super) struct EndCell {
    state: Mutex<State>,
    changed: Condvar,
}

impl EndCell {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn get(&self) -> Option<End> {
        self.state().end
    }

    /// Ends the hold, if it has not ended yet, and tells everybody. Callbacks run on a thread of
    /// their own: whoever ends a hold is inside the fence, where they would wait for themselves,
    /// or is the watchdog, which waits for nobody.
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
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
        wakers.into_values().for_each(Waker::wake);
        call_back(callbacks, end);
    }

    /// The end, or `None` and a wake-up of the future `number` when it comes. A future without
    /// a number gets one.
    pub(super) fn poll(&self, number: &mut Option<u64>, waker: &Waker) -> Option<End> {
        let mut state = self.state();
        if state.end.is_none() {
            state.futures += 1;
            let number = *number.get_or_insert(state.futures);
            state.wakers.insert(number, waker.clone());
        }
        state.end
    }

    /// Nobody waits for the future `number` any more.
    pub(super) fn forget(&self, number: u64) {
        let waker = self.state().wakers.remove(&number);
        drop(waker);
    }

    pub(super) fn wait(&self, timeout: Duration) -> Option<End> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state();
        while state.end.is_none() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state.waiting += 1;
            state = self
                .changed
                .wait_timeout(state, left.unwrap_or(timeout))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.waiting -= 1;
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

fn call_back(callbacks: Vec<Callback>, end: End) {
    if callbacks.is_empty() {
        return;
    }
    let callbacks = Arc::new(Mutex::new(callbacks));
    let run = {
        let callbacks = Arc::clone(&callbacks);
        move || {
            let callbacks = std::mem::take(&mut *lock(&callbacks));
            for callback in callbacks {
                // The others are told even if one panics.
                let _ = catch_unwind(AssertUnwindSafe(|| callback(end)));
            }
        }
    };
    if std::thread::Builder::new().name("lock-ended".to_owned()).spawn(run.clone()).is_err() {
        // No threads to be had: better here than never.
        run();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for EndCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndCell").field(&self.get()).finish()
    }
}
