//! One death at a time: prepare a place, kill, let the next one come, look at what is left.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::cases::{CASES, Case, Operation};
use super::scene::{Line, Scene};
use crate::prove::actors::Orders;
use crate::prove::tracer::{self, Call, Next, Traced};

/// The calls whose effect outlives the process: what else it did, its locks among it, dies with
/// it, so that a death before any other call is one before the next of these.
const EFFECTS: &[libc::c_long] = &[
    libc::SYS_pwrite64,
    libc::SYS_write,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
];

fn is_effect(call: &Call) -> bool {
    let creates = call.which == libc::SYS_openat && call.arguments[2] & libc::O_CREAT as u64 != 0;
    creates || EFFECTS.contains(&call.which)
}

/// Before which of its calls a process is killed, counted from 1 on.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// Of all that one of its threads makes.
    Call { thread: usize, number: usize },
    /// Of those whose effect outlives it.
    Effect(usize),
}

impl At {
    /// Every point at which a process that made these calls can be killed.
    pub(super) fn every(calls: &[Call]) -> impl Iterator<Item = Self> {
        calls.iter().map(|call| Self::Call { thread: call.thread, number: call.number })
    }

    /// Those that make a difference to others.
    pub(super) fn effects(calls: &[Call]) -> impl Iterator<Item = Self> {
        (1..=calls.iter().filter(|call| is_effect(call)).count()).map(Self::Effect)
    }

    fn killer(self) -> impl FnMut(Call) -> Next {
        let mut effects = 0;
        move |call| {
            effects += usize::from(is_effect(&call));
            let here = match self {
                Self::Call { thread, number } => (thread, number) == (call.thread, call.number),
                Self::Effect(number) => is_effect(&call) && number == effects,
            };
            if here { Next::Kill } else { Next::Go }
        }
    }
}

/// Who is killed where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) case: usize,
    pub(super) at: At,
    /// Whoever comes next is killed as well, before each of its own such calls.
    pub(super) twice: bool,
}

/// What became of a number of deaths.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    pub(super) deaths: usize,
    /// Made fewer calls than the one that was counted, and so lived.
    pub(super) lived: usize,
    /// Two in a row.
    pub(super) seconds: usize,
    /// Left a lock that names a dead owner.
    pub(super) stale: usize,
    /// Left something else.
    pub(super) litter: usize,
    /// Came after the fenced line was written.
    pub(super) lines: usize,
    /// Left a directory that names no owner.
    pub(super) graced: usize,
    /// The longest that the next acquisition took.
    pub(super) longest: Duration,
    /// How many processes were started.
    pub(super) processes: usize,
    pub(super) failures: Vec<String>,
}

impl Deaths {
    pub(super) fn add(&mut self, other: Self) {
        self.deaths += other.deaths;
        self.lived += other.lived;
        self.seconds += other.seconds;
        self.stale += other.stale;
        self.litter += other.litter;
        self.lines += other.lines;
        self.graced += other.graced;
        self.longest = self.longest.max(other.longest);
        self.processes += other.processes;
        self.failures.extend(other.failures);
    }
}

/// The calls of an operation that nobody is killed in.
pub(super) fn count(case: usize) -> Result<Vec<Call>> {
    let scene = Scene::prepare(case)?;
    let Traced { calls, status } =
        tracer::trace(scene.orders("crash-victim").command()?, |_| Next::Go)?;
    ensure!(status.success(), "{}: a victim that is let live ends with {status}", scene.case.name);
    ensure!(!calls.is_empty(), "{}: no system calls", scene.case.name);
    let (_, line) = scene.check().context(scene.case.name)?;
    let wrote = scene.case.operation == Operation::Append;
    ensure!((line == Line::Whole) == wrote, "{}: the fenced line is {line:?}", scene.case.name);
    Ok(calls)
}

/// A process that is killed before a call has not made it: or nothing here proves anything.
pub(super) fn calibrate() -> Result<()> {
    for (number, made) in [(1, false), (2, true)] {
        let dir = tempfile::tempdir()?;
        let command = Orders::new("crash-calibration").path("dir", dir.path()).command()?;
        let traced = tracer::trace(command, At::Call { thread: 0, number }.killer())?;
        ensure!(traced.was_killed(), "the calibrating process ended with {}", traced.status);
        let exists = dir.path().join("made").exists();
        ensure!(exists == made, "killed before call {number}: made = {exists}");
    }
    Ok(())
}

/// Kills at a point.
pub(super) fn explore(point: Point) -> Deaths {
    let mut deaths = Deaths::default();
    let mut seconds = (1..).map(At::Effect);
    loop {
        let second = if point.twice { seconds.next() } else { None };
        match die(point, second, &mut deaths) {
            Ok(Died::AsWanted) if point.twice => {}
            Ok(_) => break,
            Err(error) => {
                let Case { name, layout, ways, .. } = &CASES[point.case];
                let (ways, at) = (ways.lacking(), point.at);
                let next = second.map_or(String::new(), |at| format!(", the next before {at:?}"));
                let killed =
                    format!("{name}, {layout:?}, without {ways}: killed before {at:?}{next}");
                deaths.failures.push(format!("{killed}: {error:#}"));
                break;
            }
        }
    }
    deaths
}

/// Who died.
enum Died {
    AsWanted,
    /// The first or the second of them lived.
    Fewer,
}

fn die(point: Point, second: Option<At>, deaths: &mut Deaths) -> Result<Died> {
    // Which calls a thread makes depends on what the others are at: it gets some more chances.
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let scene = Scene::prepare(point.case)?;
        let first = tracer::trace(scene.orders("crash-victim").command()?, point.at.killer())?;
        deaths.processes += 1;
        if !first.was_killed() {
            ensure!(first.status.success(), "it ended with {}", first.status);
            scene.check()?;
            continue;
        }
        if let Some(at) = second {
            scene.let_graces_pass()?;
            let traced = tracer::trace(scene.orders("crash-contender").command()?, at.killer())?;
            deaths.processes += 1;
            if !traced.was_killed() {
                ensure!(traced.status.success(), "the next ended with {}", traced.status);
                return Ok(Died::Fewer);
            }
            deaths.seconds += 1;
        }
        deaths.deaths += 1;
        let (after, line) = scene.check()?;
        deaths.processes += 1;
        deaths.lines += usize::from(line == Line::Whole);
        deaths.stale += usize::from(after.state == "stale");
        let is_litter = |name: &String| name.contains(".lock-stage") || name.contains(".lock-tomb");
        deaths.litter += usize::from(after.found.iter().any(is_litter));
        deaths.graced += usize::from(after.graced);
        deaths.longest = deaths.longest.max(after.waited);
        return Ok(Died::AsWanted);
    }
    deaths.lived += 1;
    Ok(Died::Fewer)
}
