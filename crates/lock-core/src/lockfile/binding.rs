//! The binding byte: held while changing, or relying on, what a path is bound to.

use std::io;
use std::time::Duration;

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
