//! Runs it all and says what was explored, what was caught and what was not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::explore::{Explored, Schedule, everything, replay, stroll};
use super::mutant::Mutant;
use super::run::Runner;
use super::scenario::{CROWDS, SCENARIOS, Scenario};

/// What to explore.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Schedules up to a bound where there are too many, and fewer random ones: a minute or two.
    /// Otherwise every schedule of all but four scenarios, which takes hours.
    #[arg(long)]
    short: bool,
    /// The first seed of the random walks.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Shows one schedule, step by step: SCENARIO[+MUTANT]:SCHEDULE, as a failure prints it.
    #[arg(long)]
    replay: Option<String>,
    /// Only the scenarios with this in their names, and no mutants.
    #[arg(long)]
    only: Option<String>,
}

/// How many random walks through each crowd.
const WALKS: u64 = 2_000;
const LONG_WALKS: u64 = 500_000;
/// No mutant needs more.
const MOST_PREEMPTIONS: u8 = 4;

pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(replayed) = &args.replay {
        return show(replayed);
    }
    let started = Instant::now();
    let wanted = |scenario: &&Scenario| {
        args.only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str()))
    };
    let jobs: Vec<Job> = SCENARIOS
        .iter()
        .filter(wanted)
        .map(|scenario| Job {
            scenario: scenario.within(if args.short { scenario.short } else { scenario.long }),
            mutant: None,
            walks: None,
        })
        .chain(CROWDS.iter().filter(wanted).map(|crowd| Job {
            scenario: crowd.clone(),
            mutant: None,
            walks: Some((args.seed, if args.short { WALKS } else { LONG_WALKS })),
        }))
        .chain(Mutant::ALL.iter().filter(|_| args.only.is_none()).map(|&mutant| Job {
            scenario: named(mutant.ground()).clone(),
            mutant: Some(mutant),
            walks: None,
        }))
        .collect();
    let results = work(&jobs);
    let failures = tell_explored(&jobs, &results) + tell_hunted(&jobs, &results);
    println!("\n{:.0} s", started.elapsed().as_secs_f64());
    if failures > 0 {
        bail!("{failures} failures");
    }
    Ok(())
}

/// What was explored of the protocol itself. Answers how much of it is broken.
fn tell_explored(jobs: &[Job], results: &[(Explored, Duration)]) -> usize {
    let mut failures = 0;
    println!("scenario                 states       runs        steps  longest     ends    time");
    for (job, (explored, time)) in jobs.iter().zip(results) {
        if job.mutant.is_some() {
            continue;
        }
        let how = match (job.walks, job.scenario.budget.preemptions) {
            (Some((seed, _)), _) => format!("random, seeds {seed}..{}", seed + explored.runs),
            (None, Some(bound)) => format!("up to {bound} preemptions"),
            (None, None) => "every schedule".to_owned(),
        };
        println!(
            "{:<20} {:>10} {:>10} {:>12} {:>8} {:>8} {:>6.1}s  {how}",
            job.scenario.name,
            explored.states,
            explored.runs,
            explored.steps,
            explored.longest,
            explored.ends.len(),
            time.as_secs_f64()
        );
        if let Some((bound, schedule)) = &explored.broken {
            failures += 1;
            tell(&job.scenario.within(*bound), None, schedule);
        }
    }
    failures
}

/// Which mutant was caught by what. Answers how many were not.
fn tell_hunted(jobs: &[Job], results: &[(Explored, Duration)]) -> usize {
    let mut survivors = 0;
    if jobs.iter().all(|job| job.mutant.is_none()) {
        return 0;
    }
    println!("\nmutant                        caught in          runs  invariant");
    for (job, (explored, _)) in jobs.iter().zip(results) {
        let Some(mutant) = job.mutant else { continue };
        let caught = explored.broken.as_ref().and_then(|(bound, schedule)| {
            let scenario = hunted(&job.scenario, *bound);
            let again = replay(&mut Runner::default(), &scenario, job.mutant, schedule, false);
            let first = again.violations.into_iter().next()?;
            let show = replayable(&scenario, job.mutant, schedule);
            Some(format!("{}: {}\n    --replay {show}", first.invariant, first.what))
        });
        survivors += usize::from(caught.is_none());
        let caught = caught.unwrap_or_else(|| "none: IT SURVIVES".to_owned());
        let (name, ground) = (mutant.name(), job.scenario.name);
        println!("{name:<28}  {ground:<16} {:>6}  {caught}", explored.runs);
    }
    survivors
}

/// One thing to explore.
struct Job {
    scenario: Scenario,
    mutant: Option<Mutant>,
    /// The first seed and how many, for random walks.
    walks: Option<(u64, u64)>,
}

fn named(name: &str) -> &'static Scenario {
    SCENARIOS.iter().chain(CROWDS).find(|scenario| scenario.name == name).expect("a known name")
}

/// Does the jobs on all processors.
fn work(jobs: &[Job]) -> Vec<(Explored, Duration)> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut runner = Runner::default();
                while let Some((index, job)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(index).map(|job| (index, job))
                } {
                    let started = Instant::now();
                    let explored = job.explore(&mut runner);
                    let mut results = results.lock().expect("nobody panics with it");
                    results.push((index, (explored, started.elapsed())));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("nobody panics with it");
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

impl Job {
    fn explore(&self, runner: &mut Runner) -> Explored {
        if self.mutant.is_some() {
            return self.hunt(runner);
        }
        let Some((first, count)) = self.walks else {
            return everything(runner, &self.scenario, self.mutant);
        };
        let mut explored = Explored::default();
        for seed in first..first + count {
            stroll(runner, &self.scenario, self.mutant, seed, &mut explored);
            if explored.broken.is_some() {
                break;
            }
        }
        explored
    }
}

impl Job {
    /// Looks for the simplest schedule that shows a mutant: with few preemptions.
    fn hunt(&self, runner: &mut Runner) -> Explored {
        let mut total = Explored::default();
        for bound in 0..=MOST_PREEMPTIONS {
            let scenario = hunted(&self.scenario, Some(bound));
            let explored = everything(runner, &scenario, self.mutant);
            total.runs += explored.runs;
            total.states += explored.states;
            total.broken = explored.broken;
            if total.broken.is_some() {
                break;
            }
        }
        total
    }
}

/// Mutants need no help from crashes.
fn hunted(scenario: &Scenario, bound: Option<u8>) -> Scenario {
    let mut scenario = scenario.within(bound);
    scenario.budget.crashes = 0;
    scenario
}

/// A schedule as `--replay` takes it.
fn replayable(scenario: &Scenario, mutant: Option<Mutant>, schedule: &Schedule) -> String {
    let mutant = mutant.map_or(String::new(), |mutant| format!("+{}", mutant.name()));
    let bound = scenario.budget.preemptions.map_or(String::new(), |bound| format!("@{bound}"));
    format!("{}{mutant}{bound}:{schedule}", scenario.name)
}

/// Says how a schedule breaks what.
fn tell(scenario: &Scenario, mutant: Option<Mutant>, schedule: &Schedule) {
    let outcome = replay(&mut Runner::default(), scenario, mutant, schedule, true);
    for line in &outcome.trace {
        println!("    {line}");
    }
    for violation in &outcome.violations {
        println!("  INVARIANT {} BROKEN: {}", violation.invariant, violation.what);
    }
    println!("  cargo xtask prove sim --replay {}", replayable(scenario, mutant, schedule));
}

/// Replays `SCENARIO[+MUTANT][@PREEMPTIONS]:SCHEDULE`.
fn show(replayed: &str) -> Result<()> {
    let (what, schedule) =
        replayed.split_once(':').context("SCENARIO[+MUTANT][@BOUND]:SCHEDULE")?;
    let (what, bound) = match what.split_once('@') {
        Some((what, bound)) => (what, Some(bound.parse()?)),
        None => (what, None),
    };
    let (name, mutant) = match what.split_once('+') {
        Some((name, mutant)) => (name, Some(mutant)),
        None => (what, None),
    };
    let known = SCENARIOS.iter().chain(CROWDS).find(|scenario| scenario.name == name);
    let scenario = known.with_context(|| format!("no scenario {name}"))?;
    let mutant = mutant
        .map(|name| {
            let known = Mutant::ALL.into_iter().find(|mutant| mutant.name() == name);
            known.with_context(|| format!("no mutant {name}"))
        })
        .transpose()?;
    let schedule: Schedule = schedule.parse()?;
    let scenario = match mutant {
        None => scenario.within(bound),
        Some(_) => hunted(scenario, bound),
    };
    tell(&scenario, mutant, &schedule);
    Ok(())
}
