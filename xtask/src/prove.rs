//! The proofs: what the locks promise, shown in the worst conditions we can make. Each prints what
//! it explored, and fails loudly. The long setting is the default; `--short` is what every change
//! has to pass.

mod vm;

use anyhow::Result;
use clap::Subcommand;

/// The proofs.
#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// File systems, power cuts and clock steps, in a virtual machine.
    Vm(vm::Options),
}

pub(crate) fn run(proof: Proof) -> Result<()> {
    match proof {
        Proof::Vm(options) => vm::run(&options),
    }
}
