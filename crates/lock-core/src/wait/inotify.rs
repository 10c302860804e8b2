//! File events on Linux: one inotify descriptor, kept open, because closing one costs
//! milliseconds; watches are removed when their last waiter goes.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::hub::Happened;

/// A watch descriptor: all waiters for one file share it.
pub(super) type Key = i32;
/// A watch needs nothing else.
pub(super) type Keeps = ();

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

#[derive(Debug)]
pub(super) struct Source(OwnedFd);

impl Source {
    pub(super) fn open() -> Option<Self> {
        inotify::init(CreateFlags::CLOEXEC).ok().map(Self)
    }

    pub(super) fn watch(&self, path: &Path) -> Option<(Key, Keeps)> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        let key = inotify::add_watch(&self.0, path.as_c_str(), EVENTS).ok()?;
        Some((key, ()))
    }

    /// A process that ends closes its descriptors, which is an event of the file.
    pub(super) fn watch_process(&self, _pid: u32) -> Option<(Key, Keeps)> {
        None
    }

    pub(super) fn forget(&self, key: Key) {
        // Fails when the file is gone and the kernel removed the watch by itself.
        let _ = inotify::remove_watch(&self.0, key);
    }

    /// Sleeps in `read` and passes events on, for the life of the process.
    pub(super) fn deliver(&self, pass_on: impl Fn(Happened)) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    pass_on(Happened::Anything);
                }
                Ok(event) => pass_on(Happened::To(event.wd())),
                Err(Errno::INTR) => {}
                // The descriptor is ours and blocking: nothing else can come. Waiters still
                // have their safety-net polling.
                Err(_) => return,
            }
        }
    }
}
