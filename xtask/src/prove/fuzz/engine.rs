//! One target: trying its corpus and mutations of it until the time is up or something breaks.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::report::Row;
use super::{corpus, mutate};

/// Something that reads bytes.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// Whether its inputs are JSON, mostly.
    pub(super) json: bool,
    /// What its format is made of.
    pub(super) words: &'static [&'static str],
    /// Whether it can be run here.
    pub(super) available: bool,
    /// Reads the bytes and checks what must hold of any. Answers the [`shape`] of the outcome, or
    /// which property is broken.
    pub(super) check: fn(&[u8]) -> Result<u64, String>,
}

/// Outcomes of one kind have one number, in every run.
pub(super) fn shape(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Longer than any input may take.
const HANG: Duration = Duration::from_secs(10);

/// The input at work, and since when.
static AT_WORK: Mutex<Option<(&str, Vec<u8>, Instant)>> = Mutex::new(None);

/// What the last panic said, and where.
static PANIC: Mutex<String> = Mutex::new(String::new());

pub(super) fn run(target: &Target, seed: u64, budget: Duration) -> Result<Row> {
    let mut row = Row { target: target.name, ..Row::default() };
    if !target.available {
        row.not_run = Some("lock files do not work on this system yet".to_owned());
        return Ok(row);
    }
    let mut pool = corpus::load(target.name)?;
    row.corpus = pool.len();
    let mut rng = fastrand::Rng::with_seed(seed ^ shape(&target.name));
    let mut outcomes = HashSet::new();
    let started = Instant::now();
    let mut kept = 0;
    while kept < row.corpus || started.elapsed() < budget {
        let input = match pool.get(kept).filter(|_| kept < row.corpus) {
            Some(input) => input.clone(),
            None => mutate::mutate(&pool, target, &mut rng),
        };
        let is_kept = kept < row.corpus;
        kept += usize::from(is_kept);
        let (outcome, took) = attempt(target, &input);
        row.executions += 1;
        row.slowest_ms = row.slowest_ms.max(took.as_secs_f64() * 1000.0);
        match outcome {
            Ok(outcome) if outcomes.insert(outcome) && !is_kept => pool.push(input),
            Ok(_) => {}
            Err(why) => {
                let (input, why) = shorten(target, input, why);
                let place = corpus::keep(target.name, "found", &input)?;
                row.failed = Some(format!("{why} ({})", place.display()));
                break;
            }
        }
    }
    row.outcomes = outcomes.len();
    row.seconds = started.elapsed().as_secs_f64();
    Ok(row)
}

/// One input; a panic is a failure like any other.
fn attempt(target: &Target, input: &[u8]) -> (Result<u64, String>, Duration) {
    let started = Instant::now();
    set(&AT_WORK, Some((target.name, input.to_vec(), started)));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.check)(input)));
    set(&AT_WORK, None);
    let outcome = outcome.unwrap_or_else(|_| {
        Err(format!("panic: {}", PANIC.lock().unwrap_or_else(PoisonError::into_inner)))
    });
    (outcome, started.elapsed())
}

/// Cuts from an input that fails whatever it does not need for that.
fn shorten(target: &Target, mut input: Vec<u8>, mut why: String) -> (Vec<u8>, String) {
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut size = input.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < input.len() && Instant::now() < deadline {
            let mut shorter = input.clone();
            shorter.drain(at..(at + size).min(input.len()));
            if let Err(still) = attempt(target, &shorter).0 {
                (input, why) = (shorter, still);
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    (input, why)
}

/// Panics are noted instead of printed; an input that takes too long ends the run.
pub(super) fn watch_for_hangs() {
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        set(&PANIC, format!("{what} at {place}"));
    }));
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(HANG / 10);
            let at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((target, input, since)) = &*at_work
                && since.elapsed() > HANG
            {
                let place = corpus::keep(target, "hangs", input);
                eprintln!("FAILED: {target} does not come back from {place:?}");
                std::process::exit(1);
            }
        }
    });
}

fn set<T>(cell: &Mutex<T>, value: T) {
    *cell.lock().unwrap_or_else(PoisonError::into_inner) = value;
}
