//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use jiff::SignedDuration;

/// Locks that know who owns them: a dead owner never blocks anyone, a live owner never loses
/// its lock by mistake, and anybody can see why.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) domain: Domain,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Domain {
    /// Session files: one writer at a time.
    #[command(arg_required_else_help = true)]
    Session {
        #[command(subcommand)]
        verb: Session,
    },
    /// Install roots: one installer at a time, and no age limit for a live one.
    #[command(arg_required_else_help = true)]
    Deps {
        #[command(subcommand)]
        verb: Deps,
    },
}

impl Domain {
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Self::Session { verb: Session::Run(SessionRun { wait, .. }) }
            | Self::Deps { verb: Deps::Run(DepsRun { wait, .. }) } => wait.quiet,
            Self::Session { .. } | Self::Deps { .. } => true,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// Run a command while holding a session file's lock.
    Run(SessionRun),
    /// Show who holds a session file, on what evidence, and what would happen next.
    Inspect {
        /// Print one JSON array to stdout.
        #[arg(long)]
        json: bool,
        /// Session files (or their locks).
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Look through directories for stale session locks.
    Doctor(SessionDoctor),
    /// Remove one lock by hand: exactly the one that is shown.
    Break {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The session file (or its lock).
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Deps {
    /// Run a command while holding an install root's lock.
    Run(DepsRun),
    /// Show who holds an install root, on what evidence, and what would happen next.
    Inspect {
        /// Print one JSON array to stdout.
        #[arg(long)]
        json: bool,
        /// Install roots.
        #[arg(required = true)]
        roots: Vec<PathBuf>,
    },
    /// Look at install roots for stale locks.
    Doctor {
        /// Remove what is stale.
        #[arg(long)]
        fix: bool,
        /// Print one JSON document to stdout.
        #[arg(long)]
        json: bool,
        /// Install roots.
        #[arg(required = true)]
        roots: Vec<PathBuf>,
    },
    /// Remove a lock by hand: exactly the one that is shown.
    Break {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The install root.
        root: PathBuf,
    },
}

/// How to wait, in either domain.
#[derive(Debug, clap::Args)]
pub(crate) struct Wait {
    /// How long to wait for the lock: 500ms, 10s, 1h30m, 0 (try once), forever.
    #[arg(long, value_name = "D", value_parser = timeout)]
    pub(crate) timeout: Option<Timeout>,
    /// What others read about this holder. With `--label openclaw` (two words), OpenClaw takes
    /// the holder for one of its own and does not distrust it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Say nothing while waiting.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SessionRun {
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// How long the command may hold the lock; it is stopped in time to keep this promise.
    #[arg(long, value_name = "D", value_parser = promise)]
    pub(crate) max_hold: Option<Duration>,
    /// Report a lock in the way as stale from this age on (it is never removed for its age).
    #[arg(long, value_name = "D", value_parser = positive)]
    pub(crate) stale_after: Option<Duration>,
    /// The session file. It need not exist.
    pub(crate) file: PathBuf,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DepsRun {
    #[command(flatten)]
    pub(crate) wait: Wait,
    /// The install root.
    pub(crate) root: PathBuf,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SessionDoctor {
    /// Remove what is stale.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print one JSON document to stdout.
    #[arg(long)]
    pub(crate) json: bool,
    /// Report locks as stale from this age on (they are never removed for their age).
    #[arg(long, value_name = "D", value_parser = positive)]
    pub(crate) stale_after: Option<Duration>,
    /// Directories with session files in them.
    #[arg(required = true)]
    pub(crate) directories: Vec<PathBuf>,
}

/// How long to wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeout {
    Within(Duration),
    Forever,
}

fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "forever" { Ok(Timeout::Forever) } else { duration(text).map(Timeout::Within) }
}

fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

fn promise(text: &str) -> Result<Duration, String> {
    let time = positive(text)?;
    if time > session_lock::MAX_HOLD_CAP {
        return Err(format!(
            "at most {} can be promised",
            lock_core::rough(session_lock::MAX_HOLD_CAP)
        ));
    }
    Ok(time)
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let time: SignedDuration = text
        .parse()
        .map_err(|_| "expected a duration such as 500ms, 10s, 5m or 1h30m".to_owned())?;
    time.try_into().map_err(|_| "it must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("500ms", Some(500))]
    #[case("10s", Some(10_000))]
    #[case("5m", Some(300_000))]
    #[case("1h30m", Some(5_400_000))]
    #[case("0", Some(0))]
    #[case("10", None)]
    #[case("-1s", None)]
    #[case("", None)]
    #[case("soon", None)]
    fn durations(#[case] text: &str, #[case] ms: Option<u64>) {
        assert_eq!(duration(text).ok(), ms.map(Duration::from_millis));
    }

    #[test]
    fn forever_is_for_timeouts_only() {
        assert_eq!(timeout("forever"), Ok(Timeout::Forever));
        assert!(duration("forever").is_err());
        assert!(positive("0").is_err());
    }

    /// 2 147 000 000 ms: what OpenClaw's timers can do.
    #[test]
    fn a_promise_has_a_limit() {
        assert_eq!(promise("2147000s"), Ok(Duration::from_millis(2_147_000_000)));
        assert!(promise("2147001s").unwrap_err().contains("at most"));
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
