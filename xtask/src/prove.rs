//! The proofs: programs that try to break the protocol, and say what they tried.

mod sim;

use anyhow::Result;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// The real protocol over a simulated machine: every interleaving of a few processes, and
    /// many of more, with crashes, pauses and failing calls; broken protocols must be caught.
    Sim(sim::Args),
}

pub(crate) fn run(proof: &Proof) -> Result<()> {
    match proof {
        Proof::Sim(args) => sim::run(args),
    }
}
