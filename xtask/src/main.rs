//! The project's own tasks: what must pass before a change lands, the benchmark, the proofs.

mod ci;
mod prove;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "The project's own tasks", arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Format check, clippy, rustdoc and every test, with warnings as errors.
    Ci,
    /// Short form of the benchmarks: what an uncontended lock costs beside its floor.
    Bench,
    /// Tries to break the protocol.
    #[command(subcommand)]
    Prove(prove::Proof),
}

fn main() -> Result<()> {
    match Args::parse().task {
        Task::Ci => ci::run(),
        Task::Bench => ci::bench(),
        Task::Prove(proof) => prove::run(&proof),
    }
}
