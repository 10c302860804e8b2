//! Sweeping a directory as the origin does: which names, in which order, and what is removed.

mod support;

use std::time::Duration;

use lock_core::State;
use lock_core::policy::{Action, Reason};
use session_lock::{Swept, sweep};
use support::*;

const FRESH: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

fn by(bench: &Bench, pid: u32, age: Duration, more: &str) -> String {
    format!("{{\"pid\": {pid}, \"createdAt\": \"{}\"{more}}}", bench.ago(age))
}

/// Name, state, reasons, removed.
type Entry<'a> = (&'a str, State, Vec<Reason>, bool);

fn entries(locks: &[Swept]) -> Vec<Entry<'_>> {
    fn entry(swept: &Swept) -> Entry<'_> {
        let inspection = &swept.inspection;
        let (_, decision) = inspection.found.as_ref().unwrap();
        let name = inspection.path.file_name().unwrap().to_str().unwrap();
        (name, inspection.state(), decision.reasons.clone(), swept.removed)
    }
    locks.iter().map(entry).collect()
}

#[test]
fn a_missing_directory_is_an_empty_result() {
    let bench = Bench::native();
    let swept = sweep(bench.dir().join("nowhere"), &bench.options(), true).unwrap();
    assert!(swept.locks.is_empty() && swept.litter.swept.is_empty());
    assert!(!bench.dir().join("nowhere").exists(), "looking creates nothing");
}

#[test]
fn only_session_locks_are_looked_at_and_in_order_of_their_names() {
    let bench = Bench::native();
    for name in ["b.jsonl.lock", "a.jsonl.lock", "Z.jsonl.lock", ".jsonl.lock"] {
        bench.plant(name, &by(&bench, 8, FRESH, ""), FRESH);
    }
    let others = ["c.lock", "d.jsonl", "e.jsonl.lock.bak", "f.jsonl.LOCK", "jsonl.lock"];
    for name in others {
        bench.plant(name, &by(&bench, 8, FRESH, ""), FRESH);
    }
    let looked = sweep(bench.dir(), &bench.options(), false).unwrap();
    let stale = |name, removed| (name, State::Stale, vec![Reason::DeadPid], removed);
    let names = [".jsonl.lock", "Z.jsonl.lock", "a.jsonl.lock", "b.jsonl.lock"];
    assert_eq!(entries(&looked.locks), names.map(|name| stale(name, false)));

    let fixed = sweep(bench.dir(), &bench.options(), true).unwrap();
    assert_eq!(entries(&fixed.locks), names.map(|name| stale(name, true)));
    assert!(names.iter().all(|name| !bench.dir().join(name).exists()));
    assert!(others.iter().all(|name| bench.dir().join(name).exists()));
}

#[test]
fn each_entry_reports_what_the_origin_reports() {
    let bench = Bench::native();
    let age = Duration::from_secs(1_900);
    let path = bench.plant("a.jsonl.lock", &by(&bench, OTHER, age, ""), FRESH);
    let swept = sweep(bench.dir(), &bench.options(), true).unwrap();
    let [Swept { inspection, removed: false, obstacle: None }] = &swept.locks[..] else {
        panic!("{swept:?}")
    };
    let (assessment, decision) = inspection.found.as_ref().unwrap();
    assert_eq!(inspection.path, path);
    assert_eq!(assessment.owner().map(|o| o.pid), Some(OTHER));
    assert!(assessment.is_alive());
    assert_eq!(assessment.record.as_ref().unwrap().created_at, Some(bench.now() - age));
    assert_eq!(assessment.ages.held, Some(age));
    assert_eq!((decision.action, &decision.reasons[..]), (Action::Report, &[Reason::TooOld][..]));
    assert!(path.exists());
}

#[test]
fn reasons_that_are_only_reported_remove_nothing() {
    let bench = Bench::native();
    let overdue = by(&bench, OTHER, Duration::from_secs(600), ", \"maxHoldMs\": 1000");
    bench.plant("a-overdue.jsonl.lock", &overdue, FRESH);
    let both = by(&bench, OTHER, HOUR, ", \"maxHoldMs\": 1000");
    bench.plant("b-old-and-overdue.jsonl.lock", &both, FRESH);
    bench.plant("c-no-time.jsonl.lock", &format!("{{\"pid\": {OTHER}}}"), HOUR);
    let at = by(&bench, OTHER, Duration::from_secs(1_800), "");
    bench.plant("d-not-quite-old.jsonl.lock", &at, FRESH);
    let swept = sweep(bench.dir(), &bench.options(), true).unwrap();
    let kept = |name, state, reasons| (name, state, reasons, false);
    assert_eq!(
        entries(&swept.locks),
        [
            kept("a-overdue.jsonl.lock", State::Held, vec![]),
            kept("b-old-and-overdue.jsonl.lock", State::Aged, vec![Reason::TooOld]),
            kept("c-no-time.jsonl.lock", State::Aged, vec![Reason::InvalidCreatedAt]),
            kept("d-not-quite-old.jsonl.lock", State::Held, vec![]),
        ]
    );
    assert!(swept.locks.iter().all(|s| s.inspection.path.exists()));
}

/// 30 s, whatever the options' timeout is.
#[test]
fn a_lock_without_a_pid_waits_for_the_long_grace() {
    let bench = Bench::native();
    bench.plant("a.jsonl.lock", "", Duration::from_secs(30) + MS);
    bench.plant("b.jsonl.lock", "", Duration::from_secs(30));
    bench.plant("c.jsonl.lock", "{", FRESH);
    let swept = sweep(bench.dir(), &bench.options(), true).unwrap();
    let reasons = || vec![Reason::MissingPid, Reason::InvalidCreatedAt];
    assert_eq!(
        entries(&swept.locks),
        [
            ("a.jsonl.lock", State::Stale, reasons(), true),
            ("b.jsonl.lock", State::Unverifiable, reasons(), false),
            ("c.jsonl.lock", State::Unverifiable, reasons(), false),
        ]
    );
}

#[test]
fn what_this_process_holds_is_never_touched() {
    let bench = Bench::native();
    // Within its promise: past it, this process's own watchdog lets go.
    let guard = bench.lock_with(bench.options().max_hold(HOUR * 2)).acquire().unwrap();
    bench.clock.advance(HOUR);
    let swept = sweep(bench.dir(), &bench.options(), true).unwrap();
    let held = ("chat.jsonl.lock", State::Aged, vec![Reason::TooOld], false);
    assert_eq!(entries(&swept.locks), [held]);
    assert!(guard.is_held());
}
