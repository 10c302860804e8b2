//! File systems, power cuts and clock steps, in a virtual machine: `lockctl` holds locks there on
//! every file system that can be had, the clock is stepped, holders are killed, the power is cut,
//! and after the next boot the locks that are still there are judged.

mod answers;
mod expected;
mod guest;
mod image;
mod packages;
mod report;
mod scenario;
mod told;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::tools::{cargo, fetch_target, has_program, root, run as run_program};
use guest::Machine;
use packages::Packages;
use report::Report;
use scenario::{Row, SCENARIOS, Scenario};
use told::{Domain, Told};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// What to run, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Local file systems only: two minutes.
    #[arg(long)]
    short: bool,
    /// Only these scenarios (comma-separated).
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Install the programs that this machine lacks: QEMU, the makers of file systems.
    #[arg(long)]
    install: bool,
    /// What cannot be had does not fail the proof. It is still said.
    #[arg(long)]
    allow_missing: bool,
    /// Print the result as JSON on standard output, instead of the table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    for name in &options.only {
        if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
            let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            bail!("there is no scenario {name}; there are {}", names.join(", "));
        }
    }
    let chosen = |scenario: &&Scenario| match &*options.only {
        [] => scenario.short || !options.short,
        only => only.iter().any(|name| name == scenario.name),
    };
    let workshop = root()?.join("target/vm");
    fs::create_dir_all(&workshop)?;
    let lockctl = build_lockctl(options.install);
    let mut report = Report::default();
    for scenario in SCENARIOS.iter().filter(chosen) {
        let started = Instant::now();
        eprintln!("\n== {}", scenario.name);
        let ready = prepare(scenario, &lockctl, &workshop, options.install);
        match ready {
            Err(error) => {
                let why = format!("{error:#}");
                scenario.rows.iter().for_each(|row| report.not_run(row, &why));
            }
            Ok(packages) => {
                let lockctl = lockctl.as_deref().unwrap_or(Path::new(""));
                let turns = if options.short { 3 } else { 5 };
                explore(scenario, &packages, lockctl, &workshop, turns, &mut report)?;
            }
        }
        eprintln!("  {:>4} s in all", started.elapsed().as_secs());
    }
    conclude(&report, options)
}

fn conclude(report: &Report, options: &Options) -> Result<()> {
    if options.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        println!("\n{}", report.table());
    }
    let (deviations, gaps) = (report.deviations(), report.gaps());
    let show = |ms: Option<u64>| ms.map_or("unknown".to_owned(), |ms| format!("{ms} ms"));
    let [crash, reboot] = report.slowest().map(show);
    eprintln!(
        "explored: {} cells; slowest takeover after kill -9 {crash}, of a lock of the boot before \
         {reboot}, both under emulation",
        report.answered()
    );
    deviations.iter().for_each(|deviation| eprintln!("DEVIATES: {deviation}"));
    gaps.iter().for_each(|gap| eprintln!("not run: {gap}"));
    if !deviations.is_empty() {
        bail!("{} deviations from what was expected", deviations.len());
    }
    if report.answered() == 0 {
        bail!("nothing was run, so nothing was proved");
    }
    if !gaps.is_empty() && !options.allow_missing {
        bail!("{} rows were not run (--allow-missing accepts that)", gaps.len());
    }
    Ok(())
}

/// What the guest runs: one file, linked statically.
fn build_lockctl(install: bool) -> Result<PathBuf> {
    if install {
        fetch_target(TARGET)?;
    }
    let build = ["build", "--release", "--locked", "-p", "lockctl", "--target", TARGET];
    run_program(&mut cargo(&build)?)
        .with_context(|| format!("lockctl cannot be built: `rustup target add {TARGET}`?"))?;
    Ok(root()?.join("target").join(TARGET).join("release/lockctl"))
}

/// An error says why the scenario cannot be run.
fn prepare(
    scenario: &Scenario,
    lockctl: &Result<PathBuf>,
    workshop: &Path,
    install: bool,
) -> Result<Packages> {
    if let Err(error) = lockctl {
        bail!("{error:#}");
    }
    let packages = Packages::new(workshop);
    packages.fetch(scenario, install)?;
    Ok(packages)
}

/// A directory of this program's own, with nothing in it.
fn empty(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    Ok(directory.to_owned())
}

/// Tries for the locks that the guest holds in the host's directory. Answers as the guest does.
fn as_host(rows: &[&Row], lockctl: &Path, share: &Path) -> Result<String> {
    let mut told = String::new();
    for row in rows {
        for domain in Domain::ALL {
            let directory = Path::new(row.hold).file_name().context("a row without directory")?;
            let target = share.join(directory).join(row.target(domain, "synced"));
            let mut tried = Command::new(lockctl);
            tried.args([domain.name(), "run", "--quiet", "--timeout", "0"]);
            let tried = tried.arg(target).args(["--", "true"]).output()?;
            let (key, status) = (row.key(), tried.status.code().unwrap_or(-1));
            writeln!(told, "try {} {key} {} {status} 0", answers::HOST, domain.name())?;
        }
    }
    Ok(told)
}

/// Boots, cuts the power, boots again, and adds every row to the report.
fn explore(
    scenario: &Scenario,
    packages: &Packages,
    lockctl: &Path,
    workshop: &Path,
    turns: u32,
    report: &mut Report,
) -> Result<()> {
    let directory = empty(&workshop.join(scenario.name))?;
    fs::create_dir(directory.join("share"))?;
    let mut disks = Vec::new();
    for disk in scenario.disks.iter().filter(|disk| has_program(disk.mkfs)) {
        let file = directory.join(format!("{}.disk", disk.kind));
        guest::make_disk(disk.mkfs, &file)?;
        disks.push((disk.kind, file));
    }
    let has_disk = |row: &&Row| row.disk.is_none_or(|kind| disks.iter().any(|(k, _)| *k == kind));
    let (rows, without): (Vec<&Row>, Vec<&Row>) = scenario.rows.iter().partition(has_disk);
    let image = image::build(scenario, &rows, packages, lockctl, &directory)?;
    let machine = Machine { scenario, image: &image, directory: &directory, disks: &disks, turns };
    let mut told = Told::default();
    for phase in ["before", "after"] {
        let hosts_view = || match (phase, scenario.tags) {
            ("before", [_, ..]) => as_host(&rows, lockctl, &directory.join("share")),
            _ => Ok(String::new()),
        };
        match machine.run(phase, hosts_view) {
            Ok(text) => told.add(&text),
            Err(error) => told.failures.push(format!("{error:#}")),
        }
    }
    rows.iter().for_each(|row| report.add(row, &told));
    for failure in told.failures {
        report.fail(format!("{}: {failure}", scenario.name));
    }
    for row in without {
        let maker = scenario.disks.iter().find(|disk| Some(disk.kind) == row.disk);
        let maker = maker.map_or(String::new(), |disk| format!("{} ({})", disk.mkfs, disk.package));
        report.not_run(row, &format!("nothing makes its disk: {maker} is missing"));
    }
    Ok(())
}
