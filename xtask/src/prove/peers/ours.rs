//! Our contender: this program, started by itself. It speaks as the peers' contenders do; see
//! `xtask/peers`.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use runtime_deps_lock::{DepsLock, DepsOptions};
use rustix::time::{ClockId, clock_gettime};
use session_lock::{ReleaseOutcome, SessionLock, SessionOptions};

#[derive(Debug, Args)]
pub(crate) struct Contender {
    which: Which,
    role: Role,
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    Session,
    Deps,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Contend,
    Hold,
}

pub(super) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

pub(crate) fn act(given: &Contender) -> Result<()> {
    match given.role {
        Role::Hold => {
            let path = given.path.as_deref().context("no path")?;
            holding(given.which, path, Duration::from_secs(60), || {
                println!("held");
                std::thread::sleep(Duration::from_secs(3600));
            })
        }
        Role::Contend => contend(given.which),
    }
}

fn contend(which: Which) -> Result<()> {
    println!("ready {}", env!("CARGO_PKG_VERSION"));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<_> = line.split(' ').collect();
        let &[path, start, limit, hold] = &words[..] else { bail!("not an order: {line:?}") };
        let nanos = |word: &str| word.parse().map(Duration::from_nanos);
        std::thread::sleep(nanos(start)?.saturating_sub(now()));
        let hold = nanos(hold)?;
        let mut times = None;
        let outcome = holding(which, Path::new(path), nanos(limit)?, || {
            let begin = now();
            std::thread::sleep(hold);
            times = Some((begin, now()));
        });
        match (outcome, times) {
            (outcome, Some((begin, end))) => {
                let lost = if outcome.is_err() { " lost" } else { "" };
                println!("held {} {}{lost}", begin.as_nanos(), end.as_nanos());
            }
            (outcome, None) => {
                let why = outcome.err().map(|error| format!("{error:#}")).unwrap_or_default();
                println!("without {}", why.split_whitespace().collect::<Vec<_>>().join("-"));
            }
        }
    }
    Ok(())
}

/// A lock that was lost while it was held is an error, even if nobody else had it.
fn holding(which: Which, path: &Path, limit: Duration, work: impl FnOnce()) -> Result<()> {
    let outcome = match which {
        Which::Session => {
            let guard =
                SessionLock::new(path, SessionOptions::default().timeout(limit))?.acquire()?;
            work();
            guard.release()
        }
        Which::Deps => {
            std::fs::create_dir_all(path)?;
            let guard = DepsLock::new(path, DepsOptions::default().timeout(limit))?.acquire()?;
            work();
            guard.release()
        }
    };
    match outcome {
        ReleaseOutcome::Released => Ok(()),
        other => bail!("{other:?}"),
    }
}
