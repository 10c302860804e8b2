//! The fence: at most one thread of this process is at work on a held lock.
//!
//! Not a plain mutex: waiting has a limit, a thread that is inside already is told so instead of
//! waiting for itself, and a panic inside leaves it usable.

use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::sys::Sys;

/// Lets one thread of a process in at a time.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Goes inside once nobody is, waiting at most `patience`, and answers what is left of it.
    /// `None`: somebody is inside.
    fn enter(&self, patience: Duration) -> Option<Duration>;
    /// Goes outside.
    fn leave(&self);
    /// Whether the calling thread is inside.
    fn is_mine(&self) -> bool;
}

/// A gate for real threads.
#[derive(Debug, Default)]
pub(super) struct ThreadGate {
    room: Mutex<Room>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Room {
    inside: Option<ThreadId>,
    /// Waking nobody is a system call, too, and every release would make two.
    waiting: usize,
}

impl Gate for ThreadGate {
    fn enter(&self, patience: Duration) -> Option<Duration> {
        let mut room = locked(&self.room);
        let mut left = patience;
        let mut started = None;
        while room.inside.is_some() {
            left = patience.saturating_sub(started.get_or_insert_with(Instant::now).elapsed());
            if left.is_zero() {
                return None;
            }
            room.waiting += 1;
            let waited = self.freed.wait_timeout(room, left);
            room = waited.unwrap_or_else(PoisonError::into_inner).0;
            room.waiting -= 1;
        }
        room.inside = Some(std::thread::current().id());
        Some(left)
    }

    fn leave(&self) {
        let mut room = locked(&self.room);
        room.inside = None;
        if room.waiting > 0 {
            self.freed.notify_one();
        }
    }

    fn is_mine(&self) -> bool {
        locked(&self.room).inside == Some(std::thread::current().id())
    }
}

/// Something that only changes inside a gate.
#[derive(Debug)]
pub(super) struct Fence<T> {
    gate: Box<dyn Gate>,
    /// Locked for a moment at a time, also by those who only look from outside.
    content: Mutex<T>,
}

/// Being inside. Leaves on drop, also in a panic.
#[derive(Debug)]
pub(super) struct Inside<'a, T> {
    fence: &'a Fence<T>,
    /// What is left of the patience.
    pub(super) left: Duration,
}

impl<T> Fence<T> {
    pub(super) fn new(sys: &impl Sys, content: T) -> Self {
        Self { gate: sys.gate(), content: Mutex::new(content) }
    }

    /// Goes inside once nobody is, waiting at most `patience`.
    pub(super) fn enter(&self, patience: Duration) -> Option<Inside<'_, T>> {
        self.gate.enter(patience).map(|left| Inside { fence: self, left })
    }

    /// A look, which may be from outside.
    pub(super) fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&locked(&self.content))
    }

    /// Whether the calling thread is inside.
    pub(super) fn is_mine(&self) -> bool {
        self.gate.is_mine()
    }
}

impl<T> Inside<'_, T> {
    /// The content. Not to be kept: others look at it meanwhile.
    pub(super) fn content(&self) -> MutexGuard<'_, T> {
        locked(&self.fence.content)
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        self.fence.gate.leave();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
