//! The project's own tasks: what must pass before a change lands, the cross-OS matrix, the
//! proofs and the benchmark.

mod ci;
mod matrix;
mod prove;
mod tools;

use std::process::ExitCode;

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
    /// Format check, the everyday legs of the matrix (this system's tests, features, docs), and the
    /// short proofs.
    Ci(ci::Options),
    /// Every target: builds, lints and tests what can run here, and says what did not.
    Matrix(matrix::Options),
    /// What the locks promise, shown by more than unit tests.
    #[command(subcommand)]
    Prove(prove::Proof),
    /// Short form of the benchmarks: what an uncontended lock costs beside its floor.
    Bench,
}

fn main() -> ExitCode {
    // Not by returning it: with `RUST_BACKTRACE` that would bury what went wrong under a backtrace.
    match run(Args::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Ci(options) => ci::check(options),
        Task::Matrix(options) => matrix::run(&options),
        Task::Prove(proof) => prove::run(proof),
        Task::Bench => ci::bench(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        super::Args::command().debug_assert();
    }
}
