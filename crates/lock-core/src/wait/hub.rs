//! One sleeping thread per process takes the kernel's events and wakes whoever waits for them.
//! Where they come from is the `source`'s business: inotify, or kqueue.
//!
//! A forked child starts afresh: it has no such thread, and its parent's source is not its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Signal;
use super::source::{Keeps, Key, Source};
use crate::process::ProcessMark;

/// What a source reports.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happened {
    /// Something happened to this.
    To(Key),
    /// Events were lost: it may have happened to anything.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "kqueue loses none"))]
    Anything,
}

/// The source of events and who waits for which of them.
#[derive(Debug)]
struct Hub {
    mark: ProcessMark,
    source: Arc<Source>,
    waiting: HashMap<Key, Vec<Arc<Signal>>>,
}

static HUB: Mutex<Option<Hub>> = Mutex::new(None);

fn hub() -> MutexGuard<'static, Option<Hub>> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn keep() -> crate::fork::Kept {
    crate::fork::keep(&HUB)
}

/// A waiter's part in a watch.
#[derive(Debug)]
pub(super) struct Registration {
    mark: ProcessMark,
    key: Key,
    signal: Arc<Signal>,
    /// Goes after the entry in the hub.
    _keeps: Keeps,
}

/// The same for a process.
pub(super) type ProcessEnd = Registration;

/// Watches what is at `path`. `None`: no events can be had (no watches left, no such file).
pub(super) fn watch(path: &Path, signal: &Arc<Signal>) -> Option<Registration> {
    register(signal, |source| source.watch(path))
}

/// Watches for the end of a process. `None`: it has ended, or its end shows otherwise.
pub(super) fn watch_process(pid: u32, signal: &Arc<Signal>) -> Option<ProcessEnd> {
    register(signal, |source| source.watch_process(pid))
}

fn register(
    signal: &Arc<Signal>,
    watch: impl FnOnce(&Source) -> Option<(Key, Keeps)>,
) -> Option<Registration> {
    let mark = ProcessMark::current();
    let mut hub = hub();
    if hub.as_ref().is_none_or(|hub| hub.mark != mark) {
        // In a forked child the old source is never closed: the parent's thread has a share in
        // it, which the child's copy of the memory keeps for ever.
        *hub = Some(start(mark)?);
    }
    let hub = hub.as_mut()?;
    let (key, keeps) = watch(&hub.source)?;
    hub.waiting.entry(key).or_default().push(Arc::clone(signal));
    Some(Registration { mark, key, signal: Arc::clone(signal), _keeps: keeps })
}

fn start(mark: ProcessMark) -> Option<Hub> {
    let source = Arc::new(Source::open()?);
    let reader = Arc::clone(&source);
    std::thread::Builder::new()
        .name("lock-events".to_owned())
        .spawn(move || reader.deliver(pass_on))
        .ok()?;
    Some(Hub { mark, source, waiting: HashMap::new() })
}

fn pass_on(happened: Happened) {
    // Collected first: whoever is woken may drop its watch at once.
    let concerned: Vec<_> = match (&*hub(), happened) {
        (Some(hub), Happened::Anything) => hub.waiting.values().flatten().cloned().collect(),
        (Some(hub), Happened::To(key)) => hub.waiting.get(&key).cloned().unwrap_or_default(),
        (None, _) => Vec::new(),
    };
    concerned.iter().for_each(|signal| signal.set());
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut hub = hub();
        let Some(hub) = hub.as_mut().filter(|hub| hub.mark == self.mark) else { return };
        let Some(signals) = hub.waiting.get_mut(&self.key) else { return };
        signals.retain(|signal| !Arc::ptr_eq(signal, &self.signal));
        if signals.is_empty() {
            hub.waiting.remove(&self.key);
            hub.source.forget(self.key);
        }
    }
}
