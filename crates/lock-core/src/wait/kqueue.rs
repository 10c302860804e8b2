//! File and process events on macOS and FreeBSD: one kqueue.
//!
//! A kqueue reports the removal of a name when it happens, whoever has the file open
//! (`kqueue(2)`, `NOTE_DELETE`; XNU posts it from `VNOP_REMOVE`), and so the descriptor that it
//! needs harms nobody; with `O_EVTONLY` it does not keep a volume from being unmounted either.
//!
//! It does not report that another process closed the file. So the owner's end is an event of
//! its own: XNU posts `NOTE_EXIT` after it closed the process's files, that is, when its locks
//! are free, though it may not be a zombie yet. A lock that was let go while its owner lives on
//! and could not remove the file is left to the safety-net polling.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, VnodeEvents, kqueue};
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;

use super::hub::Happened;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A file, by the descriptor of one waiter.
    File(RawFd),
    /// A process, shared by all who wait for its end.
    Process(Pid),
}

/// Closing its descriptor ends the watch of a file.
pub(super) type Keeps = Option<OwnedFd>;

/// What can mean that a lock is free, or judged differently: a name of the file removed, given
/// or moved, its owner's renewals, or something happened inside a lock directory.
const EVENTS: VnodeEvents = VnodeEvents::DELETE
    .union(VnodeEvents::RENAME)
    .union(VnodeEvents::LINK)
    .union(VnodeEvents::ATTRIBUTES)
    .union(VnodeEvents::WRITE)
    .union(VnodeEvents::REVOKE);

/// To be told of events, not to read.
#[cfg(target_os = "macos")]
const FOR_EVENTS: OFlags = OFlags::from_bits_retain(libc::O_EVTONLY.cast_unsigned());
#[cfg(not(target_os = "macos"))]
const FOR_EVENTS: OFlags = OFlags::RDONLY;

#[derive(Debug)]
pub(super) struct Source(OwnedFd);

impl Source {
    pub(super) fn open() -> Option<Self> {
        // Not inherited by a fork (`kqueue(2)`).
        kqueue().ok().map(Self)
    }

    pub(super) fn watch(&self, path: &Path) -> Option<(Key, Keeps)> {
        let flags = FOR_EVENTS | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        let vnode = file.as_raw_fd();
        self.change(EventFilter::Vnode { vnode, flags: EVENTS }, EventFlags::ADD)?;
        Some((Key::File(vnode), Some(file)))
    }

    pub(super) fn watch_process(&self, pid: u32) -> Option<(Key, Keeps)> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        self.change(Self::end_of(pid), EventFlags::ADD)?;
        Some((Key::Process(pid), None))
    }

    pub(super) fn forget(&self, key: Key) {
        if let Key::Process(pid) = key {
            // Fails when it has ended, which is reported once.
            let _ = self.change(Self::end_of(pid), EventFlags::DELETE);
        }
    }

    /// Sleeps in `kevent` and passes events on, for the life of the process.
    pub(super) fn deliver(&self, pass_on: impl Fn(Happened)) {
        let mut events = Vec::with_capacity(32);
        loop {
            match sys::wait(&self.0, &mut events) {
                Ok(()) => {
                    for event in events.drain(..) {
                        match event.filter() {
                            EventFilter::Vnode { vnode, .. } => {
                                pass_on(Happened::To(Key::File(vnode)));
                            }
                            EventFilter::Proc { pid, .. } => {
                                pass_on(Happened::To(Key::Process(pid)));
                            }
                            _ => {}
                        }
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                // The descriptor is ours: nothing else can come. Waiters still have their
                // safety-net polling.
                Err(_) => return,
            }
        }
    }

    fn end_of(pid: Pid) -> EventFilter {
        EventFilter::Proc { pid, flags: ProcessEvents::EXIT }
    }

    fn change(&self, filter: EventFilter, action: EventFlags) -> Option<()> {
        // CLEAR: each event is told once, not as long as it is true.
        let change = Event::new(filter, action | EventFlags::CLEAR, std::ptr::null_mut());
        sys::change(&self.0, change).ok()
    }
}

mod sys {
    //! The calls.
    #![allow(unsafe_code, reason = "kevent trusts its caller with the descriptors")]

    use std::os::fd::OwnedFd;

    use rustix::buffer::spare_capacity;
    use rustix::event::kqueue::{Event, kevent};
    use rustix::io::Result;

    pub(super) fn change(queue: &OwnedFd, change: Event) -> Result<()> {
        let nothing: &mut [Event] = &mut [];
        // SAFETY: the descriptor that the change names is open now. When it is closed, the
        // kernel drops the watch with it, and another file under its number is not watched.
        unsafe { kevent(queue, &[change], nothing, None) }.map(drop)
    }

    pub(super) fn wait(queue: &OwnedFd, events: &mut Vec<Event>) -> Result<()> {
        // SAFETY: no changes, so no descriptors.
        unsafe { kevent(queue, &[], spare_capacity(events), None) }.map(drop)
    }
}
