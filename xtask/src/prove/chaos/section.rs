//! One acquisition that succeeded: what is done under it, and told to the journal.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use lock_core::lockfile::sys::Sys;
use lock_core::lockfile::{AppendError, Appender, SectionError};
use lock_core::{Guard, ReleaseOutcome};

use super::clocks::Shared;
use super::journal::{complain, tell};
use super::products::Which;

/// How long a fenced write waits: longer than anybody is stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Section {
    who: String,
    shared: Shared,
    pub(super) which: Which,
    seq: u64,
    began: Duration,
    /// From when on it may be evicted, on the shared clock. Install locks never are.
    promise: Option<Duration>,
}

impl Section {
    pub(super) fn begin<S: Sys>(
        who: &str,
        shared: Shared,
        guard: &Guard<S>,
        which: Which,
        seq: u64,
    ) -> Self {
        let record = guard.record();
        let promise = record.monotonic.zip(record.max_hold).map(|(at, max)| shared.of(at + max));
        Self { who: who.to_owned(), shared, which, seq, began: shared.now(), promise }
    }

    pub(super) fn tell_begin(&self, dir: &Path, waited: Duration) {
        let Self { who, which, seq, began, promise, .. } = self;
        let size = std::fs::metadata(which.protected(dir)).map_or(0, |file| file.len());
        let (began, waited) = (began.as_nanos(), waited.as_nanos());
        let promise = promise.map_or(0, |promise| promise.as_nanos());
        let which = which.name();
        tell(format_args!("B {who} {which} {seq} {began} {waited} {promise} {size}"));
    }

    /// Whether it is too late to be surprised by a loss.
    fn is_late(&self) -> bool {
        self.promise.is_some_and(|promise| self.shared.now() >= promise)
    }

    /// One fenced write, of one line.
    pub(super) fn append<S: Sys>(&self, guard: &Guard<S>, to: &Appender, number: &mut u32) {
        self.write(number, |line| guard.append(to, line, PATIENCE));
    }

    /// The same, by a writer who takes his time inside the fence, maybe past his promise.
    pub(super) fn append_slowly<S: Sys>(
        &self,
        guard: &Guard<S>,
        to: &Appender,
        number: &mut u32,
        time: Duration,
    ) {
        self.write(number, |line| {
            guard.section(PATIENCE, || {
                std::thread::sleep(time);
                let written = File::options().append(true).open(to.path());
                // A line that is not there is found missing.
                let _ = written.and_then(|mut file| file.write_all(line));
            })?;
            Ok(())
        });
    }

    fn write(&self, number: &mut u32, write: impl FnOnce(&[u8]) -> Result<(), AppendError>) {
        let Self { who, which, seq, .. } = self;
        let line = format!("{who} {seq} {number}\n");
        let written = write(line.as_bytes());
        let letter = if written.is_ok() { 'W' } else { 'R' };
        tell(format_args!("{letter} {who} {} {seq} {number}", which.name()));
        *number += 1;
        match written {
            Ok(()) => {}
            Err(AppendError::Fence(SectionError::Lost)) if self.is_late() => {}
            Err(error) => complain(who, &format!("a fenced write of {seq}: {error}")),
        }
    }

    /// Renews the promise, which only gets longer.
    pub(super) fn extend<S: Sys>(&mut self, guard: &Guard<S>, more: Duration) {
        let Some(promise) = self.promise else { return };
        let until = promise.max(self.shared.now() + more);
        match guard.extend_within(PATIENCE, more) {
            Ok(()) => {
                self.promise = Some(until);
                let Self { who, which, seq, .. } = self;
                tell(format_args!("P {who} {} {seq} {}", which.name(), until.as_nanos()));
            }
            Err(SectionError::Lost) if self.is_late() => {}
            Err(error) => complain(&self.who, &format!("renewing {}: {error}", self.seq)),
        }
    }

    pub(super) fn end<S: Sys>(self, guard: Guard<S>) {
        let Self { who, which, seq, .. } = &self;
        if !guard.is_held() && !self.is_late() {
            complain(who, &format!("section {seq} of {} was lost while it was held", which.name()));
        }
        tell(format_args!("E {who} {} {seq} {}", which.name(), self.shared.now().as_nanos()));
        let outcome = match guard.release() {
            ReleaseOutcome::Released => "released",
            ReleaseOutcome::Lost if self.is_late() => "lost",
            // Whoever has the binding byte is stopped. The file stays for the next one.
            ReleaseOutcome::Abandoned(e) if e.kind() == std::io::ErrorKind::TimedOut => "abandoned",
            other => return complain(who, &format!("section {seq}: release: {other:?}")),
        };
        tell(format_args!("O {who} {} {seq} {outcome}", which.name()));
    }
}
