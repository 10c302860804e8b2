//! `prove chaos`: processes in several pid namespaces on one directory, killed, stopped, forked,
//! replaced by exec, with wall clocks that jump and promises that are broken. What they do under
//! the locks goes to a journal apart, and is checked by somebody who knows nothing of the locks.

mod checker;
pub(super) mod clocks;
mod gang;
mod hammer;
mod journal;
mod products;
mod section;
mod tally;
mod warden;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use super::actors::Given;
use gang::Gang;

/// Many processes in many namespaces.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Options {
    /// One round of some seconds, and one over a protocol without its binding byte, which has to
    /// be caught. Otherwise five minutes, in rounds.
    #[arg(long)]
    short: bool,
    /// How long instead.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// In how many pid namespaces.
    #[arg(long, value_name = "M", default_value_t = NAMESPACES)]
    namespaces: usize,
    /// How many processes in each.
    #[arg(long, value_name = "N", default_value_t = PROCESSES)]
    processes: usize,
    /// Repeats the choices of an earlier run. When they happen is the kernel's choice.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Runs the protocol without its binding byte. Succeeds if that is caught.
    #[arg(long)]
    mutant: bool,
}

const NAMESPACES: usize = 3;
const PROCESSES: usize = 4;
/// A round starts in an empty directory, and ends with everybody gone.
const ROUND: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(6);
/// The mutant is caught in a second or two, most of the time.
const MUTANT: Duration = Duration::from_secs(60);

pub(crate) fn act(role: &str, given: &Given) -> Result<()> {
    match role {
        "warden" => warden::keep(given),
        "hammer" => hammer::run(given),
        _ => bail!("no such role: chaos-{role}"),
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.namespaces > 0 && options.processes > 0, "nobody is there");
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (--seed {seed} repeats the choices, not the moments)");
    let mut dice = fastrand::Rng::with_seed(seed);
    if options.mutant {
        return catch_the_mutant(options, &mut dice);
    }
    let default = if options.short { SHORT } else { Duration::from_secs(300) };
    let mut left = options.seconds.map_or(default, Duration::from_secs);
    let mut all = checker::Tally::default();
    while !left.is_zero() {
        let time = left.min(ROUND);
        left -= time;
        let tally = gang(options, dice.u64(..), false).storm(time, Duration::MAX)?;
        println!("{}", tally.in_short());
        all.add(tally);
    }
    println!("{}", all.in_full());
    all.must_be_clean()?;
    ensure!(all.begun > 100, "hardly anything happened");
    if options.short { catch_the_mutant(options, &mut dice) } else { Ok(()) }
}

fn catch_the_mutant(options: &Options, dice: &mut fastrand::Rng) -> Result<()> {
    let limit = options.seconds.map_or(MUTANT, Duration::from_secs);
    let started = Instant::now();
    while started.elapsed() < limit {
        // The journal is looked at now and then, and the first violation is enough.
        let tally = gang(options, dice.u64(..), true).storm(limit, Duration::from_millis(500))?;
        // What the processes notice themselves would not show that the checker does.
        let by_the_checker = |violation: &&String| !violation.starts_with("complaint");
        if let Some(first) = tally.violations.iter().find(by_the_checker) {
            let seconds = started.elapsed().as_secs_f64();
            println!("without its binding byte, caught after {seconds:.1} s: {first}");
            return Ok(());
        }
    }
    bail!("{limit:?} did not notice that nobody takes the binding byte");
}

fn gang(options: &Options, seed: u64, mutant: bool) -> Gang {
    Gang { namespaces: options.namespaces, processes: options.processes, seed, mutant }
}
