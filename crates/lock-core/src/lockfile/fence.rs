//! The fence: at most one thread of this process is at work on a held lock.
//!
//! Not a plain mutex: waiting has a limit, a thread that is inside already is told so instead of
//! waiting for itself, and a panic inside leaves it usable.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// What the fence guards is taken out by whoever is inside.
#[derive(Debug)]
enum State<T> {
    Free(T),
    Inside(ThreadId),
}

#[derive(Debug)]
pub(super) struct Fence<T> {
    state: Mutex<State<T>>,
    freed: Condvar,
}

/// Being inside. Leaves on drop, also in a panic.
#[derive(Debug)]
pub(super) struct Inside<'a, T> {
    fence: &'a Fence<T>,
    /// Only gone while this is dropped.
    content: Option<T>,
}

impl<T> Fence<T> {
    pub(super) fn new(content: T) -> Self {
        Self { state: Mutex::new(State::Free(content)), freed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes inside once nobody is, waiting at most `patience`.
    pub(super) fn enter(&self, patience: Duration) -> Option<Inside<'_, T>> {
        let me = std::thread::current().id();
        let mut deadline = None;
        let mut state = self.state();
        loop {
            match std::mem::replace(&mut *state, State::Inside(me)) {
                State::Free(content) => {
                    return Some(Inside { fence: self, content: Some(content) });
                }
                other => *state = other,
            }
            let now = Instant::now();
            // Too far away to be counted: as good as never.
            let end = *deadline.get_or_insert_with(|| now.checked_add(patience));
            let left = end.map_or(patience, |end| end.saturating_duration_since(now));
            if left.is_zero() {
                return None;
            }
            let waited = self.freed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A look from outside. `None`: somebody is inside.
    pub(super) fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        match &*self.state() {
            State::Free(content) => Some(look(content)),
            State::Inside(_) => None,
        }
    }

    /// Whether the calling thread is inside.
    pub(super) fn is_mine(&self) -> bool {
        matches!(&*self.state(), State::Inside(who) if *who == std::thread::current().id())
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        if let Some(content) = self.content.take() {
            *self.fence.state() = State::Free(content);
            self.fence.freed.notify_one();
        }
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.content.as_ref().expect("only drop takes it")
    }
}

impl<T> DerefMut for Inside<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.content.as_mut().expect("only drop takes it")
    }
}
