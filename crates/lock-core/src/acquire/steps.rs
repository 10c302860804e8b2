//! One acquisition: its steps, and how long it waits between them.

use std::fmt::Debug;
use std::time::Duration;

use super::obstacle::Obstacle;
use super::pace::{POLL_ALONE, POLL_WITH_EVENTS, jittered};
use super::{AcquireError, Contention, Pause, Request, Step};
use crate::assess::Assessment;
use crate::error::LockError;
use crate::evidence::{Attested, Own};
use crate::identity::{Comparison, Process};
use crate::lockfile::sys::{Native, Sys};
use crate::lockfile::{Attempt, Guard, LockFile, Look, Reclaimed};
use crate::policy::{Action, Decision};
use crate::record::{Dialect, Form, LockRecord};
use crate::wait::Watch;

/// The kernel reports a close just before it drops the locks, so an event is followed by
/// probes at 50 µs, 100 µs, … before the waiter relies on events again.
const FIRST_PROBE: Duration = Duration::from_micros(50);
const PROBES: u32 = 8;
/// How often a step goes round before it lets others run.
const ROUNDS: u32 = 16;
/// How long one step waits for the binding byte.
const BINDING_PATIENCE: Duration = Duration::from_millis(10);

/// An attempt at a lock that goes on until it is had or the time is up.
#[derive(Debug)]
pub struct Acquisition<S: Sys = Native> {
    lock: LockFile<S>,
    request: Request,
    started: Duration,
    probes_left: u32,
    attested: Option<(LockRecord, Attested)>,
    last: Option<(Assessment, Decision)>,
    obstacle: Option<Obstacle>,
}

impl<S: Sys> Acquisition<S> {
    /// Starts the clock.
    #[must_use]
    pub fn new(lock: LockFile<S>, request: Request) -> Self {
        let started = lock.clock().monotonic();
        Self { lock, request, started, probes_left: 0, attested: None, last: None, obstacle: None }
    }

    /// Takes steps, and sleeps in between, until the lock is had or the time is up. `waiting`
    /// is told each time what is being waited for.
    ///
    /// # Errors
    /// The lock was not had in time, or the protocol could not go on.
    pub fn block(
        mut self,
        mut waiting: impl FnMut(&Assessment, &Decision, Option<Duration>),
    ) -> Result<Guard<S>, AcquireError> {
        loop {
            match self.step()? {
                Step::Acquired(guard) => return Ok(guard),
                Step::Wait(pause) => {
                    if let Some((assessment, decision)) = &self.last {
                        waiting(assessment, decision, self.time_left());
                    }
                    let woken = pause.block(self.lock.sys());
                    self.resume(woken);
                }
            }
        }
    }

    /// The lock that was in the way at the last step, and what the policy makes of it.
    #[must_use]
    pub fn in_the_way(&self) -> Option<(&Assessment, &Decision)> {
        self.last.as_ref().map(|(assessment, decision)| (assessment, decision))
    }

    /// Tells how a [`Pause`] ended: by an event, or by its time running out.
    pub fn resume(&mut self, woken: bool) {
        self.probes_left = if woken { PROBES } else { self.probes_left.saturating_sub(1) };
    }

    /// Adds what an owner's home said of the owner of `record`. It counts only as long as
    /// exactly that record is in the way.
    pub fn attest(&mut self, record: LockRecord, answer: Attested) {
        self.attested = Some((record, answer));
    }

    /// Time left until the deadline; `None`: there is none.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let waited = self.lock.clock().monotonic().saturating_sub(self.started);
        Some(self.request.timeout?.saturating_sub(waited))
    }

    /// Tries, looks, judges and reclaims, until there is nothing to do but wait.
    ///
    /// # Errors
    /// The lock was not had in time, or the protocol could not go on.
    pub fn step(&mut self) -> Result<Step<S>, AcquireError> {
        self.step_telling(|_| {})
    }

    /// The same, and tells now and then what is in hand: everything on which the rest depends,
    /// besides what is open. For whoever explores schedules, and follows those that come to the
    /// same only once.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    #[doc(hidden)]
    pub fn step_telling(
        &mut self,
        mut in_hand: impl FnMut(&dyn Debug),
    ) -> Result<Step<S>, AcquireError> {
        let mut watch: Option<Option<Watch>> = None;
        // The first look at a lock costs more than one attempt that succeeds.
        let mut occupied = self.last.is_some();
        for round in 0..ROUNDS {
            in_hand(&("round", &*self, round, occupied, &watch));
            if !occupied {
                if let Attempt::Acquired(guard) = self.lock.attempt(&self.request.stamp)? {
                    return Ok(Step::Acquired(guard));
                }
                in_hand(&("contended", &*self, round, &watch));
            }
            let Some(look) = self.look()? else {
                occupied = false;
                watch = None;
                continue;
            };
            occupied = true;
            if let Some(guard) = self.handle_of(look.assessment()) {
                return Ok(Step::Acquired(guard));
            }
            let decision = look.assessment().decide(&self.request.policy);
            if decision.action == Action::Reclaim {
                let removed = self.reclaim(&look, &decision)?;
                if removed {
                    in_hand(&("reclaimed", &*self, round));
                    // Litter is what a crash left, and a reclaim is what follows a crash.
                    let _ = self.lock.sweep_litter(true);
                }
                if self.obstacle.is_none() {
                    occupied = false;
                    watch = None;
                    continue;
                }
            } else {
                self.obstacle = None;
            }
            let assessment = look.into_assessment();
            let last = self.last.as_ref().map(|(before, _)| &before.record);
            let changed = last.is_none_or(|before| *before != assessment.record);
            if changed {
                // What woke us was another lock's event. This one's may have come just before
                // our watch, and just before its byte was dropped: one late probe.
                self.probes_left = 1;
            }
            let passing = self.request.reentrant && assessment.evidence.own == Own::HeldHere;
            self.last = Some((assessment, decision));
            // First the watch, then the look, then sleep. A watch that was not to be had
            // because the path changed hands is worth another try.
            match watch.take() {
                Some(armed) if armed.is_some() || !changed => {
                    // Held here, and yet no handle to share: another thread is at work on it.
                    return self.pause(armed, passing.then_some(POLL_ALONE / 100));
                }
                _ => watch = Some(self.arm()),
            }
        }
        // The path changes hands faster than we look: others make progress.
        self.pause(None, Some(POLL_ALONE / 100))
    }

    fn look(&self) -> Result<Option<Look<S>>, LockError> {
        let look = match self.lock.look_as_contender() {
            // On NFS, what was removed by another client answers ESTALE: it is gone.
            Err(LockError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::StaleNetworkFileHandle =>
            {
                None
            }
            look => look?,
        };
        Ok(look.map(|look| match (&self.attested, &look.assessment().record) {
            (Some((of, answer)), Some(record)) if record == of => look.attest(*answer),
            _ => look,
        }))
    }

    fn handle_of(&self, assessment: &Assessment) -> Option<Guard<S>> {
        if !self.request.reentrant || assessment.evidence.own != Own::HeldHere {
            return None;
        }
        let guard = Guard::find(self.lock.sys(), assessment.record.as_ref()?.id.as_deref()?)?;
        // Of several promises for one hold the longest counts.
        if let Dialect::Session { max_hold } = self.request.stamp.dialect
            && guard.try_extend(self.binding_patience(), max_hold).is_err()
        {
            // No handle without its promise. What is only busy is tried again.
            return None;
        }
        Some(guard)
    }

    fn binding_patience(&self) -> Duration {
        self.time_left().map_or(BINDING_PATIENCE, |left| left.min(BINDING_PATIENCE))
    }

    /// Whether the lock was removed.
    fn reclaim(&mut self, look: &Look<S>, decision: &Decision) -> Result<bool, LockError> {
        let patience = self.binding_patience();
        let outcome = self.lock.reclaim_if_stale(look, &self.request.policy, patience)?;
        let removed = matches!(outcome, Reclaimed::Removed);
        self.obstacle = match outcome {
            Reclaimed::Removed | Reclaimed::Changed => None,
            Reclaimed::Busy => Some(Obstacle::Busy),
            Reclaimed::Denied(error) => Some(Obstacle::Denied(error)),
        };
        if removed {
            let reasons: Vec<_> = decision.reasons.iter().map(|r| r.as_str()).collect();
            tracing::info!(path = %self.lock.path().display(), reasons = reasons.join(","),
                "reclaimed a stale lock");
        }
        Ok(removed)
    }

    /// Events only come from the kernel that makes the change.
    fn arm(&self) -> Option<Watch> {
        let (assessment, _) = self.last.as_ref()?;
        if crate::assess::is_shared(assessment.filesystem.class) {
            return None;
        }
        let watch = self.lock.watch()?;
        let e = &assessment.evidence;
        // A pid that means something here, and is another process's.
        let is_here = e.boot == Comparison::Same && e.namespace == Comparison::Same;
        match assessment.owner() {
            Some(owner) if is_here && e.process == Process::Running && e.own == Own::Other => {
                Some(watch.and_end_of(owner.pid))
            }
            _ => Some(watch),
        }
    }

    fn pause(
        &mut self,
        watch: Option<Watch>,
        briefly: Option<Duration>,
    ) -> Result<Step<S>, AcquireError> {
        let left = self.time_left();
        let stale = self.last.as_ref().is_some_and(|(_, decision)| decision.distrusts_owner());
        if left == Some(Duration::ZERO) || (self.request.fail_when_stale && stale) {
            return Err(self.contended());
        }
        let ours = self
            .last
            .as_ref()
            .and_then(|(a, _)| a.record.as_ref())
            .is_some_and(|r| r.form == Form::Ours);
        // While a reclaim is held up, each try wakes all who watch: they would keep each other up.
        let watch = watch.filter(|_| self.obstacle.is_none());
        let net = if watch.is_some() && ours { POLL_WITH_EVENTS } else { POLL_ALONE };
        let mut at_most = if let Some(time) = briefly {
            jittered(self.lock.sys(), time)
        } else if self.probes_left > 0 {
            FIRST_PROBE * 2_u32.pow(PROBES - self.probes_left)
        } else if let Some(obstacle) = &self.obstacle {
            jittered(self.lock.sys(), obstacle.pace())
        } else {
            jittered(self.lock.sys(), net)
        };
        if let Some(left) = left {
            at_most = at_most.min(left);
        }
        if let Some(limit) = self.last.as_ref().and_then(|(_, d)| d.reclaimable_in) {
            // Limits are compared strictly: be there just after, not just before.
            at_most = at_most.min(limit.saturating_add(Duration::from_millis(1)));
        }
        Ok(Step::Wait(Pause { watch, at_most }))
    }

    fn contended(&mut self) -> AcquireError {
        let waited = self.lock.clock().monotonic().saturating_sub(self.started);
        match self.last.take() {
            Some((assessment, decision)) => AcquireError::Contended(Box::new(Contention {
                timeout: self.request.timeout,
                waited,
                obstacle: self.obstacle.take().map(|o| o.tell(&self.lock, &assessment)),
                assessment,
                decision,
            })),
            None => AcquireError::Lock(LockError::Io {
                action: "get a look at",
                path: self.lock.path().to_owned(),
                source: std::io::Error::other("it keeps changing hands"),
            }),
        }
    }
}
