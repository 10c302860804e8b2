//! The table of held locks that signal handlers and forked children walk.
//!
//! An entry is claimed, filled and then armed by its owner; a handler only looks at armed ones.
//! What an entry points to is never freed while a handler may be at work: see [`Slot::drop`].

use std::ffi::CString;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::SeqCst};

/// Everything a handler needs to remove one lock file.
#[derive(Debug)]
pub(super) struct Entry {
    /// The description with the owner byte, and with the binding byte unless there is `binding`.
    pub(super) file: RawFd,
    /// A second description for the binding byte.
    pub(super) binding: Option<RawFd>,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// The record's path.
    pub(super) record: CString,
    /// For the directory layout: the lock's path and a unique name to move it to.
    pub(super) directory: Option<(CString, CString)>,
    /// Children inherited it: it is theirs too.
    pub(super) inherited: bool,
}

/// A process that holds more locks than this at once cleans up after the first so many.
const CAPACITY: usize = 256;

pub(super) struct Cell {
    taken: AtomicBool,
    entry: AtomicPtr<Entry>,
}

pub(super) static TABLE: [Cell; CAPACITY] =
    [const { Cell { taken: AtomicBool::new(false), entry: AtomicPtr::new(ptr::null_mut()) } };
        CAPACITY];

/// How many handlers are walking the table. Once one has begun, nothing is freed any more: the
/// process is about to end.
pub(super) static WALKERS: AtomicI32 = AtomicI32::new(0);

impl Cell {
    /// What is armed here, for a walker.
    pub(super) fn armed(&self) -> *mut Entry {
        self.entry.load(SeqCst)
    }
}

/// A held lock's place in the table, for as long as it is held.
#[derive(Debug)]
pub struct Slot {
    index: usize,
}

impl Slot {
    /// Enters a held lock. `None`: the table is full.
    pub(super) fn enter(entry: Entry) -> Option<Self> {
        let free = |cell: &Cell| cell.taken.compare_exchange(false, true, SeqCst, SeqCst).is_ok();
        let index = TABLE.iter().position(free)?;
        TABLE[index].entry.store(Box::into_raw(Box::new(entry)), SeqCst);
        Some(Self { index })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let cell = &TABLE[self.index];
        let entry = cell.entry.swap(ptr::null_mut(), SeqCst);
        // A walker announces itself before it reads a pointer. Either it announced itself
        // before this, and the entry is leaked; or it reads the null that was just stored.
        if WALKERS.load(SeqCst) == 0 {
            super::sys::free(entry);
        }
        cell.taken.store(false, SeqCst);
    }
}
