//! `prove crash`: a process is killed at every system call of the protocol. After each death the
//! next acquisition succeeds at once, and a sweep leaves nothing.
//!
//! The calls are counted first, by letting a process live. Then one process after the other is
//! killed before its first, second, … call, and one after the last: what holds before each call
//! holds after the one before.

mod cases;
mod place;
mod points;
mod scene;
mod victim;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use lock_core::lockfile::Layout;

use super::actors::Given;
use super::tracer::Call;
use cases::CASES;
use points::{At, Deaths, Point};

/// Kill at every system call.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Options {
    /// Deaths of one process only, under a minute. Otherwise whoever comes after the dead one is
    /// killed as well: some minutes.
    #[arg(long)]
    short: bool,
}

pub(crate) fn act(role: &str, given: &Given) -> Result<()> {
    victim::act(role, given)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    points::calibrate()?;
    // Counted one after the other: nothing else is going on yet.
    let counts = (0..CASES.len()).map(points::count).collect::<Result<Vec<_>>>()?;
    let mut all = Deaths::default();
    println!("Killed before every system call:");
    all.add(table(&counts, |case, calls| {
        At::every(calls).map(|at| Point { case, at, twice: false }).collect()
    }));
    if !options.short {
        println!(
            "\nKilled before every call whose effect outlives the process, and the next one likewise:"
        );
        all.add(table(&counts, |case, calls| {
            At::effects(calls).map(|at| Point { case, at, twice: true }).collect()
        }));
    }
    println!(
        "\n{} deaths, {} of them of the next one, too. {} left a dead owner's lock, {} litter. The \
         next acquisition took {} at most; after {} deaths it left an ownerless directory alone \
         until that was old. {} processes in {:.0} s.",
        all.deaths,
        all.seconds,
        all.stale,
        all.litter,
        rounded(all.longest),
        all.graced,
        all.processes,
        started.elapsed().as_secs_f64(),
    );
    for failure in all.failures.iter().take(20) {
        eprintln!("FAILED: {failure}");
    }
    if !all.failures.is_empty() {
        bail!("{} deaths were not survived", all.failures.len());
    }
    Ok(())
}

/// Explores the points of every case, on all processors, and prints what came of them.
fn table(counts: &[Vec<Call>], points: impl Fn(usize, &[Call]) -> Vec<Point>) -> Deaths {
    let points: Vec<Point> =
        counts.iter().enumerate().flat_map(|(case, calls)| points(case, calls)).collect();
    let tallies: Vec<_> = CASES.iter().map(|_| Mutex::new(Deaths::default())).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let deaths = points::explore(*point);
                    let tally = &tallies[point.case];
                    tally.lock().unwrap_or_else(PoisonError::into_inner).add(deaths);
                }
            });
        }
    });
    println!(
        "{:<28} {:<9} {:<20} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>9}",
        "operation",
        "layout",
        "file system lacks",
        "calls",
        "deaths",
        "lived",
        "stale",
        "litter",
        "written",
        "grace",
        "longest",
    );
    let mut all = Deaths::default();
    for ((case, calls), deaths) in CASES.iter().zip(counts).zip(tallies) {
        let deaths = deaths.into_inner().unwrap_or_else(PoisonError::into_inner);
        let layout = if case.layout == Layout::File { "file" } else { "directory" };
        println!(
            "{:<28} {layout:<9} {:<20} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>9}",
            case.name,
            case.ways.lacking(),
            calls.len(),
            deaths.deaths,
            deaths.lived,
            deaths.stale,
            deaths.litter,
            deaths.lines,
            deaths.graced,
            rounded(deaths.longest),
        );
        all.add(deaths);
    }
    all
}

fn rounded(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
