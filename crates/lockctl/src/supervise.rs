//! Looking after the command: forwarding signals, keeping the promised maximum, noticing a
//! lost lock.

use std::io;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use lock_core::lockfile::SectionError;
use lock_core::{Clock, Guard, SystemClock};

cfg_select! {
    unix => {
        mod unix;
        use unix as os;
    }
    windows => {
        mod windows;
        use windows as os;
    }
}

pub(crate) use os::code_of;

/// How the command ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// On its own account.
    ByItself(ExitStatus),
    /// Stopped, because its time was up.
    Overdue,
    /// Stopped, because the lock was lost.
    Lost,
}

/// What the supervisor wakes up for.
#[derive(Debug)]
enum Event {
    /// A child changed state.
    Child,
    /// Somebody sent this process, and not its whole terminal, a signal to pass on.
    #[cfg(unix)]
    Forward(i32),
    /// The lock is not held any more.
    Ended,
}

/// Safety net beside the events.
const TICK: Duration = Duration::from_secs(1);
/// How long before the end the command is killed, at most: time for that to be done.
const MARGIN: Duration = Duration::from_millis(100);
/// Waiting for the binding byte: whoever has it longer is evicting us.
const SECTION_PATIENCE: Duration = Duration::from_millis(50);

/// Runs the command until it ends, its time is up, or the lock is lost.
pub(crate) fn run(
    guard: &Guard,
    mut command: Command,
    max_hold: Option<Duration>,
) -> io::Result<Ended> {
    let (events, inbox) = mpsc::channel();
    os::watch_signals(events.clone())?;
    let deadlines = Deadlines::new(guard, max_hold);
    let mut child = os::Supervised::start(&mut command, &events)?;
    // The watchdog notices a lost lock, also while this loop sleeps.
    guard.on_end(move |_| drop(events.send(Event::Ended)));
    let mut stopping: Option<Stopping> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match stopping {
                None => Ended::ByItself(status),
                Some(Stopping { lost: true, .. }) => Ended::Lost,
                Some(Stopping { lost: false, .. }) => Ended::Overdue,
            });
        }
        let now = Instant::now();
        match &mut stopping {
            // Not being able to look is no loss.
            None if !guard.is_held() && guard.lost().end().is_some() => {
                child.terminate();
                stopping = Some(Stopping { lost: true, kill_at: Some(now + deadlines.last_words) });
            }
            None if deadlines.term_at.is_some_and(|at| now >= at) => {
                child.terminate();
                stopping = Some(Stopping { lost: false, kill_at: deadlines.kill_at });
            }
            Some(stopping) if stopping.kill_at.is_some_and(|at| now >= at) => {
                stopping.kill_at = None;
                stopping.lost |= !kill(guard, &mut child);
            }
            _ => {}
        }
        let next = match &stopping {
            None => deadlines.term_at,
            Some(stopping) => stopping.kill_at,
        };
        let nap = next.map_or(TICK, |at| at.saturating_duration_since(Instant::now()).min(TICK));
        match inbox.recv_timeout(nap) {
            #[cfg(unix)]
            Ok(Event::Forward(signal)) => child.forward(signal),
            Ok(Event::Child | Event::Ended) | Err(RecvTimeoutError::Timeout) => {}
            // Both senders live as long as the process.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(nap),
        }
    }
}

/// A command that was told to stop.
struct Stopping {
    lost: bool,
    kill_at: Option<Instant>,
}

/// When the command is stopped.
struct Deadlines {
    term_at: Option<Instant>,
    kill_at: Option<Instant>,
    last_words: Duration,
}

impl Deadlines {
    fn new(guard: &Guard, max_hold: Option<Duration>) -> Self {
        let Some(max_hold) = max_hold else {
            return Self { term_at: None, kill_at: None, last_words: os::LAST_WORDS };
        };
        // The promise counts from the record's time, which is a little before now.
        let taken = guard.record().monotonic.unwrap_or_else(|| SystemClock.monotonic());
        let left = (taken + max_hold).saturating_sub(SystemClock.monotonic());
        let end = Instant::now() + left;
        let (last_words, margin) = shares(max_hold);
        let before = |time| Some(end.checked_sub(time).unwrap_or(end));
        Self { term_at: before(last_words.max(margin)), kill_at: before(margin), last_words }
    }
}

/// How long before the end of a promise the command is asked to end, and how long before it is
/// killed.
fn shares(max_hold: Duration) -> (Duration, Duration) {
    (os::LAST_WORDS.min(max_hold / 4), MARGIN.min(max_hold / 20))
}

/// Kills the command, inside a fenced write, so that no successor gets the lock before the
/// command is gone. `false`: the lock was lost already; the command is killed all the same, as
/// it is when somebody else keeps the binding byte, under which nobody can take over either.
fn kill(guard: &Guard, child: &mut os::Supervised) -> bool {
    let fenced = guard.section(SECTION_PATIENCE, || {
        child.kill();
        // Reaping is noticed once more by the loop: the status is remembered.
        child.wait();
    });
    if fenced.is_err() {
        child.kill();
    }
    !matches!(fenced, Err(SectionError::Lost))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The smaller of 5 s and a quarter; just before the end.
    #[rstest]
    #[case(1_000, 250, 50)]
    #[case(4_000, 1_000, 100)]
    #[case(20_000, 5_000, 100)]
    #[case(20_004, 5_000, 100)]
    #[case(300_000, 5_000, 100)]
    fn a_promise_is_kept_by(#[case] max_hold: u64, #[case] asked: u64, #[case] killed: u64) {
        let ms = Duration::from_millis;
        assert_eq!(shares(ms(max_hold)), (ms(asked), ms(killed)));
    }
}
