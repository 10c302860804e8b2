//! The proofs: what the locks promise, shown by more than unit tests. Each prints what it explored,
//! and fails loudly. The long setting is the default; `--short` is what every change has to pass.

mod fuzz;

use anyhow::Result;
use clap::Subcommand;

/// The proofs.
#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// Damaged and hostile bytes for everything that reads them: records, parsers, the tool.
    Fuzz(fuzz::Options),
}

pub(crate) fn run(proof: Proof) -> Result<()> {
    match proof {
        Proof::Fuzz(options) => fuzz::run(&options),
    }
}
