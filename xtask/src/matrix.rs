//! The cross-OS matrix: every leg builds, runs what can run here, and says what did not.

mod build;
mod failures;
mod install;
mod legs;
mod prefixes;
mod qemu;
mod report;
mod wine;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::tools::root;
use build::Built;
use install::Needs;
use legs::{LEGS, Leg, Scenario};
use report::{Outcome, Report, Row};

/// Which legs to run, and how to tell.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// List the legs, and what each asks for.
    #[arg(long)]
    list: bool,
    /// Run only these legs (comma-separated).
    #[arg(long, value_name = "LEGS", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Fail if anything of these legs is not run, be it a single test (comma-separated).
    #[arg(long, value_name = "LEGS", value_delimiter = ',')]
    pub(crate) require: Vec<String>,
    /// Fetch what is missing first: rustup's targets and toolchains, Debian's packages.
    #[arg(long)]
    install: bool,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Write the result as a Markdown table to this file.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        LEGS.iter().for_each(list);
        return Ok(());
    }
    for name in options.only.iter().chain(&options.require) {
        if legs::find(name).is_none() {
            bail!("there is no leg {name}; `cargo xtask matrix --list` names them");
        }
    }
    let chosen = |leg: &Leg| {
        options.only.is_empty()
            || options.only.iter().chain(&options.require).any(|name| name == leg.name)
    };
    let host = build::host()?;
    let mut report = Report::new(host.clone());
    for leg in LEGS.iter().filter(|leg| chosen(leg)) {
        run_leg(leg, &host, options.install, &mut report);
    }
    eprintln!("\n{}", report.table());
    eprint!("{}", report.failures());
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    if let Some(file) = &options.markdown {
        std::fs::write(file, report.markdown())?;
    }
    let missing: Vec<_> = report
        .not_run()
        .into_iter()
        .filter(|leg| options.require.iter().any(|name| name == leg))
        .collect();
    match (report.failed(), missing) {
        (failed, missing) if failed.is_empty() && missing.is_empty() => Ok(()),
        (failed, missing) if missing.is_empty() => bail!("failed: {}", failed.join(", ")),
        (failed, missing) => {
            bail!("failed: {}; required, but not run: {}", failed.join(", "), missing.join(", "))
        }
    }
}

/// The legs of every day: this system's own, and those that any system can run.
pub(crate) fn everyday() -> Result<Vec<String>> {
    let host = build::host()?;
    let own = |leg: &&Leg| leg.target == Some(&*host) || ["features", "docs"].contains(&leg.name);
    Ok(LEGS.iter().filter(own).map(|leg| leg.name.to_owned()).collect())
}

fn list(leg: &Leg) {
    let scenarios: Vec<_> = leg.scenarios.iter().map(|scenario| scenario.name()).collect();
    println!("{:<14} {} ({})", leg.name, leg.about, scenarios.join(", "));
}

fn run_leg(leg: &'static Leg, host: &str, install: bool, report: &mut Report) {
    let way = leg.way(host);
    for &scenario in leg.scenarios {
        // Running the tests builds them.
        if scenario == Scenario::Compile && way.is_some() {
            continue;
        }
        eprintln!("\n== {}: {}", leg.name, scenario.name());
        let started = Instant::now();
        let (outcome, built) = run_scenario(leg, scenario, host, install);
        let Built { tests, failures, how } = built;
        let (took, scenario) = (round(started.elapsed()), scenario.name());
        let (leg, target) = (leg.name, leg.target);
        let expected = way.map_or(0, |way| way.ignored);
        let lacking = tests.is_some_and(|tests| tests.ignored > expected);
        let row = Row { leg, target, scenario, how, outcome, tests, failures, lacking, took };
        report.rows.push(row);
    }
    for left_out in way.map_or(&[][..], |way| way.left_out) {
        let why = left_out.why.to_owned();
        report.rows.push(Row {
            leg: leg.name,
            target: leg.target,
            scenario: "other tests",
            how: None,
            outcome: Outcome::NotRun { why },
            tests: None,
            failures: Vec::new(),
            lacking: false,
            took: Duration::ZERO,
        });
    }
}

fn run_scenario(leg: &Leg, scenario: Scenario, host: &str, install: bool) -> (Outcome, Built) {
    let needs = match Needs::of(leg, scenario, host) {
        Ok(needs) => needs,
        Err(why) => return (Outcome::NotRun { why }, Built::default()),
    };
    if install && let Err(error) = needs.install() {
        return (Outcome::NotRun { why: format!("{error:#}") }, Built::default());
    }
    if let Some(missing) = needs.missing() {
        let why = format!("needs {missing}; --install fetches it");
        return (Outcome::NotRun { why }, Built::default());
    }
    match build::run(leg, scenario, host) {
        Ok((None, built)) => (Outcome::Passed, built),
        Ok((Some(why), built)) => (Outcome::Failed { why }, built),
        Err(error) => (Outcome::Failed { why: format!("{error:#}") }, Built::default()),
    }
}

fn round(took: Duration) -> Duration {
    Duration::from_secs(took.as_secs_f64().ceil() as u64)
}

/// Where legs keep what they build besides cargo's own.
fn workshop() -> Result<PathBuf> {
    let directory = root()?.join("target").join("matrix");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
