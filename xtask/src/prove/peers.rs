//! The stale storm, for ours and for the peers as their registries ship them: eight processes see
//! the lock of a killed owner at the same time, each takes it once, and the times at which each had
//! it say whether two ever did at once.
//!
//! The judge is the same for all, and is not the lock: `CLOCK_MONOTONIC`, read by each contender
//! after it was told that it has the lock, and again before it lets go. Two such spans that overlap
//! are two holders. Ours must have none, and every contender must get it; what the peers do never
//! fails the command. A peer that is not installed is "not run".

mod crew;
mod install;
mod list;
mod ours;
mod report;
mod storm;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

pub(crate) use ours::{Contender, act};

use list::PEERS;
use report::Row;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A few rounds of each instead of hundreds (and thousands of ours).
    #[arg(long)]
    short: bool,
    /// This many rounds of each.
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only these (comma-separated); `--list` names them.
    #[arg(long, value_name = "PEERS", value_delimiter = ',')]
    only: Vec<String>,
    /// Name the peers, and how each is used.
    #[arg(long)]
    list: bool,
    /// Fetch what is missing first, with pip, npm and cargo, into `target/peers`.
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
        PEERS.iter().for_each(|peer| println!("{:<20} {}", peer.name, peer.about));
        return Ok(());
    }
    if let Some(unknown) = options.only.iter().find(|n| PEERS.iter().all(|p| p.name != **n)) {
        bail!("there is no peer {unknown}; --list names them");
    }
    let chosen = |name: &str| options.only.is_empty() || options.only.iter().any(|n| n == name);
    let mut rows = Vec::new();
    for peer in PEERS.iter().filter(|peer| chosen(peer.name)) {
        let long = if peer.ours { 1000 } else { 200 };
        let rounds = options.rounds.unwrap_or(if options.short { 10 } else { long });
        eprintln!("\n== {}: {}", peer.name, peer.about);
        if options.install
            && let Err(error) = install::fetch(peer.from)
        {
            rows.push(Row::not_run(peer, format!("{error:#}")));
            continue;
        }
        rows.push(match install::missing(peer.from) {
            Some(missing) => Row::not_run(peer, format!("needs {missing}; --install fetches it")),
            None => storm::run(peer, rounds),
        });
    }
    report::print(&rows, options.json, options.markdown.as_deref())
}
