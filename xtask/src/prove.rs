//! The proofs: what the locks promise, shown by more than unit tests. Each prints what it explored,
//! and fails loudly. The long setting is the default; `--short` is what every change has to pass.

#[cfg(target_os = "linux")]
mod actors;
#[cfg(target_os = "linux")]
#[path = "../../crates/session-lock/tests/storm/mutant.rs"]
#[allow(dead_code, reason = "the storms' systems, of which the proofs need some")]
mod altered;
#[cfg(target_os = "linux")]
mod chaos;
#[cfg(target_os = "linux")]
mod crash;
mod fuzz;
#[cfg(target_os = "linux")]
mod identity;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod peers;
mod sim;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tracer;
mod vm;

use anyhow::Result;
use clap::Subcommand;

use crate::tools;

/// The proofs.
#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// The real protocol over a simulated machine: every interleaving of a few processes, and
    /// many of more, with crashes, pauses and failing calls; broken protocols must be caught.
    Sim(sim::Args),
    /// A process is killed before every system call; the next one is not kept waiting. Long unless
    /// `--short`.
    #[cfg(target_os = "linux")]
    Crash(crash::Options),
    /// Processes in several pid namespaces on one directory, killed, stopped, forked and replaced.
    /// Long unless `--short`.
    #[cfg(target_os = "linux")]
    Chaos(chaos::Options),
    /// Who owns a lock, in every scenario that is known to deceive. Long unless `--short`.
    #[cfg(target_os = "linux")]
    Identity(identity::Options),
    /// One of a proof's processes: this program, started by itself.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Actor(actors::Given),
    /// Damaged and hostile bytes for everything that reads them: records, parsers, the tool.
    Fuzz(fuzz::Options),
    /// Eight processes and one dead owner's lock: ours, and the peers as their registries ship them.
    #[cfg(target_os = "linux")]
    Peers(peers::Options),
    /// Our contender among the peers: this program, started by itself.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    PeersContender(peers::Contender),
    /// File systems, power cuts and clock steps, in a virtual machine.
    Vm(vm::Options),
}

/// What every change has to pass. Each in a process of its own: some fork, trace, and count what
/// they left open.
const EVERYDAY: &[&[&str]] = &[
    &["sim", "--short"],
    &["crash", "--short"],
    &["chaos", "--short"],
    &["identity", "--short"],
    &["fuzz", "--short"],
    &["vm", "--short", "--install"],
];

pub(crate) fn everyday() -> Result<()> {
    let this = std::env::current_exe()?;
    for proof in EVERYDAY {
        eprintln!();
        tools::run(tools::with_default_signals(this.as_os_str()).arg("prove").args(*proof))?;
    }
    Ok(())
}

pub(crate) fn run(proof: Proof) -> Result<()> {
    match proof {
        Proof::Sim(args) => sim::run(&args),
        #[cfg(target_os = "linux")]
        Proof::Crash(options) => crash::run(&options),
        #[cfg(target_os = "linux")]
        Proof::Chaos(options) => chaos::run(&options),
        #[cfg(target_os = "linux")]
        Proof::Identity(options) => identity::run(&options),
        #[cfg(target_os = "linux")]
        Proof::Actor(given) => actors::act(&given),
        Proof::Fuzz(options) => fuzz::run(&options),
        #[cfg(target_os = "linux")]
        Proof::Peers(options) => peers::run(&options),
        #[cfg(target_os = "linux")]
        Proof::PeersContender(given) => peers::act(&given),
        Proof::Vm(options) => vm::run(&options),
    }
}
