//! The processes: the victim, those who prepare its place, and the one that comes after its death.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lock_core::{End, Guard, ReleaseOutcome, State};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use super::cases::{CASES, Operation, Ways};
use super::place::{FENCED_LINE, Place};
use crate::prove::actors::Given;
use crate::prove::{sys, tracer};

/// Long enough to tell a wait from a hang.
const TIMEOUT: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_HOLD: Duration = Duration::from_secs(300);
/// What those promise who break it.
pub(crate) const SHORT_HOLD: Duration = Duration::from_millis(60);

impl Ways {
    /// Makes this process's file system one that can do no more than this.
    fn impose(self) -> Result<()> {
        const O_TMPFILE: u32 = 0o20_000_000;
        if !self.unnamed {
            sys::deny(libc::SYS_openat, Some(O_TMPFILE), Errno::OPNOTSUPP)?;
        }
        if !self.rename {
            sys::deny(libc::SYS_renameat2, None, Errno::INVAL)?;
        }
        if !self.tombstones {
            // Not for what was made here: stages are published by `renameat2`.
            sys::deny(libc::SYS_renameat, None, Errno::XDEV)?;
        }
        Ok(())
    }
}

pub(super) fn act(role: &str, given: &Given) -> Result<()> {
    if role == "calibration" {
        let made = given.path("dir")?.join("made");
        tracer::be_traced()?;
        return Ok(marked(|| std::fs::create_dir(made))?);
    }
    let case = CASES.get(given.get::<usize>("case")?).context("no such case")?;
    let place = Place::new(case.layout, &given.path("dir")?);
    case.ways.impose()?;
    match role {
        "victim" => victim(&place, case.operation),
        "contender" => victim(&place, Operation::Acquire),
        "dead" => {
            let _guard = place.lock(TIMEOUT, MAX_HOLD)?.acquire()?;
            Ok(kill_process(getpid(), Signal::KILL)?)
        }
        "overdue" => {
            let _guard = place.lock(TIMEOUT, SHORT_HOLD)?.acquire()?;
            Ok(kill_process(getpid(), Signal::STOP)?)
        }
        "next" => {
            println!("{}", serde_json::to_string(&come_after(&place)?)?);
            Ok(())
        }
        _ => bail!("no such role: crash-{role}"),
    }
}

/// Does the operation between the two marks, and leaves nothing behind if it is let live.
fn victim(place: &Place, operation: Operation) -> Result<()> {
    let max_hold = if operation == Operation::Overstay { SHORT_HOLD } else { MAX_HOLD };
    let lock = place.lock(TIMEOUT, max_hold)?;
    tracer::be_traced()?;
    match operation {
        Operation::Acquire => released(marked(|| lock.acquire())?.0.release()),
        Operation::Sweep => marked(|| lock.sweep()).map(drop),
        held => hold(place, held, lock.acquire()?.0),
    }
}

/// The operations of a holder.
fn hold(place: &Place, operation: Operation, guard: Guard) -> Result<()> {
    let appender = place.appender();
    match operation {
        Operation::Append => {
            marked(|| guard.append(&appender, FENCED_LINE.as_bytes(), PATIENCE))?;
        }
        Operation::Extend => marked(|| guard.extend(MAX_HOLD * 2))?,
        Operation::Overstay => {
            let lost = guard.lost();
            let outcome = marked(|| {
                let _ = lost.wait(PATIENCE);
                guard.release()
            });
            ensure!(lost.end() == Some(End::Overdue), "its own watchdog left it alone");
            ensure!(matches!(outcome, ReleaseOutcome::Lost), "released: {outcome:?}");
            return Ok(());
        }
        Operation::Release => return released(marked(|| guard.release())),
        Operation::Acquire | Operation::Sweep => bail!("not a holder's operation"),
    }
    released(guard.release())
}

fn marked<T>(body: impl FnOnce() -> T) -> T {
    tracer::begin();
    let result = body();
    tracer::end();
    result
}

fn released(outcome: ReleaseOutcome) -> Result<()> {
    ensure!(matches!(outcome, ReleaseOutcome::Released), "a release ended with {outcome:?}");
    Ok(())
}

/// What the process that came next found, and how it fared.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Aftermath {
    /// The names beside the protected file.
    pub(super) found: Vec<String>,
    /// What `inspect` makes of the lock.
    pub(super) state: String,
    /// The lock is a directory that names no owner, and was respected as long as it was young.
    pub(super) graced: bool,
    pub(super) waited: Duration,
    pub(super) pauses: u32,
    /// What is left after one more sweep.
    pub(super) left: Vec<String>,
}

/// Takes the lock, lets go, sweeps.
fn come_after(place: &Place) -> Result<Aftermath> {
    let lock = place.lock(TIMEOUT, MAX_HOLD)?;
    let found = place.leftovers()?;
    let state = lock.inspect().state();
    let graced = place.is_ownerless() && state == State::Unverifiable;
    if graced {
        let hasty = place.lock(Duration::ZERO, MAX_HOLD)?;
        ensure!(hasty.acquire().is_err(), "an ownerless directory was taken inside its grace");
        place.age()?;
    }
    let started = Instant::now();
    let (guard, pauses) = lock.acquire()?;
    let waited = started.elapsed();
    ensure!(guard.is_held(), "what was just acquired is not held");
    released(guard.release())?;
    let sweep = lock.sweep()?;
    ensure!(sweep.litter.obstructed.is_empty(), "obstructed: {:?}", sweep.litter.obstructed);
    let state = state.as_str().to_owned();
    Ok(Aftermath { found, state, graced, waited, pauses, left: place.leftovers()? })
}
