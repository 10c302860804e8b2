//! The holder's promise: when it ends, and renewing it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Held, nanos};
use crate::lockfile::guard::SectionError;
use crate::lockfile::sys::Sys;
use crate::record::MAX_LEN;

impl<S: Sys> Held<S> {
    /// How much of the holder's promise is left; `None`: it promised nothing.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline.load(Ordering::Acquire);
        let now = self.lock.clock().monotonic();
        (deadline != u64::MAX).then(|| Duration::from_nanos(deadline).saturating_sub(now))
    }

    /// Promises to hold for at most `more` from now, if that is later than promised so far.
    ///
    /// The record is never edited. What is appended to it is white space, which every reader
    /// ignores, and of which each byte means one more `max_hold`: one step that is there or not,
    /// needs no clock, and dies with the file.
    pub(crate) fn extend(&self, more: Duration, patience: Duration) -> Result<(), SectionError> {
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
        match self.section(patience, renew) {
            // Inside a write section of its own it has all that it takes.
            Err(SectionError::Nested) => renew()?,
            renewed => renewed??,
        }
        // Unless the watchdog's decision came first.
        if self.end.get().is_some() { Err(SectionError::Lost) } else { Ok(()) }
    }
}
