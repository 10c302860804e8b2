//! The binding byte: held while changing, or relying on, what a path is bound to.

use std::io;
use std::time::Duration;

use super::LockFile;
use super::sys::{Byte, Sys};

/// The longest nap between two tries.
const LONGEST_NAP: Duration = Duration::from_millis(5);

/// The binding byte of one open file, given back on drop, also when a write section panics.
///
/// Given back explicitly, not by closing: a child that another thread forks meanwhile shares the
/// description, and would keep the byte for as long as it lives.
#[derive(Debug)]
pub(super) struct BindingByte<'a, S: Sys> {
    sys: &'a S,
    file: &'a S::File,
}

impl<'a, S: Sys> BindingByte<'a, S> {
    /// Takes the byte, waiting for at most `patience`. `None`: somebody else has it.
    ///
    /// Time is counted in what was slept, so that no clock can make this wait for ever.
    pub(super) fn take(
        sys: &'a S,
        file: &'a S::File,
        patience: Duration,
    ) -> io::Result<Option<Self>> {
        let mut slept = Duration::ZERO;
        let mut nap = Duration::from_micros(20);
        loop {
            if sys.try_lock(file, Byte::Binding)? {
                return Ok(Some(Self { sys, file }));
            }
            if slept >= patience {
                return Ok(None);
            }
            sys.sleep(nap.min(patience - slept));
            slept += nap;
            nap = (nap * 2).min(LONGEST_NAP);
        }
    }
}

impl<S: Sys> Drop for BindingByte<'_, S> {
    fn drop(&mut self) {
        // Cannot fail for a byte that is held; a crash would drop it too.
        let _ = self.sys.unlock(self.file, Byte::Binding);
    }
}

impl<S: Sys> LockFile<S> {
    /// Who has the binding byte, and what to do about it, for people. Only for what has failed
    /// already: it looks through every process.
    #[must_use]
    pub fn at_work(&self) -> String {
        at_work(&self.holders(Byte::Binding))
    }
}

/// The same, of processes that are known. The cure is to let them go on, not to delete the file.
pub(super) fn at_work(pids: &[u32]) -> String {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let pids = if pids.is_empty() { "not visible here".to_owned() } else { pids.join(", ") };
    format!(
        "a process is at work on it, writing under it or removing it (pid {pids}); if that is \
         stopped, continue or kill it"
    )
}
