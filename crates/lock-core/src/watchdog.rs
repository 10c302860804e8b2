//! The watchdog: one thread per process that keeps holders to their promise and notices losses.
//!
//! A thread, not a task: a runtime whose workers are all busy cannot stop it. It starts with the
//! first held lock and goes a while after the last, so that a program which takes and releases
//! locks in a loop does not start a thread each time.
//!
//! It never waits for a lock: what is busy (a write section, a contender) is tried again, and one
//! lock that cannot be let go keeps it from no other.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::lockfile::ReleaseOutcome;
use crate::lockfile::held::{Eviction, Held};
use crate::lockfile::sys::Sys;
use crate::process::ProcessMark;
use crate::story::rough;
use crate::wait::Watch;

/// Locks that are held for less than this get no file watch, and cost nothing but their entry.
const SETTLE: Duration = Duration::from_millis(50);
/// How long the thread stays after the last lock.
const LINGER: Duration = Duration::from_secs(2);
/// How often a loss is looked for where no file events can be had, and beside them.
const POLL: Duration = Duration::from_secs(1);
/// How soon a busy lock is tried again.
const RETRY: Duration = Duration::from_millis(2);
const LONGEST_RETRY: Duration = Duration::from_millis(50);
/// How long a contender may keep the binding byte before the lock is let go without it.
const GIVE_UP: Duration = Duration::from_secs(1);

/// A held lock, whatever system it is on.
trait Lock: Send + Sync {
    fn is_over(&self) -> bool;
    fn time_left(&self) -> Option<Duration>;
    fn watch(&self) -> Option<Watch>;
    /// `false`: it could not be told.
    fn notice_loss(&self) -> bool;
    fn evict(&self, give_up: bool) -> Eviction;
    fn tell(&self, outcome: &ReleaseOutcome);
}

impl<S: Sys> Lock for Held<S> {
    fn is_over(&self) -> bool {
        !self.is_own() || Held::is_over(self)
    }

    fn time_left(&self) -> Option<Duration> {
        Held::time_left(self)
    }

    fn watch(&self) -> Option<Watch> {
        self.lock.watch()
    }

    fn notice_loss(&self) -> bool {
        self.look().is_some()
    }

    fn evict(&self, give_up: bool) -> Eviction {
        Held::evict(self, give_up)
    }

    fn tell(&self, outcome: &ReleaseOutcome) {
        let path = self.lock.path().display();
        let now = self.lock.clock().monotonic();
        let held = now.saturating_sub(self.record.monotonic.unwrap_or(now));
        let (held, max) = (rough(held), rough(self.record.max_hold.unwrap_or_default()));
        match outcome {
            ReleaseOutcome::Abandoned(error) => tracing::warn!(%path, held, max, %error,
                "held longer than promised: let go, but its file could not be removed"),
            _ => tracing::warn!(%path, held, max, "held longer than promised: let go"),
        }
    }
}

/// A held lock in the watchdog's care.
pub struct Charge {
    lock: Weak<dyn Lock>,
    /// From when it is looked after, as far as that began.
    since: Option<Instant>,
    watch: Option<Watch>,
    settled: bool,
    next_poll: Option<Instant>,
    overdue_since: Option<Instant>,
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge").field("since", &self.since).finish_non_exhaustive()
    }
}

struct Kennel {
    /// The process whose thread runs; a forked child has none.
    thread: Option<ProcessMark>,
    entries: Vec<Charge>,
    /// How often a thread was started.
    starts: u64,
    /// Until when the thread sleeps, unless it is woken.
    sleeps_until: Option<Instant>,
    woken: bool,
}

static KENNEL: Mutex<Kennel> = Mutex::new(Kennel {
    thread: None,
    starts: 0,
    entries: Vec::new(),
    sleeps_until: None,
    woken: false,
});
static CHANGED: Condvar = Condvar::new();

fn kennel() -> MutexGuard<'static, Kennel> {
    KENNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what the watchdog knows from changing; see [`crate::fork`].
#[cfg(unix)]
pub(crate) fn keep() -> crate::fork::Kept {
    crate::fork::keep(&KENNEL)
}

/// Starts looking after a lock that was just taken.
pub(crate) fn look_after(mut charge: Charge) {
    let left = charge.lock.upgrade().and_then(|lock| lock.time_left());
    let first_look = left.map_or(SETTLE, |left| left.min(SETTLE));
    let since = *charge.since.insert(Instant::now());
    let mark = ProcessMark::current();
    let mut kennel = kennel();
    if kennel.thread != Some(mark) {
        // The first lock of this process, or of a forked child, whose parent's entries and
        // thread are not its own.
        kennel.entries.clear();
        kennel.sleeps_until = None;
        let thread = std::thread::Builder::new().name("lock-watchdog".to_owned()).spawn(run);
        if let Err(error) = thread {
            tracing::warn!(%error, "no watchdog: only contenders hold this process to its promise");
            return;
        }
        kennel.thread = Some(mark);
        kennel.starts += 1;
    }
    kennel.entries.push(charge);
    if kennel.sleeps_until.is_some_and(|until| until > since + first_look) {
        drop(kennel);
        wake();
    }
}

/// The number of the watchdog's thread, if it runs in the process `mark`, which is the calling one.
/// As long as the number stays the same, the process has had a second thread all the time: what
/// the system allows only to a process with one thread has not happened in between.
#[must_use]
pub fn second_thread(mark: ProcessMark) -> Option<u64> {
    let kennel = kennel();
    (kennel.thread == Some(mark)).then_some(kennel.starts)
}

/// Makes the thread look at everything again.
pub(crate) fn wake() {
    kennel().woken = true;
    CHANGED.notify_all();
}

struct Bell;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        wake();
    }
}

fn run() {
    let bell = Waker::from(Arc::new(Bell));
    let mut idle_since = None;
    loop {
        let mut entries = std::mem::take(&mut kennel().entries);
        let now = Instant::now();
        let mut next = now + Duration::from_secs(86_400);
        entries.retain_mut(|entry| {
            // Whatever panics (a waker, a log) must not take the other locks' watchdog along.
            let tended = catch_unwind(AssertUnwindSafe(|| entry.tend(now, &bell)));
            let again = tended.unwrap_or_else(|_| Some(now + POLL));
            next = again.map_or(next, |at| next.min(at));
            again.is_some()
        });
        let mut kennel = kennel();
        if !kennel.entries.is_empty() {
            // Taken meanwhile.
            next = now;
        }
        entries.append(&mut kennel.entries);
        kennel.entries = entries;
        if kennel.entries.is_empty() {
            let since = *idle_since.get_or_insert(now);
            if now.duration_since(since) >= LINGER {
                kennel.thread = None;
                return;
            }
            // Short naps: the next lock then needs no wake-up, which costs more than its entry.
            next = now + SETTLE;
        } else {
            idle_since = None;
        }
        kennel.sleeps_until = Some(next);
        let nap = next.saturating_duration_since(Instant::now());
        kennel = CHANGED
            .wait_timeout_while(kennel, nap, |kennel| !kennel.woken)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        kennel.woken = false;
        kennel.sleeps_until = None;
    }
}

impl Charge {
    pub(crate) fn new<S: Sys>(held: &Arc<Held<S>>) -> Self {
        let held: Arc<dyn Lock> = held.clone();
        let lock = Arc::downgrade(&held);
        let (since, watch, next_poll, overdue_since) = (None, None, None, None);
        Self { lock, since, watch, settled: false, next_poll, overdue_since }
    }

    /// Does what is due. Answers when it wants to be tended again, or earlier if `bell` is rung;
    /// `None`: never.
    pub fn tend(&mut self, now: Instant, bell: &Waker) -> Option<Instant> {
        let lock = self.lock.upgrade()?;
        let began = *self.since.get_or_insert(now);
        if lock.is_over() {
            return None;
        }
        let left = lock.time_left();
        if left == Some(Duration::ZERO) || self.overdue_since.is_some() {
            let since = *self.overdue_since.get_or_insert(now);
            return match lock.evict(now.duration_since(since) >= GIVE_UP) {
                Eviction::Done(outcome) => {
                    lock.tell(&outcome);
                    None
                }
                Eviction::Over => None,
                // The longer it takes, the less it matters when exactly it ends.
                Eviction::NotYet => {
                    Some(now + (now.duration_since(since) / 8).clamp(RETRY, LONGEST_RETRY))
                }
                Eviction::Renewed => {
                    self.overdue_since = None;
                    Some(now)
                }
            };
        }
        if now.duration_since(began) < SETTLE {
            let end = left.and_then(|left| now.checked_add(left));
            return Some((began + SETTLE).min(end.unwrap_or(began + SETTLE)));
        }
        if !self.settled {
            self.settled = true;
            // First the watch, then the look.
            self.watch = lock.watch();
        }
        let happened = self.watch.as_ref().is_some_and(|watch| watch.poll_changed(bell));
        if happened || self.next_poll.is_none_or(|at| now >= at) {
            // Also beside events: none come when a directory above is renamed, or from another
            // machine. What is busy has to be looked at again, for its event is spent.
            self.next_poll = Some(now + if lock.notice_loss() { POLL } else { LONGEST_RETRY });
        }
        if happened {
            // Once more, to leave the bell with the watch.
            return Some(now);
        }
        let end = left.and_then(|left| now.checked_add(left));
        end.into_iter().chain(self.next_poll).min()
    }
}
