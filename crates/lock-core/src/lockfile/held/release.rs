//! Letting go: by the holder, and by its watchdog when the promise is over.

use std::io;
use std::time::Duration;

use super::{Held, Hold};
use crate::lockfile::binding::at_work;
use crate::lockfile::end::End;
use crate::lockfile::fence::Inside;
use crate::lockfile::guard::ReleaseOutcome;
use crate::lockfile::sys::{Byte, Sys};

/// How long a release waits for the binding byte. Others hold it for microseconds; whoever
/// holds it for a second is stopped (SIGSTOP, freezer) inside.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Lets go. Waits for a write section of another thread.
    pub(crate) fn release(&self) -> ReleaseOutcome {
        if !self.is_own() {
            return ReleaseOutcome::Forked;
        }
        let Some(hold) = self.fence.enter(Duration::MAX) else {
            return ReleaseOutcome::StillHeld;
        };
        match self.end.get() {
            Some(End::Released) | None => {}
            Some(End::Overdue | End::Taken) => {
                // The watchdog may not have got round to it yet.
                if hold.content().registration.is_some() {
                    let _ = self.unbind(&hold, RELEASE_PATIENCE);
                }
                return ReleaseOutcome::Lost;
            }
        }
        let outcome = self.unbind(&hold, RELEASE_PATIENCE);
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
        let Some(hold) = self.fence.enter(Duration::ZERO) else { return Eviction::NotYet };
        if hold.content().registration.is_none() {
            return Eviction::Done(ReleaseOutcome::Released);
        }
        let outcome = self.remove_file(&hold, Duration::ZERO);
        let busy =
            matches!(&outcome, ReleaseOutcome::Abandoned(e) if e.kind() == io::ErrorKind::TimedOut);
        if busy && !give_up {
            return Eviction::NotYet;
        }
        self.drop_owner_byte(&hold);
        Eviction::Done(outcome)
    }

    /// Removes the file if it is still ours, and drops the owner byte in any case.
    fn unbind(&self, hold: &Inside<'_, Hold<S>>, patience: Duration) -> ReleaseOutcome {
        let outcome = self.remove_file(hold, patience);
        self.drop_owner_byte(hold);
        match outcome {
            // Looked up only now, when the owner byte is out of everybody's way.
            ReleaseOutcome::Abandoned(error) if error.kind() == io::ErrorKind::TimedOut => {
                let told = at_work(&self.at_work());
                ReleaseOutcome::Abandoned(io::Error::new(io::ErrorKind::TimedOut, told))
            }
            outcome => outcome,
        }
    }

    fn drop_owner_byte(&self, hold: &Inside<'_, Hold<S>>) {
        // Explicitly: an inherited descriptor would keep the byte otherwise.
        if let Some((file, _)) = self.bound.file() {
            let _ = self.lock.sys().unlock(file, Byte::Owner);
        }
        // Dropped only after the content is free again: the slot may wait for a handler.
        let (registration, slot) = {
            let mut content = hold.content();
            (content.registration.take(), content.slot.take())
        };
        drop((registration, slot));
    }

    fn remove_file(&self, hold: &Inside<'_, Hold<S>>, patience: Duration) -> ReleaseOutcome {
        let _binding = match self.take_binding(hold, patience) {
            Ok(Some(binding)) => Some(binding),
            Ok(None) => {
                return ReleaseOutcome::Abandoned(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process keeps the lock's binding byte",
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
