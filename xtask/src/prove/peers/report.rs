//! The table: for people, as JSON, and as the README's lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::list::Peer;

/// What one peer's storm showed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) peer: &'static str,
    pub(super) about: &'static str,
    pub(super) version: String,
    pub(super) ours: bool,
    pub(super) rounds: u32,
    /// Rounds in which two held at once.
    pub(super) double: u32,
    /// The same of as many rounds in which nobody had left a lock.
    pub(super) double_without_stale: u32,
    /// Rounds in which nobody got the lock within the limit.
    pub(super) nobody: u32,
    /// Contenders, of eight in each round of either kind, that did not get it.
    pub(super) without: u32,
    /// Sections at whose end the lock was not the holder's any more. Only ours are asked.
    pub(super) lost: usize,
    pub(super) why_without: BTreeMap<String, u32>,
    /// From the common beginning to the first holder.
    #[serde(serialize_with = "median_ms", rename = "medianTakeoverMs")]
    pub(super) takeovers: Vec<Duration>,
    pub(super) error: Option<String>,
    pub(super) not_run: Option<String>,
}

impl Row {
    pub(super) fn new(peer: &Peer) -> Self {
        Self { peer: peer.name, about: peer.about, ours: peer.ours, ..Self::default() }
    }

    pub(super) fn not_run(peer: &Peer, why: String) -> Self {
        Self { not_run: Some(why), ..Self::new(peer) }
    }

    fn takeover(&self) -> String {
        median(&self.takeovers).map(|ms| format!("{ms:.1} ms")).unwrap_or_default()
    }

    /// What must not be, of ours.
    fn broken(&self) -> bool {
        let double = self.double > 0 || self.double_without_stale > 0;
        let bad = double || self.lost > 0 || self.without > 0 || self.error.is_some();
        self.ours && (bad || self.rounds == 0)
    }
}

fn median_ms<S: serde::Serializer>(times: &[Duration], to: S) -> Result<S::Ok, S::Error> {
    median(times).serialize(to)
}

fn median(times: &[Duration]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    Some(sorted.get(sorted.len() / 2)?.as_secs_f64() * 1000.0)
}

pub(super) fn print(rows: &[Row], json: bool, markdown: Option<&Path>) -> Result<()> {
    eprintln!(
        "\n{:<20} {:<14} {:>7} {:>12} {:>10} {:>7} {:>9} {:>10}",
        "peer", "version", "rounds", "two holders", "(control)", "nobody", "without", "takeover"
    );
    for row in rows {
        if let Some(why) = &row.not_run {
            eprintln!("{:<20} not run ({why})", row.peer);
            continue;
        }
        let note = match &row.error {
            Some(why) => format!("stopped: {why}"),
            None if row.lost > 0 => format!("lost {} times", row.lost),
            None => row
                .why_without
                .iter()
                .map(|(why, times)| format!("{times} × {why:.80}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        eprintln!(
            "{:<20} {:<14} {:>7} {:>12} {:>10} {:>7} {:>9} {:>10}  {note}",
            row.peer,
            row.version,
            row.rounds,
            row.double,
            row.double_without_stale,
            row.nobody,
            row.without,
            row.takeover()
        );
    }
    eprintln!(
        "Each round: eight processes, one lock of a killed owner, each takes it once; in the control \
         rounds, as many, there is no such lock."
    );
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
    }
    if let Some(file) = markdown {
        std::fs::write(file, table(rows))?;
    }
    let broken: Vec<_> = rows.iter().filter(|row| row.broken()).map(|row| row.peer).collect();
    if !broken.is_empty() {
        bail!("two holders, a lost lock, or somebody without one: {}", broken.join(", "));
    }
    if rows.iter().all(|row| row.rounds == 0) {
        bail!("nothing was run");
    }
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| lock | version | rounds | with two holders | the same without a stale lock | without any holder | median takeover |\n\
                    |---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        let Row { peer, version, rounds, double, double_without_stale, nobody, .. } = row;
        let _ = match &row.not_run {
            Some(why) => writeln!(text, "| {peer} | | not run ({why}) | | | | |"),
            None => writeln!(
                text,
                "| {peer} | {version} | {rounds} | {double} | {double_without_stale} | {nobody} | {} |",
                row.takeover()
            ),
        };
    }
    text
}
