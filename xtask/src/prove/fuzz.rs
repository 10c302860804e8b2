//! Fuzzing: damaged and hostile bytes for everything that reads what others wrote.
//!
//! Plain, on the stable compiler: a kept corpus (`xtask/fuzz/corpus`), mutations of it that know
//! JSON and each format's words, and a pool that grows by every input with an outcome not seen
//! before. A check states what must hold of any bytes; a panic, a hang and a broken property are
//! failures alike, and the shortened input is put into the corpus, where every later run tries it
//! first.

mod cli;
mod corpus;
mod damage;
mod engine;
mod linux;
mod look;
mod macos;
mod mutate;
mod record;
mod report;
mod windows;
mod worlds;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use engine::Target;
use report::Row;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What every change has to pass: 30 s instead of 5 min.
    #[arg(long)]
    short: bool,
    /// This long instead, all targets together.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// The seed of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
    /// Only these targets (comma-separated).
    #[arg(long, value_name = "TARGETS", value_delimiter = ',')]
    only: Vec<String>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Everything that reads bytes of others, but the tool itself.
const TARGETS: &[Target] = &[
    record::TARGET,
    look::TARGET,
    linux::STAT,
    linux::STATUS,
    linux::BOOT_ID,
    linux::TIME_OFFSETS,
    linux::FDINFO,
    linux::MOUNTINFO,
    macos::OBSERVED,
    macos::BOOT_SESSION,
    windows::FIRMWARE,
    windows::OBSERVED,
];

/// The share of the time that a target's space deserves: most of what is read is a record.
fn weight(name: &str) -> u32 {
    match name {
        "record" | "look" | cli::NAME => 5,
        _ => 1,
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let seconds = options.seconds.unwrap_or(if options.short { 30 } else { 300 });
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let names: Vec<_> = TARGETS.iter().map(|t| t.name).chain([cli::NAME]).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no target {unknown}; there are {}", names.join(", "));
    }
    let chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|n| n == name);
    let total: u32 = names.iter().filter(|n| chosen(n)).map(|n| weight(n)).sum();
    let budget = |name| Duration::from_secs(seconds) * weight(name) / total;
    eprintln!("fuzzing for {seconds} s; --seed {seed} tries the same again");
    let mut rows: Vec<Row> = Vec::new();
    engine::watch_for_hangs();
    for target in TARGETS.iter().filter(|target| chosen(target.name)) {
        rows.push(engine::run(target, seed, budget(target.name))?);
    }
    if chosen(cli::NAME) {
        rows.push(cli::run(seed, budget(cli::NAME))?);
    }
    drop(std::panic::take_hook());
    report::print(&rows, seed, options.json)
}
