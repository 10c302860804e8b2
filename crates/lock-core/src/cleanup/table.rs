//! The table of held locks that signal handlers, exit handlers and forked children walk.
//!
//! A cell is taken, filled and then armed by its owner. Whoever is at work on the lock, be it a
//! handler, claims the cell first; handlers skip what stays claimed. What an entry points to, and
//! the descriptors in it, last while the cell is claimed: see [`Slot::drop`].

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

use super::os::{self, Entry};

/// A process that holds more locks than this at once cleans up after the first so many.
const CAPACITY: usize = 256;

#[derive(Debug)]
pub(super) struct Cell {
    /// Owned by a slot.
    taken: AtomicBool,
    /// Somebody is at work on the lock: a write section, a release, or a walker.
    busy: AtomicBool,
    entry: AtomicPtr<Entry>,
}

pub(super) static TABLE: [Cell; CAPACITY] = [const {
    Cell {
        taken: AtomicBool::new(false),
        busy: AtomicBool::new(false),
        entry: AtomicPtr::new(ptr::null_mut()),
    }
}; CAPACITY];

impl Cell {
    /// Being at work on the lock, unless somebody is. For walkers too: waits for nothing.
    pub(super) fn try_claim(&'static self) -> Option<Claim> {
        let free = self.busy.compare_exchange(false, true, SeqCst, SeqCst).is_ok();
        // Lazily: dropping a claim gives it up.
        free.then(|| Claim { cell: self })
    }

    /// What is armed here. Not freed as long as the cell is claimed.
    pub(super) fn armed(&self) -> *mut Entry {
        self.entry.load(SeqCst)
    }

    /// Empties it in a forked child, whose only thread this is: the lock is its parent's.
    /// What was armed is leaked.
    #[cfg(unix)]
    pub(super) fn disown(&self) -> *mut Entry {
        self.busy.store(false, SeqCst);
        self.entry.swap(ptr::null_mut(), SeqCst)
    }
}

/// Being at work on one lock. The descriptions are shared by all threads of the process, so byte
/// locks do not keep a walker out of a write section.
#[derive(Debug)]
pub(crate) struct Claim {
    cell: &'static Cell,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.cell.busy.store(false, SeqCst);
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

    /// Keeps walkers out. Waits for one that is at work, which takes milliseconds; the process
    /// usually ends meanwhile.
    pub(crate) fn claim(&self) -> Claim {
        loop {
            if let Some(claim) = TABLE[self.index].try_claim() {
                return claim;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Nobody is looking at the entry now, and whoever comes later finds none. The
        // descriptors that it names are closed after this.
        let claim = self.claim();
        let cell = claim.cell;
        os::free(cell.entry.swap(ptr::null_mut(), SeqCst));
        drop(claim);
        cell.taken.store(false, SeqCst);
    }
}
