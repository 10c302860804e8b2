//! One round: wardens in their namespaces, some of which are killed as a whole and start again.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::checker::{self, Tally};
use super::products::Which;
use crate::prove::actors::Orders;
use crate::prove::namespaces::{self, OWN_PIDS};

/// How far ahead the clocks of every third namespace are.
const AHEAD: u64 = 5000;

pub(super) struct Gang {
    pub(super) namespaces: usize,
    pub(super) processes: usize,
    pub(super) seed: u64,
    pub(super) mutant: bool,
}

/// A namespace, by the `unshare(1)` that waits for it. Killed with it.
struct Namespace {
    number: u32,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gang {
    /// Lets it rage for `time`, looks at the journal every `interval`, and ends at the first
    /// violation that it sees.
    pub(super) fn storm(&self, time: Duration, interval: Duration) -> Result<Tally> {
        let (arena, apart) = (tempfile::tempdir()?, tempfile::tempdir()?);
        for which in Which::ALL {
            std::fs::write(which.protected(arena.path()), "")?;
        }
        let journal = apart.path().join("journal");
        let log = File::options().append(true).create(true).open(&journal)?;
        // What `unshare` says when its namespace is killed is noise, except beside a violation.
        let errors = File::options().append(true).create(true).open(apart.path().join("errors"))?;
        let mut dice = Rng::with_seed(self.seed);
        let mut started = 0;
        let mut start = |slot: usize, seed| {
            started += 1;
            self.start(arena.path(), [&log, &errors], started, slot, seed)
        };
        let mut namespaces = (0..self.namespaces)
            .map(|slot| start(slot, dice.u64(..)))
            .collect::<Result<Vec<_>>>()?;
        let (began, mut looked) = (Instant::now(), Instant::now());
        while began.elapsed() < time {
            let pause = Duration::from_millis(dice.u64(150..900));
            std::thread::sleep(pause.min(time.saturating_sub(began.elapsed())));
            if looked.elapsed() > interval {
                looked = Instant::now();
                let tally = checker::check(&journal, arena.path(), false)?;
                if !tally.violations.is_empty() {
                    return Ok(tally);
                }
            }
            if dice.u32(..3) == 0 {
                let slot = dice.usize(..namespaces.len());
                kill(&log, &mut namespaces[slot])?;
                namespaces[slot] = start(slot, dice.u64(..))?;
            }
        }
        let elapsed = began.elapsed();
        // One goes down with everybody in it; the others come to their ends by themselves.
        kill(&log, &mut namespaces[0])?;
        for namespace in &mut namespaces[1..] {
            namespace.stdin = None;
        }
        for namespace in &mut namespaces[1..] {
            let status = namespace.child.wait()?;
            let said = || std::fs::read_to_string(apart.path().join("errors")).unwrap_or_default();
            ensure!(
                status.success(),
                "the warden of {} ended with {status}:\n{}",
                namespace.number,
                said()
            );
        }
        drop(namespaces);
        let mut tally = checker::check(&journal, arena.path(), true)?;
        tally.time = elapsed;
        tally.finish(arena.path())?;
        if !tally.violations.is_empty() && !self.mutant {
            let (arena, apart) = (arena.keep(), apart.keep());
            eprintln!("kept: {} and {}", arena.display(), apart.display());
        }
        Ok(tally)
    }

    fn start(
        &self,
        dir: &Path,
        [log, errors]: [&File; 2],
        number: u32,
        slot: usize,
        seed: u64,
    ) -> Result<Namespace> {
        let mut within: Vec<_> = OWN_PIDS.iter().map(|&word| word.to_owned()).collect();
        let shifted = slot % 3 == 2;
        if shifted {
            within.extend(
                ["--time", "--monotonic", &AHEAD.to_string(), "--boottime"].map(Into::into),
            );
            within.push(AHEAD.to_string());
        }
        if !rustix::process::geteuid().is_root() {
            within.extend(["--user", "--map-root-user"].map(str::to_owned));
        }
        let orders = Orders::new("chaos-warden")
            .within(within)
            .path("dir", dir)
            .with("namespace", number)
            .with("processes", self.processes)
            .with("seed", seed)
            .with("ahead", if shifted { AHEAD } else { 0 })
            .with("mutant", self.mutant);
        let mut command = orders.command()?;
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(errors.try_clone()?);
        let mut child = command.spawn().context("unshare(1) cannot be started")?;
        let stdin = child.stdin.take();
        Ok(Namespace { number, child, stdin })
    }
}

fn kill(log: &File, namespace: &mut Namespace) -> Result<()> {
    let Namespace { number, child, .. } = namespace;
    namespaces::kill(child, || Ok((&*log).write_all(format!("K {number}\n").as_bytes())?))
}
