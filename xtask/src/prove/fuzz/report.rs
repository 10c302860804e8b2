//! What a run explored, for people and for tools.

use anyhow::{Result, bail};
use serde::Serialize;

/// One target's part.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) target: &'static str,
    /// Inputs tried.
    pub(super) executions: u64,
    /// Files in the kept corpus.
    pub(super) corpus: usize,
    /// Different outcomes that inputs had.
    pub(super) outcomes: usize,
    pub(super) seconds: f64,
    /// The longest that one input took.
    pub(super) slowest_ms: f64,
    /// Where the input that failed is now, and what it did.
    pub(super) failed: Option<String>,
    pub(super) not_run: Option<String>,
}

pub(super) fn print(rows: &[Row], seed: u64, json: bool) -> Result<()> {
    eprintln!(
        "\n{:<14} {:>10} {:>8} {:>7} {:>9} {:>9}  result",
        "target", "inputs", "per s", "corpus", "outcomes", "slowest"
    );
    for row in rows {
        let result = match (&row.failed, &row.not_run) {
            (Some(why), _) => format!("FAILED: {why}"),
            (None, Some(why)) => format!("not run: {why}"),
            (None, None) => "passed".to_owned(),
        };
        eprintln!(
            "{:<14} {:>10} {:>8.0} {:>7} {:>9} {:>6.1} ms  {result}",
            row.target,
            row.executions,
            row.executions as f64 / row.seconds.max(0.001),
            row.corpus,
            row.outcomes,
            row.slowest_ms,
        );
    }
    let inputs: u64 = rows.iter().map(|row| row.executions).sum();
    eprintln!("{inputs} inputs, seed {seed}");
    if json {
        let result = serde_json::json!({ "seed": seed, "inputs": inputs, "targets": rows });
        println!("{}", serde_json::to_string_pretty(&result)?);
    }
    let failed: Vec<_> =
        rows.iter().filter(|row| row.failed.is_some()).map(|row| row.target).collect();
    if !failed.is_empty() {
        bail!("broken by some input: {}", failed.join(", "));
    }
    if inputs == 0 {
        bail!("nothing was run");
    }
    Ok(())
}
