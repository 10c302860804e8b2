//! What a storm came to: the last look at the directory, and the numbers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use lock_core::ReleaseOutcome;

use super::checker::Tally;
use super::clocks::Jumping;
use super::products::{Domains, Failure, Product, Terms, Which};

/// What it may take to get a lock when everybody is gone.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Tally {
    /// Everybody is gone: both locks are had at once, and a doctor leaves nothing.
    pub(super) fn finish(&mut self, dir: &Path) -> Result<()> {
        for which in Which::ALL {
            let (timeout, max_hold) = (Duration::from_secs(20), Duration::from_secs(60));
            let terms = Terms { timeout, max_hold, clock: Arc::new(Jumping::default()) };
            let started = Instant::now();
            match Domains.acquire(dir, which, terms) {
                Ok(guard) if started.elapsed() < AT_ONCE => match guard.release() {
                    ReleaseOutcome::Released => {}
                    other => self.violations.push(format!("the last release: {other:?}")),
                },
                Ok(_) => self.violations.push(format!("took {:?} in the end", started.elapsed())),
                Err(Failure::Timeout) => self.violations.push("not had in the end".to_owned()),
                Err(Failure::Other(error)) => self.violations.push(error),
            }
        }
        session_lock::sweep(dir, &session_lock::SessionOptions::default(), true)?;
        runtime_deps_lock::DepsLock::new(dir, runtime_deps_lock::DepsOptions::default())?
            .sweep(true)?;
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if !Which::ALL.iter().any(|which| which.protected(dir) == path) {
                self.violations.push(format!("left behind: {}", path.display()));
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, other: Self) {
        self.time += other.time;
        self.begun += other.begun;
        self.ended += other.ended;
        self.timeouts += other.timeouts;
        self.kills += other.kills;
        self.namespaces_killed += other.namespaces_killed;
        self.cut_by_death += other.cut_by_death;
        self.stops += other.stops;
        self.forks += other.forks;
        self.execs += other.execs;
        self.sweeps += other.sweeps;
        self.evictions += other.evictions;
        self.renewals += other.renewals;
        self.writes += other.writes;
        self.refused += other.refused;
        self.abandoned += other.abandoned;
        self.waits.extend(other.waits);
        self.violations.extend(other.violations);
    }

    /// One line for a round.
    pub(super) fn in_short(&self) -> String {
        format!(
            "{} sections, {} kills, {} evictions, {} violations",
            self.begun,
            self.kills,
            self.evictions,
            self.violations.len()
        )
    }

    /// Everything that was counted.
    pub(super) fn in_full(&mut self) -> String {
        self.waits.sort_unstable();
        let at = |percent: usize| {
            let index = self.waits.len().saturating_sub(1) * percent / 100;
            self.waits.get(index).copied().unwrap_or_default()
        };
        format!(
            "{} sections in {:.0?} ({:.0} a second), {} of them came to their end\n\
             {} processes and {} namespaces killed, {} of them with a lock; {} stopped\n\
             {} forks, {} execs with a lock, {} doctor's rounds, {} renewed promises\n\
             {} overdue holders evicted; {} fenced writes done, {} refused; {} files left to the \
             next one\n\
             {} hasty ones gave up; the others waited {:?} (median), {:?} (99 of 100), {:?} (longest)\n\
             {} violations",
            self.begun,
            self.time,
            self.begun as f64 / self.time.as_secs_f64().max(0.001),
            self.ended,
            self.kills,
            self.namespaces_killed,
            self.cut_by_death,
            self.stops,
            self.forks,
            self.execs,
            self.sweeps,
            self.renewals,
            self.evictions,
            self.writes,
            self.refused,
            self.abandoned,
            self.timeouts,
            at(50),
            at(99),
            at(100),
            self.violations.len(),
        )
    }

    pub(super) fn must_be_clean(&self) -> Result<()> {
        for violation in self.violations.iter().take(20) {
            eprintln!("VIOLATION: {violation}");
        }
        if !self.violations.is_empty() {
            bail!("{} violations", self.violations.len());
        }
        Ok(())
    }
}
