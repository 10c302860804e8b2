//! What the threads do, over the real protocol.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use lock_core::lockfile::{Attempt, Layout, SectionError, Stamp};
use lock_core::policy::{Disposition, Policy};
use lock_core::record::{Dialect, LockRecord};
use lock_core::{AcquireError, Acquisition, Charge, Guard, LockFile, Request};

use super::machine::{Machine, State, Status};
use super::scenario::{Actor, Scenario};
use super::system::{Simulated, lock_of, pid};
use super::world::{DIRECTORY, Description, LOCK, Process};

/// How long a holder promises to hold at most. A jump is longer.
pub(crate) const MAX_HOLD: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_millis(300);
/// Longer than every grace.
const LONG_AGO: Duration = Duration::from_secs(3600);
/// How long a waiter may be late: it naps between its looks.
const SLACK: Duration = Duration::from_secs(1);

fn policy(promises: bool) -> Policy {
    Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Report,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: if promises { Disposition::Reclaim } else { Disposition::Ignore },
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    }
}

/// One thread.
struct Player {
    machine: Machine,
    sys: Simulated,
    process: Process,
    lock: LockFile<Simulated>,
    promises: bool,
    lock_is_directory: bool,
}

fn lock_path() -> PathBuf {
    Path::new(DIRECTORY).join(LOCK)
}

fn told() -> String {
    "by OpenClaw's rules".to_owned()
}

/// Runs a thread to its end.
pub(crate) fn play(machine: Machine, scenario: &Scenario, process: Process, actor: Actor) {
    let player = Player {
        sys: Simulated::new(&machine, process),
        lock: lock_of(&machine, process, scenario.layout),
        machine,
        process,
        promises: scenario.promises,
        lock_is_directory: scenario.layout == Layout::Directory,
    };
    match actor {
        Actor::Locker(rounds) => (0..rounds).for_each(|_| player.take_once(false)),
        Actor::Renewer => player.take_once(true),
        Actor::Sharer => player.share(),
        Actor::Helper => player.help(),
        Actor::Sweeper => player.sweep(),
        Actor::OpenClaw => player.follow_other_rules(),
        Actor::Watchdog => player.watch(),
        Actor::DiesHolding => {
            let guard = player.acquire();
            let _kept = guard;
            player.machine.die();
        }
        Actor::LeavesOwnerless | Actor::LeavesDangling | Actor::LeavesEmpty => player.leave(actor),
        Actor::Janitor => player.clean_up(),
    }
}

impl Player {
    fn stamp(&self) -> Stamp {
        let dialect = if self.promises {
            Dialect::Session { max_hold: MAX_HOLD }
        } else {
            Dialect::RuntimeDeps
        };
        Stamp { dialect, label: None, inheritable: false }
    }

    fn acquire(&self) -> Option<Guard<Simulated>> {
        let request = Request {
            stamp: self.stamp(),
            policy: policy(self.promises),
            timeout: Some(TIMEOUT),
            reentrant: false,
            fail_when_stale: false,
        };
        let (start, jumped) = {
            let state = self.machine.state();
            (state.world.now, state.jumped)
        };
        let had = Acquisition::new(self.lock.clone(), request).block(|_, _, _| {});
        let mut state = self.machine.state();
        let waited = state.world.now - start - (state.jumped - jumped);
        if waited > TIMEOUT + SLACK {
            state.ghost.violated(6, format!("waited {waited:?} of at most {TIMEOUT:?}"));
        }
        match had {
            Ok(guard) => {
                state.tell(|| "acquired".to_owned());
                state.acquired(guard.record().id.as_deref());
                Some(guard)
            }
            Err(error) => {
                state.tell(|| match &error {
                    AcquireError::Lock(error) => format!("not acquired: {error:?}"),
                    AcquireError::Contended(what) => {
                        format!("not acquired: {:?} {:?}", what.assessment.verdict, what.obstacle)
                    }
                });
                state.gave_up();
                None
            }
        }
    }

    /// A fenced write: three steps that nobody may interrupt.
    fn write(&self, guard: &Guard<Simulated>) {
        let id = guard.record().id.clone();
        let wrote = guard.section(TIMEOUT, || {
            for (step, writing) in [("write a", true), ("write b", true), ("write c", false)] {
                let Ok(mut state) = self.machine.turn(step) else { return };
                state.note(step, 0);
                state.tell(|| step.to_owned());
                state.writes(id.as_deref(), writing);
            }
        });
        let mut state = self.machine.state();
        state.tell(|| format!("section: {wrote:?}"));
        if let Err(SectionError::Nested | SectionError::Forked) = wrote {
            state.ghost.violated(5, format!("a section of its own is refused: {wrote:?}"));
        }
    }

    fn release(&self, guard: Guard<Simulated>) {
        let id = guard.record().id.clone();
        self.machine.state().releasing(id.as_deref());
        let outcome = guard.release();
        self.machine.state().released(id.as_deref(), &outcome);
    }

    fn take_once(&self, renew: bool) {
        let Some(guard) = self.acquire() else { return };
        if renew {
            let renewed = guard.extend(MAX_HOLD * 3);
            self.machine.state().tell(|| format!("extend: {renewed:?}"));
        }
        self.write(&guard);
        self.release(guard);
    }

    fn share(&self) {
        let Some(guard) = self.acquire() else { return };
        let guard = Arc::new(guard);
        {
            let mut state = self.machine.state();
            state.processes[self.process].shared = Some(Arc::clone(&guard));
        }
        self.write(&guard);
        drop(self.machine.state().processes[self.process].shared.take());
        let mut guard = guard;
        loop {
            match Arc::try_unwrap(guard) {
                Ok(guard) => return self.release(guard),
                Err(shared) => guard = shared,
            }
            if self.machine.turn("wait for helpers").is_err() {
                return;
            }
            if Arc::strong_count(&guard) > 1 {
                self.machine.sleep(TIMEOUT);
            }
        }
    }

    fn help(&self) {
        for _ in 0..2 {
            let shared = {
                let Ok(mut state) = self.machine.turn("ask for the guard") else { return };
                let shared = state.processes[self.process].shared.clone();
                state.note("ask for the guard", u64::from(shared.is_some()));
                shared
            };
            if let Some(guard) = shared {
                self.write(&guard);
                drop(guard);
                return;
            }
            self.machine.sleep(TIMEOUT);
        }
    }

    fn sweep(&self) {
        let sweeping = Policy { hold_exceeded: Disposition::Ignore, ..policy(self.promises) };
        let _ = self.lock.tend(&sweeping, true);
        let _ = self.lock.sweep_litter(true);
    }

    /// The same watchdog as everywhere, on this machine's clock.
    fn watch(&self) {
        // Only differences between such times ever matter.
        let start = Instant::now();
        let mut charges: Vec<Charge> = Vec::new();
        loop {
            let (now, alone) = {
                let mut state = self.machine.state();
                charges.append(&mut state.processes[self.process].charges);
                (state.world.now, state.siblings_are_done())
            };
            if alone {
                return;
            }
            let mut next: Option<Instant> = None;
            charges.retain_mut(|charge| {
                let again = charge.tend(start + now, Waker::noop());
                next = next.into_iter().chain(again).min();
                again.is_some()
            });
            self.machine.tend_until(next.map(|at| at - start));
        }
    }

    fn leave(&self, what: Actor) {
        let path = lock_path();
        let mut state = self.machine.state();
        let world = &mut state.world;
        let made = match what {
            Actor::LeavesEmpty => {
                world.create_new(self.process, None, &path).map(|file| world.close(file))
            }
            _ => world.create_dir(self.process, None, &path),
        };
        assert!(made.is_ok(), "nothing is there yet");
        if what == Actor::LeavesDangling {
            assert!(world.dangle(self.process, &path.join("owner.json")).is_ok());
        }
        world.now += LONG_AGO;
    }

    /// OpenClaw: creates the lock, then writes the record; removes what it holds for dead by path.
    fn follow_other_rules(&self) {
        for _ in 0..8 {
            if let Some(file) = self.create_by_other_rules() {
                self.machine.state().foreign_hold(false);
                for step in ["write a", "write b"] {
                    let _ = self.sys.call(step, told, |_| Ok(((), 0)));
                }
                self.machine.state().foreign_hold(true);
                self.machine.state().world.close(file);
                self.remove_by_other_rules(|_| true);
                return;
            }
            self.remove_by_other_rules(|state| {
                let record = state.binding().record.map(|record| state.world.content(record).0);
                let owner = record.and_then(|bytes| LockRecord::parse(bytes)?.owner);
                owner.is_some_and(|owner| state.is_dead(owner.pid))
            });
            self.machine.sleep(TIMEOUT / 4);
        }
    }

    fn create_by_other_rules(&self) -> Option<Description> {
        let (lock, mut path) = (lock_path(), lock_path());
        if self.lock_is_directory {
            let made = self.sys.call("create_dir", told, |state| {
                state.world.create_dir(self.process, None, &lock)?;
                Ok(((), 0))
            });
            made.ok()?;
            path = lock.join("owner.json");
        }
        let created = self.sys.call("create_new", told, |state| {
            Ok((state.world.create_new(self.process, None, &path)?, 0))
        });
        let record = format!(
            "{{\"pid\": {}, \"createdAt\": \"2026-11-20T23:59:59.123Z\", \"starttime\": {}}}\n",
            pid(self.process),
            self.process
        );
        let file = created.ok()?;
        let middle = record.len() / 2;
        for (offset, part) in [(0, &record[..middle]), (middle, &record[middle..])] {
            let _ = self.sys.call("write", told, |state| {
                state.append(file, offset, part.as_bytes());
                Ok(((), 0))
            });
        }
        Some(file)
    }

    /// First the look, then the removal: two steps.
    fn remove_by_other_rules(&self, stale: impl FnOnce(&State) -> bool) {
        let looked = self.sys.call("look", told, |state| {
            let stale = stale(state);
            Ok((stale, u64::from(stale)))
        });
        if !looked.unwrap_or(false) {
            return;
        }
        let remove = |path: &Path, directory: bool| {
            let _ = self.sys.call(
                "remove",
                || path.display().to_string(),
                |state| {
                    if directory {
                        state.world.remove_dir(None, path)?;
                    } else {
                        state.world.remove(None, path)?;
                    }
                    Ok(((), 0))
                },
            );
        };
        if self.lock_is_directory {
            remove(&lock_path().join("owner.json"), false);
        }
        remove(&lock_path(), self.lock_is_directory);
    }

    /// Whatever happened, one sweep leaves nothing behind, and the lock can be had at once.
    fn clean_up(&self) {
        self.machine.state().world.now += LONG_AGO;
        self.sweep();
        let left = self.machine.state().world.paths();
        if !left.is_empty() {
            self.machine
                .state()
                .ghost
                .violated(2, format!("after a sweep there is still {left:?}"));
        }
        match self.lock.attempt(&self.stamp()) {
            Ok(Attempt::Acquired(guard)) => {
                self.machine.state().acquired(guard.record().id.as_deref());
                self.release(guard);
            }
            not => {
                let what = format!("after everybody is gone the lock cannot be had: {not:?}");
                self.machine.state().ghost.violated(2, what);
            }
        }
        let left = self.machine.state().world.paths();
        if !left.is_empty() {
            self.machine.state().ghost.violated(2, format!("a release leaves {left:?}"));
        }
    }
}

impl State {
    /// Whether no process has this pid.
    fn is_dead(&self, of: u32) -> bool {
        (0..self.processes.len()).all(|process| pid(process) != of || self.processes[process].dead)
    }

    /// Whether the watchdog of the current process has nobody left to look after.
    pub(crate) fn siblings_are_done(&self) -> bool {
        let me = self.me();
        self.threads.iter().enumerate().all(|(thread, other)| {
            thread == self.current || other.process != me || other.status == Status::Done
        })
    }
}
