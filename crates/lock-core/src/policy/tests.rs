//! The table of verdict × policy → decision, and every limit exactly at and just past it.

use super::*;
use crate::verdict::{Doubt, Life};
use Action::{Reclaim, Report, Wait};
use Reason::{
    BootIdMismatch, DeadPid, HoldExceeded, InvalidCreatedAt, LockReleased, MissingPid,
    OrphanSelfPid, RecycledPid, TooOld,
};
use rstest::rstest;

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(30);
const DATED_GRACE: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(1800);
const PROMISED: Duration = Duration::from_secs(300);

const SESSION: Policy = Policy {
    proved_dead: Disposition::Reclaim,
    orphan_self: Disposition::Reclaim,
    orphan_self_by_age: Disposition::Reclaim,
    invalid_created_at: Disposition::Report,
    too_old: Disposition::Report,
    stale_after: STALE,
    hold_exceeded: Disposition::Reclaim,
    nameless_grace: GRACE,
    dated_nameless_grace: None,
};
/// Like the install lock's: no age ever expires.
const DEPS: Policy = Policy {
    orphan_self_by_age: Disposition::Report,
    invalid_created_at: Disposition::Ignore,
    too_old: Disposition::Ignore,
    hold_exceeded: Disposition::Ignore,
    dated_nameless_grace: Some(DATED_GRACE),
    ..SESSION
};

/// An owner that took the lock a minute ago and promised five.
const YOUNG: Ages = Ages {
    held: Some(MINUTE),
    held_is_trusted: true,
    file: Some(MINUTE),
    created_at_valid: true,
    max_hold: Some(PROMISED),
    locks_exclude: true,
    names_owner: true,
};
/// A file that says nothing.
const NAMELESS: Ages = Ages {
    held: None,
    held_is_trusted: false,
    created_at_valid: false,
    max_hold: None,
    names_owner: false,
    ..YOUNG
};

const LIVES: [Life; 7] = [
    Life::HeldHere,
    Life::KernelLock,
    Life::Inherited,
    Life::FoundByHandle,
    Life::SameProcess,
    Life::Unconfirmed,
    Life::Attested,
];
const DOUBTS: [Doubt; 6] = [
    Doubt::OtherPlatform,
    Doubt::BootUnknown,
    Doubt::OtherHost,
    Doubt::NamespaceUnknown,
    Doubt::OtherPidNamespace,
    Doubt::ProcessUnknown,
];

const RUNS: Verdict = Verdict::Alive(Life::SameProcess);
const NO_OWNER: Verdict = Verdict::Unverifiable(Doubt::NoOwner);
/// What happens to the byte of a nameless file that somebody is at work on.
const BYTE_HELD: Verdict = Verdict::Alive(Life::KernelLock);

fn held(age: Duration) -> Ages {
    Ages { held: Some(age), ..YOUNG }
}

/// What is decided and why, without the forecast.
fn decided(verdict: Verdict, ages: Ages, policy: Policy) -> (Action, Vec<Reason>) {
    let Decision { action, reasons, .. } = decide(verdict, &ages, &policy);
    (action, reasons)
}

#[rstest]
#[case::lock_released(DeathProof::LockReleased, LockReleased, Reclaim, Reclaim)]
#[case::rebooted(DeathProof::Rebooted, BootIdMismatch, Reclaim, Reclaim)]
#[case::no_such_process(DeathProof::NoSuchProcess, DeadPid, Reclaim, Reclaim)]
#[case::exited(DeathProof::Exited, DeadPid, Reclaim, Reclaim)]
#[case::attested(DeathProof::Attested, DeadPid, Reclaim, Reclaim)]
#[case::recycled(DeathProof::PidReused, RecycledPid, Reclaim, Reclaim)]
#[case::orphan_self(DeathProof::OrphanSelf, OrphanSelfPid, Reclaim, Reclaim)]
#[case::orphan_self_by_age(DeathProof::OrphanSelfByAge, OrphanSelfPid, Reclaim, Report)]
fn proofs(
    #[case] proof: DeathProof,
    #[case] reason: Reason,
    #[case] session: Action,
    #[case] deps: Action,
) {
    assert_eq!(decided(Verdict::Dead(proof), YOUNG, SESSION), (session, vec![reason]));
    assert_eq!(decided(Verdict::Dead(proof), YOUNG, DEPS), (deps, vec![reason]));
}

#[test]
fn nothing_speaks_against_a_young_lock_of_a_living_or_unverifiable_owner() {
    let lives = LIVES.map(Verdict::Alive);
    let doubts = DOUBTS.map(Verdict::Unverifiable);
    for verdict in lives.into_iter().chain(doubts) {
        for policy in [SESSION, DEPS] {
            assert_eq!(decided(verdict, YOUNG, policy), (Wait, vec![]), "{verdict:?}");
        }
    }
}

#[rstest]
#[case::at_the_promise(held(PROMISED), Wait, &[])]
#[case::past_the_promise(held(PROMISED + MS), Reclaim, &[HoldExceeded])]
#[case::past_it_by_a_nanosecond(held(PROMISED + Duration::from_nanos(1)), Reclaim, &[HoldExceeded])]
#[case::untrusted_age(Ages { held_is_trusted: false, ..held(PROMISED + MS) }, Report, &[HoldExceeded])]
#[case::no_exclusion(Ages { locks_exclude: false, ..held(PROMISED + MS) }, Report, &[HoldExceeded])]
#[case::no_promise(Ages { max_hold: None, ..held(PROMISED + MS) }, Wait, &[])]
#[case::at_stale(Ages { max_hold: None, ..held(STALE) }, Wait, &[])]
#[case::past_stale(Ages { max_hold: None, ..held(STALE + MS) }, Report, &[TooOld])]
#[case::past_stale_within_the_promise(Ages { max_hold: Some(STALE * 2), ..held(STALE + MS) }, Report, &[TooOld])]
#[case::past_both(held(STALE + MS), Reclaim, &[TooOld, HoldExceeded])]
#[case::past_both_untrusted(Ages { held_is_trusted: false, ..held(STALE + MS) }, Report, &[TooOld, HoldExceeded])]
#[case::no_time(Ages { held: None, created_at_valid: false, ..YOUNG }, Report, &[InvalidCreatedAt])]
#[case::no_time_of_its_own(Ages { created_at_valid: false, ..held(STALE + MS) }, Reclaim, &[InvalidCreatedAt, TooOld, HoldExceeded])]
fn ages_of_an_owner_that_is_not_proved_dead(
    #[case] ages: Ages,
    #[case] session: Action,
    #[case] reasons: &[Reason],
) {
    let lives = LIVES.into_iter().filter(|l| *l != Life::HeldHere).map(Verdict::Alive);
    for verdict in lives.chain(DOUBTS.map(Verdict::Unverifiable)) {
        assert_eq!(decided(verdict, ages, SESSION), (session, reasons.to_vec()), "{verdict:?}");
        assert_eq!(decided(verdict, ages, DEPS), (Wait, vec![]), "{verdict:?}");
    }
}

#[test]
fn a_lock_that_this_process_holds_is_never_evicted() {
    let here = Verdict::Alive(Life::HeldHere);
    assert_eq!(decided(here, held(PROMISED + MS), SESSION), (Report, vec![HoldExceeded]));
    assert_eq!(decided(here, held(STALE + MS), SESSION), (Report, vec![TooOld, HoldExceeded]));
    assert_eq!(decide(here, &held(MINUTE), &SESSION).reclaimable_in, None);
}

/// Whatever the clock says: 31 years, or as much as there is.
#[test]
fn a_living_owner_of_an_install_lock_never_gets_stale() {
    for age in [Duration::from_secs(1_000_000_000), Duration::MAX] {
        let ages = Ages { file: Some(age), max_hold: Some(MS), ..held(age) };
        for life in LIVES {
            assert_eq!(decided(Verdict::Alive(life), ages, DEPS), (Wait, vec![]));
        }
        for doubt in DOUBTS {
            assert_eq!(decided(Verdict::Unverifiable(doubt), ages, DEPS), (Wait, vec![]));
        }
    }
}

#[test]
fn a_sweep_never_computes_hold_exceeded() {
    let sweep = Policy { hold_exceeded: Disposition::Ignore, ..SESSION };
    assert_eq!(decided(RUNS, held(PROMISED + MS), sweep), (Wait, vec![]));
    assert_eq!(decided(RUNS, held(STALE + MS), sweep), (Report, vec![TooOld]));
    assert_eq!(decide(RUNS, &YOUNG, &sweep).reclaimable_in, None);
}

#[rstest]
#[case::at_grace(Some(GRACE), Report, Some(Duration::ZERO))]
#[case::past_grace(Some(GRACE + MS), Reclaim, None)]
#[case::young(Some(MS), Report, Some(Duration::from_millis(29_999)))]
#[case::no_file_time(None, Report, None)]
fn a_file_that_says_nothing_waits_out_its_grace_on_file_times(
    #[case] file: Option<Duration>,
    #[case] action: Action,
    #[case] reclaimable_in: Option<Duration>,
) {
    let ages = Ages { file, ..NAMELESS };
    for (policy, reasons) in
        [(SESSION, vec![MissingPid, InvalidCreatedAt]), (DEPS, vec![MissingPid])]
    {
        let expected = Decision { action, reasons, reclaimable_in };
        assert_eq!(decide(NO_OWNER, &ages, &policy), expected);
    }
}

/// With a time of acquisition and no pid: by file times in one domain, by that time in the other.
#[rstest]
#[case::session_at(SESSION, GRACE, STALE, Report, Some(Duration::ZERO))]
#[case::session_past(SESSION, GRACE + MS, MS, Reclaim, None)]
#[case::deps_at(DEPS, STALE, DATED_GRACE, Report, Some(Duration::ZERO))]
#[case::deps_past(DEPS, MS, DATED_GRACE + MS, Reclaim, None)]
#[case::deps_young(DEPS, STALE, MINUTE, Report, Some(Duration::from_secs(540)))]
fn a_dated_file_without_a_pid(
    #[case] policy: Policy,
    #[case] file: Duration,
    #[case] held: Duration,
    #[case] action: Action,
    #[case] reclaimable_in: Option<Duration>,
) {
    let ages = Ages { file: Some(file), held: Some(held), created_at_valid: true, ..NAMELESS };
    let expected = Decision { action, reasons: vec![MissingPid], reclaimable_in };
    assert_eq!(decide(NO_OWNER, &ages, &policy), expected);
}

#[test]
fn a_nameless_file_whose_byte_is_held_is_never_reclaimed() {
    for policy in [SESSION, DEPS] {
        for created_at_valid in [false, true] {
            let old = Some(Duration::MAX);
            let ages = Ages { file: old, held: old, created_at_valid, ..NAMELESS };
            let decision = decide(BYTE_HELD, &ages, &policy);
            assert_eq!((decision.action, decision.reclaimable_in), (Report, None));
            assert_eq!(decision.reasons[0], MissingPid);
        }
    }
}

/// A promise without an owner binds nobody: only the grace counts.
#[test]
fn a_nameless_file_is_never_overdue() {
    let ages = Ages { max_hold: Some(MS), names_owner: false, ..held(MINUTE) };
    let young = Ages { file: Some(MS), ..ages };
    assert_eq!(decided(NO_OWNER, young, SESSION), (Report, vec![MissingPid]));
}

#[test]
fn reasons_accumulate_the_proof_first_and_then_the_ages() {
    let ages = Ages { created_at_valid: false, ..held(STALE + MS) };
    let gone = Verdict::Dead(DeathProof::NoSuchProcess);
    let all = vec![DeadPid, InvalidCreatedAt, TooOld, HoldExceeded];
    assert_eq!(decided(gone, ages, SESSION), (Reclaim, all.clone()));
    // A reason that is only reported does not undo one that reclaims, nor the reverse.
    let untrusted = Ages { held_is_trusted: false, ..ages };
    assert_eq!(decided(gone, untrusted, SESSION), (Reclaim, all));
    assert_eq!(decided(gone, ages, DEPS), (Reclaim, vec![DeadPid]));
    // The declaration of the reasons is in the order in which they are listed.
    let printed = [
        (MissingPid, "missing-pid"),
        (DeadPid, "dead-pid"),
        (RecycledPid, "recycled-pid"),
        (BootIdMismatch, "boot-id-mismatch"),
        (LockReleased, "lock-released"),
        (OrphanSelfPid, "orphan-self-pid"),
        (InvalidCreatedAt, "invalid-createdAt"),
        (TooOld, "too-old"),
        (HoldExceeded, "hold-exceeded"),
    ];
    assert!(printed.is_sorted_by_key(|(reason, _)| *reason));
    for (reason, spelling) in printed {
        assert_eq!(reason.to_string(), spelling);
    }
}

/// A dead owner's record names one: it is never called nameless as well.
#[test]
fn missing_dead_and_recycled_exclude_each_other() {
    let ages = Ages { names_owner: false, ..YOUNG };
    let gone = Verdict::Dead(DeathProof::NoSuchProcess);
    assert_eq!(decided(gone, ages, SESSION), (Reclaim, vec![DeadPid]));
}

#[rstest]
#[case::held_for_a_minute(held(MINUTE), SESSION, Some(PROMISED - MINUTE))]
#[case::at_the_promise(held(PROMISED), SESSION, Some(Duration::ZERO))]
#[case::past_it(held(PROMISED + MS), SESSION, None)]
#[case::untrusted(Ages { held_is_trusted: false, ..YOUNG }, SESSION, None)]
#[case::no_exclusion(Ages { locks_exclude: false, ..YOUNG }, SESSION, None)]
#[case::no_promise(Ages { max_hold: None, ..YOUNG }, SESSION, None)]
#[case::no_time(Ages { held: None, ..YOUNG }, SESSION, None)]
#[case::no_expiry(held(MINUTE), DEPS, None)]
fn when_a_promise_runs_out(
    #[case] ages: Ages,
    #[case] policy: Policy,
    #[case] reclaimable_in: Option<Duration>,
) {
    assert_eq!(decide(RUNS, &ages, &policy).reclaimable_in, reclaimable_in);
}

/// What is reclaimed already is not announced for later.
#[test]
fn a_reclaim_is_not_forecast() {
    let gone = Verdict::Dead(DeathProof::NoSuchProcess);
    assert_eq!(decide(gone, &YOUNG, &SESSION).reclaimable_in, None);
}
