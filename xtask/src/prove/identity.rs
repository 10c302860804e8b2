//! `prove identity`: the scenarios L1 to L20, with real processes, reused pids, namespaces and
//! mounts. Not what the operating system shows is put to the test, but the whole judgement: a real
//! holder's record, untouched or with pieces taken away, and what a contender makes of it.

mod clocks;
mod containers;
mod list;
mod oracle;
mod people;
mod pids;
mod probes;
mod procfs;
mod programs;
mod stage;
mod states;
mod sys;

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::actors::{Given, Orders};
use list::{How, SCENARIOS, Scenario};
use stage::Row;

/// Who owns a lock, in every scenario that we know to deceive.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Fewer reused pids, in less than half a minute; nothing is left out.
    #[arg(long)]
    short: bool,
    /// Only these (L1,L13): says so, and does not count as the proof.
    #[arg(long, value_name = "SCENARIOS", value_delimiter = ',')]
    only: Vec<String>,
}

pub(crate) fn act(role: &str, given: &Given) -> Result<()> {
    match role {
        "scenario" => {
            let scenario = SCENARIOS.get(given.get::<usize>("scenario")?).context("none such")?;
            let How::Run(_, play) = scenario.how else { bail!("it is not run") };
            stage::play(given, play)
        }
        role => programs::act(role, given),
    }
}

/// What came of a scenario.
enum Outcome {
    Rows(Vec<Row>),
    NotRun(&'static str),
    Failed(String),
}

pub(crate) fn run(options: &Options) -> Result<()> {
    // Nothing is left out for want of it: half a proof would look like one.
    ensure!(
        rustix::process::geteuid().is_root(),
        "prove identity needs root, for namespaces, mounts and other users' processes"
    );
    for name in &options.only {
        ensure!(SCENARIOS.iter().any(|known| known.name == name), "no such scenario: {name}");
    }
    let started = Instant::now();
    let wanted = |scenario: &Scenario| {
        options.only.is_empty() || options.only.iter().any(|name| name == scenario.name)
    };
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = SCENARIOS.get(number) else { break };
                    if wanted(scenario) {
                        let outcome = play(number, scenario, options.short);
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        outcomes.push((number, outcome));
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(number, _)| *number);
    let (mut judged, mut wrong) = (0, 0);
    for (number, outcome) in outcomes {
        let Scenario { name, title, .. } = SCENARIOS[number];
        println!("{name}: {title}");
        match outcome {
            Outcome::Rows(rows) => {
                for row in rows {
                    judged += 1;
                    wrong += usize::from(!row.is_right());
                    println!("{row}");
                }
            }
            Outcome::NotRun(why) => println!("  NOT RUN HERE: {why}"),
            Outcome::Failed(why) => {
                wrong += 1;
                println!("  FAILED: {why}");
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    if !options.only.is_empty() {
        println!("Only {}: this is not the proof.", options.only.join(", "));
    }
    println!("{judged} judgements, {wrong} of them wrong, in {seconds:.0} s");
    ensure!(wrong == 0, "{wrong} judgements were wrong, or could not be had");
    ensure!(judged > 0, "nothing was run");
    Ok(())
}

/// Plays one scenario in a process of its own.
fn play(number: usize, scenario: &Scenario, short: bool) -> Outcome {
    let within = match scenario.how {
        How::NotRun(why) => return Outcome::NotRun(why),
        How::Run(within, _) => within,
    };
    let orders = Orders::new("identity-scenario")
        .within(within.iter().map(|&word| word.to_owned()).collect())
        .with("scenario", number)
        .with("short", short);
    let rows = || -> Result<Vec<Row>> {
        let mut command = orders.command()?;
        let output = command.stdin(Stdio::null()).output().context("cannot be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}", output.status, said.trim());
        let rows: Vec<Row> = serde_json::from_slice(&output.stdout).context("no result")?;
        ensure!(!rows.is_empty(), "nothing was judged");
        Ok(rows)
    };
    rows().map_or_else(|error| Outcome::Failed(format!("{error:#}")), Outcome::Rows)
}
