//! File events on Linux: one inotify descriptor and one sleeping thread per process.
//!
//! The descriptor is kept open, because closing one costs milliseconds; watches are removed
//! when their last waiter goes. A forked child starts afresh: reading the shared descriptor
//! would steal its parent's events.

use std::collections::HashMap;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::Signal;
use crate::process::ProcessMark;

/// One inotify descriptor and who waits on which of its watches.
#[derive(Debug)]
struct Hub {
    mark: ProcessMark,
    fd: Arc<OwnedFd>,
    watches: HashMap<i32, Vec<Arc<Signal>>>,
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
    watch: i32,
    signal: Arc<Signal>,
}

/// What can mean that a lock is free, or judged differently: the owner's descriptor closed
/// (`CLOSE_WRITE`), a name of the file removed (`ATTRIB`: the link count; `DELETE_SELF` only
/// comes when the last descriptor is closed too), moved, or something happened inside a lock
/// directory.
const EVENTS: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DONT_FOLLOW);

/// Watches what is at `path`. `None`: no events can be had (no watches left, no such file).
pub(super) fn watch(path: &Path, signal: &Arc<Signal>) -> Option<Registration> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mark = ProcessMark::current();
    let mut hub = hub();
    if hub.as_ref().is_none_or(|hub| hub.mark != mark) {
        *hub = Some(start(mark)?);
    }
    let hub = hub.as_mut()?;
    let watch = inotify::add_watch(&*hub.fd, path.as_c_str(), EVENTS).ok()?;
    hub.watches.entry(watch).or_default().push(Arc::clone(signal));
    Some(Registration { mark, watch, signal: Arc::clone(signal) })
}

fn start(mark: ProcessMark) -> Option<Hub> {
    let fd = Arc::new(inotify::init(CreateFlags::CLOEXEC).ok()?);
    let reader = Arc::clone(&fd);
    std::thread::Builder::new()
        .name("lock-events".to_owned())
        .spawn(move || deliver(&reader))
        .ok()?;
    Some(Hub { mark, fd, watches: HashMap::new() })
}

/// Sleeps in `read` and passes events on, for the life of the process.
fn deliver(fd: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(fd, &mut buffer);
    loop {
        match events.next() {
            Ok(event) => {
                let lost_some = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                // Collected first: whoever is woken may drop its watch at once.
                let concerned: Vec<_> = match &*hub() {
                    Some(hub) if lost_some => hub.watches.values().flatten().cloned().collect(),
                    Some(hub) => hub.watches.get(&event.wd()).cloned().unwrap_or_default(),
                    None => Vec::new(),
                };
                concerned.iter().for_each(|signal| signal.set());
            }
            Err(Errno::INTR) => {}
            // The descriptor is ours and blocking: nothing else can come. Waiters still have
            // their safety-net polling.
            Err(_) => return,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut hub = hub();
        let Some(hub) = hub.as_mut().filter(|hub| hub.mark == self.mark) else { return };
        let Some(signals) = hub.watches.get_mut(&self.watch) else { return };
        signals.retain(|signal| !Arc::ptr_eq(signal, &self.signal));
        if signals.is_empty() {
            hub.watches.remove(&self.watch);
            // Fails when the file is gone and the kernel removed the watch by itself.
            let _ = inotify::remove_watch(&*hub.fd, self.watch);
        }
    }
}
