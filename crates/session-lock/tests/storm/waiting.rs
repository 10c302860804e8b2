//! Waiting: how soon a killed holder's lock is had, and what it costs to wait for a live one.

use std::time::Duration;

use session_lock::{ReleaseOutcome, SessionLock, SessionLockError, SessionOptions};

use crate::actor::{Given, say, wait_for_go};
use crate::contention::settled;
use crate::crew::{Actor, Barrier, Orders};
use crate::journal::Journal;
use crate::os;
use crate::stale::{contender, hold};
use crate::support::{Arena, now, quiet, scaled, spread, stormy};

pub(crate) fn kill_latency() {
    let says_so: fn(&mut Actor) = |waiter| drop(waiter.expect("waiting"));
    measure("waiting::kill_latency", "waiter", says_so, Actor::kill);
}

pub(crate) fn release_latency() {
    let says_so: fn(&mut Actor) = |waiter| drop(waiter.expect("waiting"));
    measure("waiting::release_latency", "waiter", says_so, |holder, _| drop(holder.finish()));
}

#[cfg(feature = "tokio")]
pub(crate) fn kill_latency_async() {
    measure("waiting::kill_latency_async", "async-waiter", until_it_watches, Actor::kill);
}

fn measure(
    trial: &str,
    role: &'static str,
    until_it_waits: fn(&mut Actor),
    end: fn(Actor, &Journal),
) {
    let _quiet = quiet();
    let arena = Arena::new();
    let log = Journal::open(&arena.session());
    let mut waiter = Orders::new(role).path("session", &arena.session()).start();
    let mut latencies = Vec::new();
    for _ in 0..scaled(50) {
        let holder = hold(&arena, 300_000);
        waiter.tell("again");
        until_it_waits(&mut waiter);
        // Past the probes with which a wait begins: what wakes it now is an event, or a poll.
        std::thread::sleep(Duration::from_millis(30));
        let ended = now();
        end(holder, &log);
        let got: u64 = waiter.expect("got ").parse().expect("nanoseconds");
        latencies.push(Duration::from_nanos(got) - ended);
        waiter.expect("released");
    }
    drop(waiter.finish());
    // An event, or a poll? A poll comes after half of its pause, which is 100 ms at the least.
    let median = median(&mut latencies);
    let limit = Duration::from_millis(if cfg!(windows) { 600 } else { 100 });
    let late = latencies.iter().filter(|t| **t > limit).count();
    println!("{trial}: {}", spread(&mut latencies));
    settled(&arena, trial);
    // The safety net is a second: whoever falls into it missed an event. A loaded machine may
    // keep the dying holder from finishing to die for a while.
    assert!(late <= 1, "{trial}: {late} waiters took over {limit:?}");
    assert!(median < limit / 4, "{trial}: the median is {median:?}: nothing woke them");
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Behind a live holder, attempts end at their deadlines, in threads and in tasks: not before, and
/// not long after.
pub(crate) fn deadlines() {
    let _quiet = quiet();
    let arena = Arena::new();
    let holder = hold(&arena, 300_000);
    for millis in [0, 1, 20, 300, 1_200] {
        let timeout = Duration::from_millis(millis);
        let options = SessionOptions::default().timeout(timeout);
        let lock = SessionLock::new(arena.session(), options).expect("a lock");
        let on_time = |what: &str, started: Duration, error: Option<SessionLockError>| {
            let waited = now() - started;
            println!("waiting::deadlines: {what} of {timeout:?} ended after {waited:?}");
            assert!(matches!(error, Some(SessionLockError::Timeout(_))), "{what}: {error:?}");
            assert!(waited >= timeout, "{what} of {timeout:?} gave up after {waited:?}");
            let limit = timeout + Duration::from_millis(500) * os::PATIENCE;
            assert!(waited < limit, "{what} of {timeout:?} lasted {waited:?}");
        };
        let started = now();
        on_time("a thread's wait", started, lock.acquire().map(drop).err());
        #[cfg(feature = "tokio")]
        {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.expect("a runtime");
            let started = now();
            let error = runtime.block_on(async { lock.acquire_async().await.map(drop).err() });
            on_time("a task's wait", started, error);
        }
    }
    drop(holder.finish());
    settled(&arena, "waiting::deadlines");
}

/// Waits until a process watches a file; where nobody can tell, until it should.
#[cfg(feature = "tokio")]
fn until_it_watches(actor: &mut Actor) {
    loop {
        match os::watches_files(actor.pid()) {
            Some(true) => return,
            Some(false) => std::thread::yield_now(),
            None => return std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Takes the lock once for every line it is told.
pub(crate) fn waiter(given: &Given) {
    let lock = given.session_lock();
    for _ in std::io::stdin().lines() {
        let mut told = false;
        let guard = lock
            .acquire_telling(|_, _, _| {
                if !std::mem::replace(&mut told, true) {
                    say("waiting");
                }
            })
            .unwrap_or_else(|e| panic!("{e}"));
        say(&format!("got {}", now().as_nanos()));
        assert!(matches!(guard.release(), ReleaseOutcome::Released));
        say("released");
    }
}

/// The same in a task.
#[cfg(feature = "tokio")]
pub(crate) fn async_waiter(given: &Given) {
    let lock = given.session_lock();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    for _ in std::io::stdin().lines() {
        runtime.block_on(async {
            let guard = lock.acquire_async().await.unwrap_or_else(|e| panic!("{e}"));
            say(&format!("got {}", now().as_nanos()));
            assert!(matches!(guard.release().await, ReleaseOutcome::Released));
        });
        say("released");
    }
}

/// Ten seconds behind a live holder, while others come, look and go.
pub(crate) fn idle() {
    let _weather = stormy();
    let (arena, aside) = (Arena::new(), Arena::new());
    let holder = hold(&arena, 300_000);
    let mut idler =
        Orders::new("idler").path("session", &arena.session()).with("timeout", 10_000).start();
    idler.expect("waiting");
    let mut others = 0;
    while idler.is_running() {
        let passer = contender(&arena).path("journal", &aside.session()).with("timeout", 300);
        drop(passer.start().finish());
        others += 1;
    }
    let words = idler.finish();
    let mut numbers = words.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let mut number = || numbers.next().expect("three numbers");
    let (cpu, steps, waited) = (number(), number(), number());
    println!(
        "waiting::idle: {:?} of processor time and {steps} steps in {:?}, {others} others passed",
        Duration::from_micros(cpu),
        Duration::from_micros(waited),
    );
    drop(holder.finish());
    settled(&arena, "waiting::idle");
    assert!(others >= 5, "only {others} others passed");
    assert!((10_000_000..13_000_000).contains(&waited), "waited {waited} µs");
    // The safety net alone makes it look every 0.75 to 1.25 seconds.
    assert!(steps <= 20, "{steps} steps: something woke it");
    // Without optimisation; a polling waiter would need many times as much. Where time is counted in
    // steps, each look may be charged a whole one.
    let charged = os::CPU_STEP.as_micros() as u64 * steps;
    assert!(cpu < 30_000 + charged, "{cpu} µs of processor time");
}

/// An overdue holder that is stopped inside a fenced write: nobody evicts it there, and whoever
/// wants to gives up at its deadline, without a fight in the meantime.
pub(crate) fn behind_a_stopped_writer() {
    let _weather = stormy();
    let arena = Arena::new();
    let session = arena.session();
    let mut writer = Orders::new("writer").path("session", &session).with("max_hold", 50).start();
    writer.expect("writing");
    writer.stop();
    let blocked = || Orders::new("blocked").path("session", &session).with("timeout", 2_000);
    let crew = Barrier::of((0..4).map(|_| blocked())).open();
    let costs: Vec<_> = crew.into_iter().map(|actor| actor.finish().trim().to_owned()).collect();
    let costs: Vec<u64> = costs.iter().map(|text| text.parse().expect("a number")).collect();
    writer.go_on();
    let said = writer.finish();
    // Its own watchdog may come before or after the two questions that it asks then.
    let (kept, ended) = (said.contains("release Released"), said.contains("release Lost"));
    assert!(kept && said.contains("is_held true") || ended, "{said}");
    println!("waiting::behind_a_stopped_writer: {costs:?} µs of processor time in two seconds");
    settled(&arena, "waiting::behind_a_stopped_writer");
    // Without optimisation. Contenders that wake each other take all there is.
    assert!(costs.iter().all(|cost| *cost < 300_000), "{costs:?}");
}

/// Stops being polite: stays inside a fenced write until told to go on.
pub(crate) fn writer(given: &Given) {
    let guard = given.session_lock().acquire().unwrap_or_else(|e| panic!("{e}"));
    let written = guard.section(Duration::from_secs(1), || {
        assert!(guard.is_held(), "asked inside the section");
        say("writing");
        wait_for_go();
    });
    written.expect("a fenced write");
    say(&format!("is_held {}", guard.is_held()));
    say(&format!("release {:?}", guard.release()));
}

/// Fails to get the lock in time, and tells what it cost.
pub(crate) fn blocked(given: &Given) {
    wait_for_go();
    let (before, started) = (cpu(), now());
    let error = given.session_lock().acquire().map(drop).expect_err("the writer has it");
    let waited = now() - started;
    assert!(waited < given.timeout() + Duration::from_secs(2), "waited {waited:?}");
    assert!(error.to_string().contains("a process is at work on it"), "{error}");
    say(&(cpu() - before).to_string());
}

/// Microseconds of processor time that this process took so far.
fn cpu() -> u64 {
    os::cpu_time().as_micros() as u64
}

/// Waits in vain, and tells what it cost.
pub(crate) fn idler(given: &Given) {
    let started = now();
    let mut first = None;
    let mut steps = 0;
    let outcome = given.session_lock().acquire_telling(|_, _, _| {
        steps += 1;
        first.get_or_insert_with(|| {
            say("waiting");
            cpu()
        });
    });
    let spent = cpu() - first.expect("it waited");
    assert!(matches!(outcome, Err(SessionLockError::Timeout(_))), "{outcome:?}");
    say(&format!("{spent} {steps} {}", (now() - started).as_micros()));
}
