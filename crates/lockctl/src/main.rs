//! `lockctl`: hold, inspect, sweep and break owner-verified locks.
//!
//! Everything but the command's own output and `--json` goes to stderr; the exit statuses are
//! in [`exit`].

/// `eprintln!` for a standard error that may be closed or full: what cannot be said must not
/// change the exit status, let alone end the process while it holds a lock.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod args;
mod breaking;
mod doctor;
mod exit;
mod inspect;
mod names;
mod report;
mod run;
mod status;
mod supervise;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Deps, Domain, Session};

fn main() -> ExitCode {
    // clap exits with 2 on wrong usage by itself.
    let Args { domain } = Args::parse();
    log_to_stderr(domain.is_quiet());
    let status = match domain {
        Domain::Session { verb } => match verb {
            Session::Run(args) => run::session(args),
            Session::Inspect { json, files } => inspect::session(&files, json),
            Session::Doctor(args) => doctor::session(&args),
            Session::Break { yes, file } => breaking::session(&file, yes),
        },
        Domain::Deps { verb } => match verb {
            Deps::Run(args) => run::deps(args),
            Deps::Inspect { json, roots } => inspect::deps(&roots, json),
            Deps::Doctor { fix, json, roots } => doctor::deps(&roots, fix, json),
            Deps::Break { yes, root } => breaking::deps(&root, yes),
        },
    };
    ExitCode::from(status)
}

/// What the libraries report (a reclaimed lock, a lost one) is worth a line.
fn log_to_stderr(quiet: bool) {
    let level = if quiet { tracing::Level::WARN } else { tracing::Level::INFO };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_ansi(false)
        .with_target(false)
        .with_level(false)
        .without_time()
        .init();
}
