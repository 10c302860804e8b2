//! Choosers: depth first through everything, at random, and along a given way.
//!
//! *Exhaustive* means: every state that can be reached is visited, where a state is what the files,
//! locks and clock are, what each process has seen so far (and so where its threads are), and what
//! may still go wrong. Two schedules that lead to one state are followed once from there on. With a
//! bound on preemptions, who runs and how many are left are part of the state, and everything
//! within the bound is visited.
//!
//! Fewer states differ than one would think:
//! - What nobody else can see needs no turn ([`super::machine`]), and what nobody else could notice
//!   is put off until something counts ([`super::passing`]).
//! - Processes that do the same and have not yet made a call that anybody could notice differ in
//!   their names alone: one of them stands for all (`State::is_stood_for`).
//! - A process of one thread that waits, goes round once more, has failed to publish, has removed a
//!   lock or has just taken it knows what its `Acquisition` or its record says, and nothing else of
//!   what it saw on the way there (`State::remembers`). The same holds of a record, which is told
//!   from others by what it says (`State::append`).
//!
//! That all this leaves out nothing is tried: what the whole can come to is what the rest comes to.
//!
//! The broken protocols are hunted under all of this, but that the one which believes an earlier
//! look keeps what it saw.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::mutant::Mutant;
use super::run::{Chooser, Event, Outcome, Runner};
use super::scenario::Scenario;
use super::state::State;

/// The choices of one run; behind its end, always the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schedule(pub(crate) Vec<usize>);

/// `3.1x12.2`: each choice, or how many first choices (as `x12`) in a row.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut firsts = 0;
        for &choice in &self.0 {
            if choice == 0 {
                firsts += 1;
                continue;
            }
            if firsts > 0 {
                parts.push(format!("x{firsts}"));
                firsts = 0;
            }
            parts.push(choice.to_string());
        }
        f.write_str(if parts.is_empty() { "x0".into() } else { parts.join(".") }.as_str())
    }
}

impl FromStr for Schedule {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut choices = Vec::new();
        for part in text.split('.') {
            match part.strip_prefix('x') {
                Some(firsts) => choices.extend(std::iter::repeat_n(0, firsts.parse()?)),
                None => choices.push(part.parse()?),
            }
        }
        Ok(Self(choices))
    }
}

struct Along<'a> {
    way: &'a [usize],
    at: usize,
}

impl Chooser for Along<'_> {
    fn choose(&mut self, _state: &State, events: &[Event]) -> Option<usize> {
        let choice = self.way.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        Some(if choice < events.len() { choice } else { 0 })
    }
}

/// Runs one schedule.
pub(crate) fn replay(
    runner: &mut Runner,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    schedule: &Schedule,
    record: bool,
) -> Outcome {
    runner.run(scenario, mutant, &mut Along { way: &schedule.0, at: 0 }, record)
}

/// One place where there was a choice.
struct Fork {
    chosen: usize,
    count: usize,
}

struct DepthFirst {
    path: Vec<Fork>,
    at: usize,
    seen: HashSet<u64>,
}

impl DepthFirst {
    /// How far the first choices are. The last of each take much less time than the first,
    /// because most of what they lead to was seen before.
    fn how_far(&self) -> String {
        let first: Vec<_> = (self.path.iter().take(12))
            .map(|fork| format!("{}/{}", fork.chosen + 1, fork.count))
            .collect();
        format!("at {}", first.join(" "))
    }
}

impl Chooser for DepthFirst {
    fn choose(&mut self, state: &State, events: &[Event]) -> Option<usize> {
        if let Some(fork) = self.path.get(self.at) {
            self.at += 1;
            return Some(fork.chosen);
        }
        if state.ghost.violations.is_empty() && !self.seen.insert(state.digest()) {
            return None;
        }
        self.path.push(Fork { chosen: 0, count: events.len() });
        self.at += 1;
        Some(0)
    }
}

/// What was explored.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) runs: u64,
    pub(crate) steps: u64,
    pub(crate) longest: usize,
    /// Everything that it can come to.
    pub(crate) ends: HashSet<u64>,
    /// The first schedule that breaks something, made short, and its bound on preemptions.
    pub(crate) broken: Option<(Option<u8>, Schedule)>,
}

impl Explored {
    fn count(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.steps += outcome.steps as u64;
        self.longest = self.longest.max(outcome.steps);
        self.ends.extend(outcome.end);
    }
}

/// How long people wait for a word on how far it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Visits every state, until something breaks.
pub(crate) fn everything(
    runner: &mut Runner,
    scenario: &Scenario,
    mutant: Option<Mutant>,
) -> Explored {
    let mut chooser = DepthFirst { path: Vec::new(), at: 0, seen: HashSet::new() };
    let mut explored = Explored::default();
    let mut told = Instant::now();
    loop {
        if told.elapsed() > PATIENCE {
            told = Instant::now();
            eprintln!("{}: {} states, {}", scenario.name, explored.states, chooser.how_far());
        }
        chooser.at = 0;
        let outcome = runner.run(scenario, mutant, &mut chooser, false);
        explored.count(&outcome);
        explored.states = chooser.seen.len();
        if !outcome.violations.is_empty() {
            let schedule = Schedule(chooser.path.iter().map(|fork| fork.chosen).collect());
            let short = shrink(runner, scenario, mutant, schedule);
            explored.broken = Some((scenario.budget.preemptions, short));
            return explored;
        }
        while chooser.path.last().is_some_and(|fork| fork.chosen + 1 == fork.count) {
            chooser.path.pop();
        }
        let Some(fork) = chooser.path.last_mut() else {
            return explored;
        };
        fork.chosen += 1;
    }
}

struct AtRandom {
    random: u64,
    way: Vec<usize>,
}

impl AtRandom {
    /// xorshift64*: all that is asked of it is to be different each time, and the same again.
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

impl Chooser for AtRandom {
    fn choose(&mut self, _state: &State, events: &[Event]) -> Option<usize> {
        let threads = events.iter().take_while(|event| matches!(event, Event::Run(_))).count();
        let trouble = events.len() - threads;
        // Long stretches of one thread, now and then another one, seldom trouble.
        let choice = match self.below(100) {
            0..2 if trouble > 0 => threads + self.below(trouble),
            2..25 => self.below(threads),
            _ => 0,
        };
        self.way.push(choice);
        Some(choice)
    }
}

/// Walks once at random.
pub(crate) fn stroll(
    runner: &mut Runner,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    seed: u64,
    explored: &mut Explored,
) {
    // Zero is the one state that xorshift never leaves.
    let mut chooser = AtRandom { random: super::state::digest(seed) | 1, way: Vec::new() };
    let outcome = runner.run(scenario, mutant, &mut chooser, false);
    explored.count(&outcome);
    if !outcome.violations.is_empty() {
        let short = shrink(runner, scenario, mutant, Schedule(chooser.way));
        explored.broken = Some((scenario.budget.preemptions, short));
    }
}

/// The same violation with as few choices as possible: shorter, then more of them the first.
fn shrink(
    runner: &mut Runner,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    schedule: Schedule,
) -> Schedule {
    let broken = |runner: &mut Runner, schedule: &Schedule| {
        let outcome = replay(runner, scenario, mutant, schedule, false);
        outcome.violations.first().map(|violation| violation.invariant)
    };
    let wanted = broken(runner, &schedule);
    let mut best = schedule;
    let mut stretch = best.0.len();
    while stretch > 0 {
        let mut at = 0;
        while at < best.0.len() {
            let end = (at + stretch).min(best.0.len());
            if best.0[at..end].iter().any(|&choice| choice != 0) {
                let mut simpler = best.clone();
                simpler.0[at..end].fill(0);
                if broken(runner, &simpler) == wanted {
                    best = simpler;
                }
            }
            at = end;
        }
        stretch /= 2;
    }
    while best.0.last() == Some(&0) {
        best.0.pop();
    }
    best
}
