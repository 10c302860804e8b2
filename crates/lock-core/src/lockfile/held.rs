//! A held lock from the inside: what its handles, its watchdog and its write sections share.

mod promise;
mod release;

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

pub(crate) use release::Eviction;

use super::LockFile;
use super::binding::BindingByte;
use super::bound::Bound;
use super::directory::OWNER_FILE;
use super::end::{End, EndCell};
use super::fence::{Fence, Inside};
use super::guard::SectionError;
use super::litter;
use super::publish::{Fresh, Written};
use super::sys::{Access, Byte, Sys};
use crate::assess::is_shared;
use crate::cleanup::{Claim, Slot};
use crate::filesystem::FsClass;
use crate::process::ProcessMark;
use crate::record::LockRecord;
use crate::registry::Registration;

#[derive(Debug)]
pub(crate) struct Held<S: Sys> {
    /// Serialises the binding byte among the threads of this process, whom one description does
    /// not tell apart. First, so that its slot goes before the descriptors that the slot names.
    fence: Fence<Hold<S>>,
    pub(crate) lock: LockFile<S>,
    pub(super) bound: Bound<S>,
    /// A second description for the binding byte, where children inherit the first: a byte
    /// taken on a shared description would outlive this process in them.
    binding: Option<S::File>,
    pub(crate) record: LockRecord,
    content: Vec<u8>,
    class: FsClass,
    mark: ProcessMark,
    pub(super) end: EndCell,
    /// When the holder's promise ends, in nanoseconds on the lock's monotonic clock; the largest
    /// value for a holder that promised nothing.
    deadline: AtomicU64,
    /// How many times the promise was renewed in the file. Only changes inside the fence.
    renewals: AtomicU32,
}

/// What only changes inside the fence.
#[derive(Debug)]
struct Hold<S: Sys> {
    /// Gone once the lock was let go.
    registration: Option<Registration<S>>,
    /// The entry for exit and fork, as long as the descriptors are ours to use.
    slot: Option<Slot>,
}

/// The binding byte of a held lock.
struct Binding<'a, S: Sys> {
    // In this order: the byte first.
    _byte: BindingByte<'a, S>,
    _claim: Option<Claim>,
}

impl<S: Sys> Held<S> {
    pub(super) fn new(
        lock: &LockFile<S>,
        fresh: Fresh<S>,
        mark: ProcessMark,
        registration: Registration<S>,
    ) -> Self {
        let Fresh { bound, written: Written { record, content, class } } = fresh;
        let deadline =
            record.max_hold.zip(record.monotonic).map(|(max, at)| at.saturating_add(max));
        let deadline = AtomicU64::new(deadline.map_or(u64::MAX, nanos));
        let renewals = AtomicU32::new(0);
        let fence = Fence::new(lock.sys(), Hold { registration: Some(registration), slot: None });
        let (lock, binding, end) = (lock.clone(), None, EndCell::default());
        Self { fence, lock, bound, binding, record, content, class, mark, end, deadline, renewals }
    }

    /// Whether the owner byte can be relied on, or is not claimed anyway. Only file systems
    /// whose locks may not reach the next open need the test, and need it every time.
    pub(super) fn passes_self_test(&self) -> bool {
        !is_shared(self.class)
            || self.record.kernel_lock.is_none()
            || self.lock.sees_own_lock(&self.bound).unwrap_or(false)
    }

    /// Lets children inherit the owner byte.
    pub(super) fn make_inheritable(&mut self) -> io::Result<()> {
        let sys = self.lock.sys();
        let (second, seen) = sys.open(self.bound.record_place(&self.lock), Access::Lock)?;
        match &mut self.bound {
            Bound::File { file, facts, .. } if facts.same_file(&seen) => {
                sys.make_inheritable(file)?;
            }
            _ => return Err(io::Error::other("it was replaced meanwhile")),
        }
        self.binding = Some(second);
        Ok(())
    }

    /// Enters the lock for clean-up and forks, once its descriptors are final.
    pub(super) fn enter_slot(&self) {
        let Bound::File { dir, file, facts } = &self.bound else { return };
        let path = self.lock.path();
        let (record, tombstone) = match dir {
            None => (path.to_owned(), None),
            Some(_) => (path.join(OWNER_FILE), Some(litter::tombstone_name(self.lock.sys(), path))),
        };
        let directory = tombstone.as_deref().map(|tombstone| (path, tombstone));
        let binding = self.binding.as_ref();
        let inherited = binding.is_some();
        let sys = self.lock.sys();
        if let Some(hold) = self.fence.enter(Duration::MAX) {
            hold.content().slot =
                sys.enter_slot(file, binding, facts, &record, directory, inherited);
        }
    }

    /// Whether the calling process is the holder, and not a forked child of it.
    pub(crate) fn is_own(&self) -> bool {
        self.mark == self.lock.sys().process()
    }

    /// Whether the lock is held, by one look at the path. A loss is remembered and told.
    pub(crate) fn check(&self) -> bool {
        self.look().unwrap_or(false)
    }

    /// The same; `None` if it could not be told, and is worth another look.
    pub(crate) fn look(&self) -> Option<bool> {
        if !self.is_own() || self.end.get().is_some() {
            return Some(false);
        }
        if self.is_bound().ok()? {
            return Some(true);
        }
        // While another thread lets go, the file is gone and the hold has not ended yet:
        // whoever is inside the fence says how it ended.
        let hold = self.fence.enter(Duration::ZERO)?;
        if hold.content().registration.is_some() {
            self.end.set(End::Taken);
        }
        Some(false)
    }

    fn is_bound(&self) -> io::Result<bool> {
        self.bound.is_current(&self.lock, &self.content, self.class)
    }

    /// Whether the hold has ended and nothing is left for the watchdog to do.
    pub(crate) fn is_over(&self) -> bool {
        match self.end.get() {
            Some(End::Released | End::Taken) => true,
            Some(End::Overdue) | None => self.fence.peek(|hold| hold.registration.is_none()),
        }
    }

    /// Runs `write` inside the fence and under the binding byte, if the lock is still held.
    pub(super) fn section<T>(
        &self,
        patience: Duration,
        write: impl FnOnce() -> T,
    ) -> Result<T, SectionError> {
        if !self.is_own() {
            return Err(SectionError::Forked);
        }
        if self.fence.is_mine() {
            return Err(SectionError::Nested);
        }
        let hold = self.fence.enter(patience).ok_or(SectionError::busy())?;
        let _binding = self.take_binding(&hold, hold.left)?.ok_or(SectionError::busy())?;
        // Only now: the watchdog may have given the lock up while this thread waited.
        if self.end.get().is_some() {
            return Err(SectionError::Lost);
        }
        if !self.is_bound()? {
            self.end.set(End::Taken);
            return Err(SectionError::Lost);
        }
        Ok(write())
    }

    /// Which processes have the binding byte of exactly our file. Looks through all of them.
    pub(super) fn at_work(&self) -> Vec<u32> {
        let Some((_, facts)) = self.bound.file() else { return Vec::new() };
        let identity = self.lock.identity();
        identity.lock_holders(facts.device, facts.inode, Byte::Binding.offset())
    }

    fn take_binding(
        &self,
        hold: &Inside<'_, Hold<S>>,
        patience: Duration,
    ) -> io::Result<Option<Binding<'_, S>>> {
        // A held lock always has its file.
        let own = self.bound.file().map(|(file, _)| file);
        let Some(file) = self.binding.as_ref().or(own) else { return Ok(None) };
        let claim = hold.content().slot.as_ref().map(Slot::claim);
        let byte = BindingByte::take(self.lock.sys(), file, patience)?;
        Ok(byte.map(|byte| Binding { _byte: byte, _claim: claim }))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
