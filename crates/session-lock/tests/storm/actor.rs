//! The actors' side: what this program does when it is started with a role.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lock_core::lockfile::sys::{Native, Sys};
use lock_core::lockfile::{Guard, Layout};
use lock_core::{LockFile, ReleaseOutcome};
use session_lock::SessionGuard;

pub(crate) use crate::given::{Given, say, wait_for_go};
use crate::journal::Journal;
use crate::mutant::Altered;
use crate::support::{Terms, acquire, lock_over, now};

impl Given {
    /// Another system than the native one.
    fn altered(&self) -> Option<Altered> {
        Some(match self.word("sys")? {
            "mutant" => Altered::MUTANT,
            "named" => Altered::NAMED,
            "linked" => Altered::LINKED,
            other => panic!("no such system: {other}"),
        })
    }

    fn terms(&self) -> Terms {
        let layout = match self.word("layout") {
            Some("directory") => Layout::Directory,
            _ => Layout::File,
        };
        Terms { layout, timeout: self.timeout(), max_hold: self.millis("max_hold", 300_000) }
    }
}

/// Plays `role`.
pub(crate) fn run(role: &str) {
    let given = Given::read();
    say(&format!("hello {}", std::process::id()));
    match role {
        "hammer" => hammer(&given),
        "contender" => contender(&given),
        "holder" => holder(&given),
        #[cfg(target_os = "linux")]
        "cost" => crate::cost::actor(&given),
        "overdue" => crate::overdue::actor(&given),
        "writer" => crate::waiting::writer(&given),
        "blocked" => crate::waiting::blocked(&given),
        #[cfg(target_os = "linux")]
        "reclaimer" => crate::forks::reclaimer(&given),
        "fencer" => crate::overdue::fencer(&given),
        "waiter" => crate::waiting::waiter(&given),
        "idler" => crate::waiting::idler(&given),
        #[cfg(target_os = "linux")]
        "forker" => crate::forks::forker(&given),
        #[cfg(target_os = "linux")]
        "busy-forker" => crate::forks::busy_forker(&given),
        #[cfg(feature = "tokio")]
        "async-waiter" => crate::waiting::async_waiter(&given),
        #[cfg(feature = "tokio")]
        "canceller" => crate::cancel::actor(&given),
        _ => panic!("no such role: {role}"),
    }
}

/// One acquisition: what goes into the journal, and what has to hold about the guard.
struct Section<'a> {
    journal: &'a Journal,
    who: &'a str,
    seq: u64,
    /// How long the section lasts.
    hold: Duration,
    timeout: Duration,
    /// Whether it is no failure not to get the lock in time.
    may_time_out: bool,
}

impl Section<'_> {
    fn run<G, E: std::fmt::Display>(
        &self,
        acquire: impl FnOnce() -> Result<G, E>,
        is_held: impl FnOnce(&G) -> bool,
        release: impl FnOnce(G) -> ReleaseOutcome,
    ) {
        let Self { journal, who, seq, hold, timeout, may_time_out } = *self;
        let started = now();
        let acquired = acquire();
        let at = now();
        let waited = at - started;
        // Generous: what is measured is a process that shares two processors with a storm.
        if waited > timeout + Duration::from_secs(2) {
            journal.complain(who, &format!("waited {waited:?} instead of {timeout:?}"));
        }
        let guard = match acquired {
            Ok(guard) => guard,
            Err(error) if may_time_out && waited >= timeout && is_in_vain(&error) => {
                return journal.timed_out(who, waited);
            }
            Err(error) => return journal.complain(who, &format!("after {waited:?}: {error}")),
        };
        journal.begin(who, seq, at, waited);
        let began = Instant::now();
        if hold > Duration::from_millis(1) {
            std::thread::sleep(hold);
        }
        while began.elapsed() < hold {
            std::thread::yield_now();
        }
        if !is_held(&guard) {
            journal.complain(who, "the lock was lost while it was held");
        }
        journal.end(who, seq, now());
        match release(guard) {
            ReleaseOutcome::Released => {}
            outcome => journal.complain(who, &format!("release: {outcome:?}")),
        }
    }
}

/// Whether an error says that the lock was not had in time, and no other. A dead owner's lock that
/// another process was just removing when the time was up is told as stale, with the same wait.
fn is_in_vain(error: &impl std::fmt::Display) -> bool {
    let text = error.to_string();
    text.starts_with("session file locked (timeout ")
        || text.starts_with("session file lock stale (lock-released)")
            && text.contains("a process is at work on it")
}

fn error_text(error: lock_core::AcquireError) -> String {
    format!("{error:?}")
}

static STOP: AtomicBool = AtomicBool::new(false);

/// Takes the lock again and again, until told to stop, in one thread or several.
fn hammer(given: &Given) {
    let journal = Journal::open(&given.path("journal"));
    let threads = given.number("threads", 1);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let journal = &journal;
            scope.spawn(move || hammer_with_one(given, journal, thread));
        }
        wait_for_go();
        STOP.store(true, Ordering::Relaxed);
    });
}

fn hammer_with_one(given: &Given, journal: &Journal, thread: u64) {
    let who = format!("{}.{thread}", given.nr());
    let hold = Duration::from_micros(given.number("hold_us", 20));
    let timeout = given.timeout();
    let may_time_out = given.word("may_time_out").is_some();
    let mut seq = 0;
    while !STOP.load(Ordering::Relaxed) {
        seq += 1;
        let section = Section { journal, who: &who, seq, hold, timeout, may_time_out };
        if given.word("session").is_some() {
            let lock = given.session_lock();
            section.run(|| lock.acquire(), |g: &SessionGuard| g.is_held(), SessionGuard::release);
        } else if let Some(sys) = given.altered() {
            let terms = given.terms();
            let lock = lock_over(sys, &given.path("lock"), terms.layout);
            let acquire = || acquire(&lock, terms).map_err(error_text);
            section.run(acquire, Guard::is_held, Guard::release);
        } else {
            let terms = given.terms();
            let lock = lock_over(Native, &given.path("lock"), terms.layout);
            let acquire = || acquire(&lock, terms).map_err(error_text);
            section.run(acquire, Guard::is_held, Guard::release);
        }
    }
}

/// Waits at the barrier, then takes the lock once.
fn contender(given: &Given) {
    let terms = given.terms();
    let path = given.path("lock");
    match given.altered() {
        Some(sys) => contend(given, &lock_over(sys, &path, terms.layout), terms),
        None => contend(given, &lock_over(Native, &path, terms.layout), terms),
    }
}

fn contend<S: Sys>(given: &Given, lock: &LockFile<S>, terms: Terms) {
    let journal = Journal::open(&given.path("journal"));
    let who = format!("{}.0", given.nr());
    let hold = Duration::from_micros(given.number("hold_us", 200));
    let timeout = terms.timeout;
    let may_time_out = false;
    let section = Section { journal: &journal, who: &who, seq: 1, hold, timeout, may_time_out };
    wait_for_go();
    std::thread::sleep(Duration::from_micros(given.number("after_us", 0)));
    let acquire = || acquire(lock, terms).map_err(error_text);
    section.run(acquire, Guard::is_held, Guard::release);
}

/// Takes the lock, says so, and keeps it until told to let go.
fn holder(given: &Given) {
    let terms = given.terms();
    let lock = lock_over(Native, &given.path("lock"), terms.layout);
    let journal = given.word("journal").map(|path| Journal::open(Path::new(path)));
    let guard = acquire(&lock, terms).map_err(error_text).expect("the lock");
    let who = format!("{}.0", given.nr());
    if let Some(journal) = &journal {
        journal.begin(&who, 1, now(), Duration::ZERO);
    }
    say("held");
    wait_for_go();
    if let Some(journal) = &journal {
        journal.end(&who, 1, now());
    }
    say(&format!("release {:?}", guard.release()));
}
