//! A held lock from the inside: what its handles, its watchdog and its write sections share.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::LockFile;
use super::binding::BindingByte;
use super::bound::Bound;
use super::directory::OWNER_FILE;
use super::end::{End, EndCell};
use super::fence::Fence;
use super::guard::{ReleaseOutcome, SectionError};
use super::litter;
use super::publish::{Fresh, Written};
use super::sys::{Access, Byte, Sys};
use crate::assess::is_shared;
use crate::cleanup::{Claim, Slot};
use crate::filesystem::FsClass;
use crate::process::ProcessMark;
use crate::record::{LockRecord, MAX_LEN};
use crate::registry::Registration;

/// How long a release waits for the binding byte. Others hold it for microseconds; whoever
/// holds it for a second is stopped (SIGSTOP, freezer) inside.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Held<S: Sys> {
    /// Serialises the binding byte among the threads of this process, whom one description does
    /// not tell apart. First, so that its slot goes before the descriptors that the slot names.
    fence: Fence<Hold>,
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
struct Hold {
    /// Gone once the lock was let go.
    registration: Option<Registration>,
    /// The entry for exit and fork, as long as the descriptors are ours to use.
    slot: Option<Slot>,
}

/// The binding byte of a held lock.
struct Binding<'a, S: Sys> {
    // In this order: the byte first.
    _byte: BindingByte<'a, S>,
    _claim: Option<Claim>,
}

/// How an attempt of the watchdog to let go ended.
pub(crate) enum Eviction {
    /// It is done.
    Done(ReleaseOutcome),
    /// A write section, a release or a contender is at work on the lock.
    NotYet,
    /// The holder has just renewed its promise.
    Renewed,
    /// The hold had ended otherwise, and there is nothing left to do.
    Over,
}

impl<S: Sys> Held<S> {
    pub(super) fn new(
        lock: &LockFile<S>,
        fresh: Fresh<S>,
        mark: ProcessMark,
        registration: Registration,
    ) -> Self {
        let Fresh { bound, written: Written { record, content, class } } = fresh;
        let deadline =
            record.max_hold.zip(record.monotonic).map(|(max, at)| at.saturating_add(max));
        let deadline = AtomicU64::new(deadline.map_or(u64::MAX, nanos));
        let renewals = AtomicU32::new(0);
        let fence = Fence::new(Hold { registration: Some(registration), slot: None });
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
            Some(_) => (path.join(OWNER_FILE), Some(litter::tombstone_name(path))),
        };
        let directory = tombstone.as_deref().map(|tombstone| (path, tombstone));
        let binding = self.binding.as_ref();
        let inherited = binding.is_some();
        let sys = self.lock.sys();
        if let Some(mut hold) = self.fence.enter(Duration::MAX) {
            hold.slot = sys.enter_slot(file, binding, facts, &record, directory, inherited);
        }
    }

    /// Whether the calling process is the holder, and not a forked child of it.
    pub(crate) fn is_own(&self) -> bool {
        self.mark.is_current()
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
        if hold.registration.is_some() {
            self.end.set(End::Taken);
        }
        Some(false)
    }

    fn is_bound(&self) -> io::Result<bool> {
        self.bound.is_current(&self.lock, &self.content, self.class)
    }

    /// How much of the holder's promise is left; `None`: it promised nothing.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline.load(Ordering::Acquire);
        let now = self.lock.clock().monotonic();
        (deadline != u64::MAX).then(|| Duration::from_nanos(deadline).saturating_sub(now))
    }

    /// Whether the hold has ended and nothing is left for the watchdog to do. Unclear while
    /// somebody is at work on it.
    pub(crate) fn is_over(&self) -> bool {
        match self.end.get() {
            Some(End::Released | End::Taken) => true,
            Some(End::Overdue) | None => {
                self.fence.peek(|hold| hold.registration.is_none()).unwrap_or(false)
            }
        }
    }

    /// Runs `write` inside the fence and under the binding byte, if the lock is still held.
    fn fenced<T>(&self, patience: Duration, write: impl FnOnce() -> T) -> Result<T, SectionError> {
        if !self.is_own() {
            return Err(SectionError::Forked);
        }
        if self.fence.is_mine() {
            return Err(SectionError::Nested);
        }
        let started = Instant::now();
        let hold = self.fence.enter(patience).ok_or(SectionError::Busy)?;
        let patience = patience.saturating_sub(started.elapsed());
        let _binding = self.take_binding(&hold, patience)?.ok_or(SectionError::Busy)?;
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

    pub(super) fn section<T>(
        &self,
        patience: Duration,
        write: impl FnOnce() -> T,
    ) -> Result<T, SectionError> {
        self.fenced(patience, write)
    }

    /// Promises to hold for at most `more` from now, if that is later than promised so far.
    ///
    /// The record is never edited. What is appended to it is white space, which every reader
    /// ignores, and of which each byte means one more `max_hold`: one step that is there or not,
    /// needs no clock, and dies with the file.
    pub(super) fn extend(&self, more: Duration, patience: Duration) -> Result<(), SectionError> {
        let (Some(max_hold), Some(start)) = (self.record.max_hold, self.record.monotonic) else {
            return Ok(());
        };
        let wanted = self.lock.clock().monotonic().saturating_add(more);
        let renew = || {
            if self.deadline.load(Ordering::Acquire) >= nanos(wanted) {
                return io::Result::Ok(());
            }
            let periods =
                wanted.saturating_sub(start).as_nanos().div_ceil(max_hold.as_nanos().max(1));
            let renewals = u32::try_from(periods.saturating_sub(1)).unwrap_or(u32::MAX);
            let before = self.renewals.load(Ordering::Relaxed);
            let added = renewals.saturating_sub(before) as usize;
            let offset = self.content.len() + before as usize;
            if offset + added > MAX_LEN {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "renewed too many times"));
            }
            if let Some((file, _)) = self.bound.file() {
                self.lock.sys().write(file, offset as u64, &vec![b'\n'; added])?;
            }
            self.renewals.store(renewals.max(before), Ordering::Relaxed);
            self.deadline.store(nanos(wanted), Ordering::Release);
            Ok(())
        };
        match self.fenced(patience, renew) {
            // Inside a write section of its own it has all that it takes.
            Err(SectionError::Nested) => renew()?,
            renewed => renewed??,
        }
        // Unless the watchdog's decision came first.
        if self.end.get().is_some() { Err(SectionError::Lost) } else { Ok(()) }
    }

    fn take_binding(&self, hold: &Hold, patience: Duration) -> io::Result<Option<Binding<'_, S>>> {
        // A held lock always has its file.
        let own = self.bound.file().map(|(file, _)| file);
        let Some(file) = self.binding.as_ref().or(own) else { return Ok(None) };
        let claim = hold.slot.as_ref().map(Slot::claim);
        let byte = BindingByte::take(self.lock.sys(), file, patience)?;
        Ok(byte.map(|byte| Binding { _byte: byte, _claim: claim }))
    }

    /// Lets go. Waits for a write section of another thread.
    pub(super) fn release(&self) -> ReleaseOutcome {
        if !self.is_own() {
            return ReleaseOutcome::Forked;
        }
        let Some(mut hold) = self.fence.enter(Duration::MAX) else {
            return ReleaseOutcome::StillHeld;
        };
        match self.end.get() {
            Some(End::Released) | None => {}
            Some(End::Overdue | End::Taken) => {
                // The watchdog may not have got round to it yet.
                if hold.registration.is_some() {
                    let _ = self.unbind(&mut hold, RELEASE_PATIENCE);
                }
                return ReleaseOutcome::Lost;
            }
        }
        let outcome = self.unbind(&mut hold, RELEASE_PATIENCE);
        self.end.set(match outcome {
            ReleaseOutcome::Lost => End::Taken,
            _ => End::Released,
        });
        outcome
    }

    /// The watchdog's part: the hold ends now, and whoever asks is told; the file goes as soon
    /// as nobody is at work on it. Never waits.
    pub(crate) fn evict(&self, give_up: bool) -> Eviction {
        self.end.set_if(End::Overdue, || self.time_left() == Some(Duration::ZERO));
        match self.end.get() {
            None => return Eviction::Renewed,
            Some(End::Released | End::Taken) => return Eviction::Over,
            Some(End::Overdue) => {}
        }
        let Some(mut hold) = self.fence.enter(Duration::ZERO) else { return Eviction::NotYet };
        if hold.registration.is_none() {
            return Eviction::Done(ReleaseOutcome::Released);
        }
        let outcome = self.remove_file(&hold, Duration::ZERO);
        let busy =
            matches!(&outcome, ReleaseOutcome::Abandoned(e) if e.kind() == io::ErrorKind::TimedOut);
        if busy && !give_up {
            return Eviction::NotYet;
        }
        self.drop_owner_byte(&mut hold);
        Eviction::Done(outcome)
    }

    /// Removes the file if it is still ours, and drops the owner byte in any case.
    fn unbind(&self, hold: &mut Hold, patience: Duration) -> ReleaseOutcome {
        let outcome = self.remove_file(hold, patience);
        self.drop_owner_byte(hold);
        outcome
    }

    fn drop_owner_byte(&self, hold: &mut Hold) {
        // Explicitly: an inherited descriptor would keep the byte otherwise.
        if let Some((file, _)) = self.bound.file() {
            let _ = self.lock.sys().unlock(file, Byte::Owner);
        }
        hold.registration = None;
        hold.slot = None;
    }

    fn remove_file(&self, hold: &Hold, patience: Duration) -> ReleaseOutcome {
        let _binding = match self.take_binding(hold, patience) {
            Ok(Some(binding)) => Some(binding),
            Ok(None) => {
                return ReleaseOutcome::Abandoned(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process keeps the lock's binding byte; it is probably stopped",
                ));
            }
            // Without byte locks the check and the removal are two steps, as everybody's are.
            Err(_) if self.record.kernel_lock.is_none() => None,
            Err(error) => return ReleaseOutcome::Abandoned(error),
        };
        match self.is_bound() {
            Ok(true) => match self.bound.remove(&self.lock) {
                Ok(()) => ReleaseOutcome::Released,
                Err(error) => ReleaseOutcome::Abandoned(error),
            },
            Ok(false) => ReleaseOutcome::Lost,
            Err(error) => ReleaseOutcome::Abandoned(error),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
