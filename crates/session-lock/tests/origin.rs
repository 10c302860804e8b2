//! OpenClaw's records, in all their forms and at the exact limits, through the public API.

mod support;

use std::time::Duration;

use lock_core::lockfile::Reclaimed;
use lock_core::policy::{Action, Reason};
use rstest::rstest;
use session_lock::SessionLockError;
use support::*;

/// How long a reclaim waits for the binding byte.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

const FRESH: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);

/// A record by `pid`, taken so long ago, with `more` keys after the usual ones.
fn record(bench: &Bench, pid: u32, age: Duration, more: &str) -> String {
    let created_at = bench.ago(age);
    format!("{{\n  \"pid\": {pid},\n  \"createdAt\": \"{created_at}\"{more}\n}}\n")
}

fn starttime(ticks: u64) -> String {
    format!(",\n  \"starttime\": {ticks}")
}

#[test]
fn a_dead_owner_is_reclaimed_at_once() {
    let bench = Bench::native();
    for content in [
        "{\"pid\": 8}".to_owned(),
        record(&bench, 8, FRESH, ""),
        record(&bench, 8, FRESH, &starttime(55)),
        record(&bench, 8, FRESH, ",\n  \"maxHoldMs\": 300000"),
        record(&bench, 8, FRESH, &format!(",\n  \"bootId\": \"{BOOT}\"")),
        format!("{}{}", record(&bench, 8, FRESH, ""), " ".repeat(500)),
    ] {
        bench.plant_lock(&content, FRESH);
        assert_eq!(bench.decide(bench.options()).1[0], Reason::DeadPid);
        drop(must_reclaim(&bench.lock()));
    }
}

#[rstest]
#[case::recycled(starttime(OTHER_START + 1), Some(Reason::RecycledPid))]
#[case::the_same(starttime(OTHER_START), None)]
#[case::unknown(String::new(), None)]
#[case::unusable(",\n  \"starttime\": \"56\"".to_owned(), None)]
fn a_running_pid_is_recycled_only_by_a_known_and_different_start(
    #[case] more: String,
    #[case] reason: Option<Reason>,
) {
    let bench = Bench::native();
    bench.plant_lock(&record(&bench, OTHER, FRESH, &more), FRESH);
    match reason {
        Some(reason) => {
            assert_eq!(bench.decide(bench.options()), (Action::Reclaim, vec![reason]));
            drop(must_reclaim(&bench.lock()));
        }
        None => {
            assert_eq!(bench.decide(bench.options()), (Action::Wait, vec![]));
            must_respect(&bench.lock());
        }
    }
}

#[test]
fn another_boot_id_means_an_earlier_boot_on_a_disk() {
    let bench = Bench::native();
    let other = format!(",\n  \"bootId\": \"{EARLIER_BOOT}\"");
    let content = record(&bench, OTHER, FRESH, &format!("{}{other}", starttime(OTHER_START)));
    bench.plant_lock(&content, FRESH);
    if bench.is_on_a_disk() {
        let decided = bench.decide(bench.options());
        assert_eq!(decided, (Action::Reclaim, vec![Reason::BootIdMismatch]));
    } else {
        must_respect(&bench.lock());
    }
    drop(must_reclaim(&bench.lock_with(bench.options().single_host(true))));

    let same = format!(",\n  \"bootId\": \" {}\\n\"", BOOT.to_uppercase());
    bench.plant_lock(&record(&bench, OTHER, FRESH, &same), FRESH);
    must_respect(&bench.lock());
}

#[test]
fn our_own_pid_and_start_time_that_nobody_holds_is_an_orphan() {
    let bench = Bench::native();
    bench.plant_lock(&record(&bench, OWN, FRESH, &starttime(OWN_START)), FRESH);
    let decided = bench.decide(bench.options());
    assert_eq!(decided, (Action::Reclaim, vec![Reason::OrphanSelfPid]));
    drop(must_reclaim(&bench.lock()));

    bench.plant_lock(&record(&bench, OWN, FRESH, &starttime(OWN_START - 1)), FRESH);
    let decided = bench.decide(bench.options());
    assert_eq!(decided, (Action::Reclaim, vec![Reason::RecycledPid]));
}

/// The steps of file times and start times: 50 ms past the age of the process count as older.
const OLDER: Duration = Duration::from_millis(60_050);

#[rstest]
#[case::both_older(OLDER + MS, OLDER + MS, true)]
#[case::within_the_steps(OLDER, OLDER, false)]
#[case::fresh(FRESH, FRESH, false)]
#[case::a_second_old(Duration::from_secs(1), Duration::from_secs(1), false)]
#[case::copied_with_an_old_time_in_it(OLDER + MS, FRESH, false)]
#[case::an_old_file_with_a_new_time_in_it(FRESH, OLDER + MS, false)]
fn an_own_pid_without_a_start_time_is_respected_until_proved_older_than_this_process(
    #[case] created: Duration,
    #[case] changed: Duration,
    #[case] orphan: bool,
) {
    let bench = Bench::native();
    bench.plant_lock(&record(&bench, OWN, created, ""), changed);
    let decided = bench.decide(bench.options());
    if orphan {
        assert_eq!(decided, (Action::Reclaim, vec![Reason::OrphanSelfPid]));
        drop(must_reclaim(&bench.lock()));
    } else {
        assert_eq!(decided, (Action::Wait, vec![]));
        must_respect(&bench.lock());
    }
}

#[test]
fn an_own_pid_without_any_time_is_respected() {
    let bench = Bench::native();
    bench.plant_lock(&format!("{{\"pid\": {OWN}}}"), HOUR);
    let expected = (Action::Report, vec![Reason::InvalidCreatedAt]);
    assert_eq!(bench.decide(bench.options()), expected);
    must_respect(&bench.lock());
}

/// By file times: 5 s for a contender in a hurry, 30 s otherwise, and strictly more than that.
#[rstest]
#[case::hurried_at(10_000, 5_000, false)]
#[case::hurried_past(10_000, 5_001, true)]
#[case::just_hurried(29_999, 5_001, true)]
#[case::patient_at(30_000, 30_000, false)]
#[case::patient_past(30_000, 30_001, true)]
#[case::patient_between(30_000, 5_001, false)]
fn a_lock_without_a_pid_waits_out_its_grace(
    #[case] timeout_ms: u64,
    #[case] age_ms: u64,
    #[case] reclaims: bool,
) {
    let bench = Bench::native();
    let options = bench.options().timeout(Duration::from_millis(timeout_ms));
    let (old, fresh) = (bench.ago(HOUR), bench.ago(FRESH));
    let invalid = vec![Reason::MissingPid, Reason::InvalidCreatedAt];
    for (content, reasons) in [
        (String::new(), invalid.clone()),
        ("{".to_owned(), invalid.clone()),
        ("{}".to_owned(), invalid.clone()),
        ("{\"pid\": 0}".to_owned(), invalid.clone()),
        ("{\"pid\": \"8\"}".to_owned(), invalid),
        // The time in the record plays no part.
        (format!("{{\"createdAt\": \"{fresh}\"}}"), vec![Reason::MissingPid]),
        (format!("{{\"createdAt\": \"{old}\"}}"), vec![Reason::MissingPid, Reason::TooOld]),
    ] {
        bench.plant_lock(&content, Duration::from_millis(age_ms));
        let action = if reclaims { Action::Reclaim } else { Action::Report };
        assert_eq!(bench.decide(options.clone()), (action, reasons), "{content:?}");
        if reclaims {
            drop(must_reclaim(&bench.lock_with(options.clone())));
        }
    }
}

/// OpenClaw creates its file empty and writes into it: one that was slow has an owner by now.
#[test]
fn a_record_that_was_written_meanwhile_is_judged_again() {
    let bench = Bench::native();
    let path = bench.plant_lock("", HOUR);
    let lock = bench.lock();
    let (inspection, look) = lock.file().inspect_pinned(&lock.policy());
    assert_eq!(inspection.state(), lock_core::State::Stale);
    let content = record(&bench, OTHER, FRESH, "");
    std::fs::write(&path, &content).unwrap();
    let outcome = lock.file().reclaim_if_stale(&look.unwrap(), &lock.policy(), PATIENCE);
    assert!(matches!(outcome, Ok(Reclaimed::Changed)), "{outcome:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

#[test]
fn a_young_lock_without_a_pid_is_told_as_a_timeout() {
    let bench = Bench::native();
    let path = bench.plant_lock("", FRESH);
    let error = must_respect(&bench.lock());
    assert!(matches!(error, SessionLockError::Timeout(_)), "{error:?}");
    let expected = "session file locked (timeout 0ms): pid=unknown alive=false ageMs=unknown";
    assert_eq!(first_line(&error), format!("{expected} {}", path.display()));
}

#[rstest]
#[case::missing("")]
#[case::words(", \"createdAt\": \"yesterday\"")]
#[case::no_offset(", \"createdAt\": \"2026-11-20T23:59:59.123\"")]
#[case::number(", \"createdAt\": 1795219199123")]
fn an_invalid_time_never_evicts_a_live_pid(#[case] created_at: &str) {
    let bench = Bench::native();
    let content = format!("{{\"pid\": {OTHER}{created_at}, \"maxHoldMs\": 1}}");
    let path = bench.plant_lock(&content, HOUR * 24 * 365);
    let expected = (Action::Report, vec![Reason::InvalidCreatedAt]);
    assert_eq!(bench.decide(bench.options()), expected);
    let error = must_respect(&bench.lock());
    assert!(matches!(error, SessionLockError::Stale(_)), "{error:?}");
    let expected = "session file lock stale (invalid-createdAt): pid=7";
    assert_eq!(first_line(&error), format!("{expected} {}", path.display()));
}

#[rstest]
#[case::at(1_800_000, false)]
#[case::past(1_800_001, true)]
fn a_live_owner_past_stale_is_waited_for_then_reported_and_never_removed(
    #[case] age_ms: u64,
    #[case] stale: bool,
) {
    let bench = Bench::native();
    let content =
        record(&bench, OTHER, Duration::from_millis(age_ms), ",\n  \"maxHoldMs\": 7200000");
    let path = bench.plant_lock(&content, FRESH);
    let lock = bench.lock_with(bench.options().timeout(Duration::from_secs(10)));
    let mut waits = 0;
    let waited = lock.acquire_telling(|_, _, _| {
        waits += 1;
        bench.clock.advance(Duration::from_secs(5));
    });
    let error = waited.expect_err("a live owner");
    assert_eq!(waits, 2, "ours waits out its timeout: the holder may let go");
    let first = if stale {
        assert!(matches!(error, SessionLockError::Stale(_)), "{error:?}");
        "session file lock stale (too-old): pid=7".to_owned()
    } else {
        format!("session file locked (timeout 10000ms): pid=7 alive=true ageMs={age_ms}")
    };
    assert_eq!(first_line(&error), format!("{first} {}", path.display()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);

    if stale {
        let impatient = bench.options().timeout(HOUR).fail_when_stale(true);
        let error = must_respect(&bench.lock_with(impatient));
        assert!(matches!(error, SessionLockError::Stale(_)), "at once, on demand: {error:?}");
    }
}

#[test]
fn a_timeout_names_pid_age_and_path() {
    let bench = Bench::native();
    let content = record(&bench, OTHER, Duration::from_millis(4_567), "");
    let path = bench.plant_lock(&content, FRESH);
    let error = must_respect(&bench.lock());
    assert!(matches!(error, SessionLockError::Timeout(_)), "{error:?}");
    let expected = "session file locked (timeout 0ms): pid=7 alive=true ageMs=4567";
    assert_eq!(first_line(&error), format!("{expected} {}", path.display()));
    assert!(error.to_string().lines().count() > 2, "ours says what the reader can do");
}

#[test]
fn a_time_in_the_future_counts_as_now() {
    let bench = Bench::native();
    let created_at = format!("{:.3}", bench.now() + HOUR);
    let content =
        format!("{{\"pid\": {OTHER}, \"createdAt\": \"{created_at}\", \"maxHoldMs\": 1}}");
    bench.plant_lock(&content, FRESH);
    assert_eq!(bench.decide(bench.options()), (Action::Wait, vec![]));
    assert!(first_line(&must_respect(&bench.lock())).contains(" ageMs=0 "));
}

#[rstest]
#[case::at(120_000, 120_000, &[])]
#[case::past(120_000, 120_001, &[Reason::HoldExceeded])]
#[case::past_stale_too(120_000, 1_800_001, &[Reason::TooOld, Reason::HoldExceeded])]
fn an_overdue_holder_is_reclaimed(
    #[case] max_hold_ms: u64,
    #[case] age_ms: u64,
    #[case] reasons: &[Reason],
) {
    let bench = Bench::native();
    let more = format!(",\n  \"maxHoldMs\": {max_hold_ms}{}", starttime(OTHER_START));
    bench.plant_lock(&record(&bench, OTHER, Duration::from_millis(age_ms), &more), FRESH);
    let action = if reasons.is_empty() { Action::Wait } else { Action::Reclaim };
    assert_eq!(bench.decide(bench.options()), (action, reasons.to_vec()));
    if reasons.is_empty() {
        must_respect(&bench.lock());
    } else {
        drop(must_reclaim(&bench.lock()));
    }
}

#[rstest]
#[case::none("")]
#[case::zero(",\n  \"maxHoldMs\": 0")]
#[case::negative(",\n  \"maxHoldMs\": -1")]
#[case::string(",\n  \"maxHoldMs\": \"1\"")]
fn without_a_promise_nobody_is_overdue(#[case] more: &str) {
    let bench = Bench::native();
    bench.plant_lock(&record(&bench, OTHER, Duration::from_secs(1_800), more), FRESH);
    assert_eq!(bench.decide(bench.options()), (Action::Wait, vec![]));
}

/// EPERM is a process that is there, and no process ever had such a pid. (On Windows any number may
/// be one.)
#[cfg(unix)]
#[test]
fn a_pid_that_no_process_can_have_is_not_taken_for_a_dead_one() {
    let bench = Bench::native();
    bench.plant_lock(&record(&bench, u32::MAX, FRESH, ""), FRESH);
    // With this machine's own identity: the scripted one knows no limits.
    let options = session_lock::SessionOptions::default().timeout(Duration::ZERO);
    must_respect(&bench.lock_with(options));
}
