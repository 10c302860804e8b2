//! Waiting without noise: a signal that events set and a waiter sleeps on.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod hub;
        mod inotify;
        use hub as events;
        use inotify as source;
    } else if #[cfg(any(target_os = "macos", target_os = "freebsd"))] {
        mod hub;
        mod kqueue;
        use hub as events;
        use kqueue as source;
    } else if #[cfg(windows)] {
        mod windows;
        use windows as events;
    } else {
        mod poll;
        use poll as events;
    }
}

/// Keeps the process's file events from changing; see [`crate::fork`].
#[cfg(unix)]
pub(crate) fn keep() -> crate::fork::Kept {
    events::keep()
}

/// Something happened to a watched file, or nothing did yet. Threads and tasks can wait for it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    set: bool,
    waker: Option<Waker>,
}

impl Signal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was set, which this undoes; if not, `waker` is woken when it is.
    fn poll(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        if std::mem::take(&mut state.set) {
            return true;
        }
        state.waker = Some(waker.clone());
        false
    }

    /// Wakes whoever waits.
    #[cfg(any(unix, windows))]
    fn set(&self) {
        let mut state = self.state();
        state.set = true;
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A watch on a path. Events that happen after its creation set its signal.
#[derive(Debug)]
pub struct Watch {
    signal: Arc<Signal>,
    /// The end of a process sets the signal, too. Goes first: giving it back takes 11 ms under
    /// Wine while the directory is on its way back.
    _process: Option<events::ProcessEnd>,
    registration: Option<events::Registration>,
}

/// Whether events come for a name, from the directory it is in, and not for what bears it now.
/// Where they do, nothing that can be removed is ever kept open to watch it.
pub(crate) const WATCHES_NAMES: bool = cfg!(windows);

impl Watch {
    /// Starts watching what is at `path` now. Look at the file *after* this, then sleep.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let signal = Arc::new(Signal::default());
        let registration = events::watch(path, &signal);
        Self { signal, _process: None, registration }
    }

    /// Watches the end of the process that owns the lock as well, where the system tells nobody
    /// that a file was closed. `pid` names a process that was just seen running.
    #[must_use]
    pub(crate) fn and_end_of(self, pid: u32) -> Self {
        let process = events::watch_process(pid, &self.signal);
        Self { _process: process, ..self }
    }

    /// Whether events can be expected at all; otherwise only time passes.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.registration.is_some()
    }

    /// Sleeps until something happens, at most `timeout`. `true`: something happened.
    pub fn wait(&self, timeout: Duration) -> bool {
        let state = self.signal.state();
        let (mut state, _) = self
            .signal
            .changed
            .wait_timeout_while(state, timeout, |state| !state.set)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.set)
    }

    /// Whether something happened; if not, `waker` is woken when it does.
    pub(crate) fn poll_changed(&self, waker: &Waker) -> bool {
        self.signal.poll(waker)
    }

    /// A future that is ready once something happened. Cancel-safe.
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        Changed(&self.signal)
    }
}

struct Changed<'a>(&'a Signal);

impl Future for Changed<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.poll(context.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}
