//! Comparing incarnations, boots and namespaces, row by row.

use super::*;
use rstest::rstest;

const ZERO: Option<TimeOffset> = Some(TimeOffset { monotonic_ns: 0, boottime_ns: 0 });
const SHIFTED: Option<TimeOffset> = Some(TimeOffset { monotonic_ns: 0, boottime_ns: 5_000_000 });

fn ticks(ticks: u64) -> Option<StartTime> {
    Some(StartTime::Ticks { ticks, per_second: 100 })
}

#[rstest]
#[case::equal_ticks(None, ticks(7), ZERO, None, ticks(7), ZERO, Comparison::Same)]
#[case::other_ticks(None, ticks(7), ZERO, None, ticks(8), ZERO, Comparison::Different)]
#[case::unique_beats_equal_ticks(
    Some(1),
    ticks(7),
    ZERO,
    Some(2),
    ticks(7),
    ZERO,
    Comparison::Different
)]
#[case::unique_beats_other_ticks(
    Some(1),
    ticks(7),
    ZERO,
    Some(1),
    ticks(8),
    SHIFTED,
    Comparison::Same
)]
#[case::one_sided_unique(Some(1), ticks(7), ZERO, None, ticks(7), ZERO, Comparison::Same)]
#[case::other_time_namespace(None, ticks(7), ZERO, None, ticks(8), SHIFTED, Comparison::Unknown)]
#[case::unknown_time_namespace(None, ticks(7), None, None, ticks(8), ZERO, Comparison::Unknown)]
#[case::no_start(None, None, ZERO, None, ticks(8), ZERO, Comparison::Unknown)]
#[case::other_unit(
    None,
    Some(StartTime::UnixMicros(7)),
    ZERO,
    None,
    ticks(8),
    ZERO,
    Comparison::Unknown
)]
#[case::other_rate(None, Some(StartTime::Ticks { ticks: 7, per_second: 1024 }), ZERO, None, ticks(7), ZERO, Comparison::Unknown)]
fn incarnations(
    #[case] unique: Option<u64>,
    #[case] start: Option<StartTime>,
    #[case] time_offset: Option<TimeOffset>,
    #[case] seen_unique: Option<u64>,
    #[case] seen_start: Option<StartTime>,
    #[case] seen_offset: Option<TimeOffset>,
    #[case] expected: Comparison,
) {
    let recorded = OwnerId { unique, start, time_offset, ..OwnerId::bare(OwnerKind::Linux, 9) };
    let mut seen = Observed::nothing("");
    (seen.unique, seen.start, seen.time_offset) = (seen_unique, seen_start, seen_offset);
    assert_eq!(recorded.compare_incarnation(&seen), expected);
}

#[rstest]
#[case(BootId::Kernel("a".into()), BootId::Kernel("a".into()), Comparison::Same)]
#[case(BootId::Kernel("a".into()), BootId::Kernel("b".into()), Comparison::Different)]
#[case(BootId::Doubtful("a".into()), BootId::Kernel("b".into()), Comparison::Unknown)]
#[case(BootId::Doubtful("a".into()), BootId::Doubtful("a".into()), Comparison::Unknown)]
#[case(BootId::Unknown, BootId::Kernel("b".into()), Comparison::Unknown)]
fn boots(#[case] a: BootId, #[case] b: BootId, #[case] expected: Comparison) {
    assert_eq!(a.compare(&b), expected);
    assert_eq!(b.compare(&a), expected);
}

#[test]
fn namespaces_compare_by_id_where_both_have_one() {
    let ns = |inode, id| PidNamespace { inode, id };
    assert_eq!(ns(1, Some(5)).compare(&ns(1, Some(6))), Comparison::Different);
    assert_eq!(ns(1, None).compare(&ns(1, Some(6))), Comparison::Same);
    assert_eq!(ns(1, None).compare(&ns(2, Some(6))), Comparison::Different);
}

#[test]
fn the_trait_is_dyn_compatible_and_the_fallback_answers_unknown() {
    let identity: &dyn OwnerIdentity = &UnverifiedIdentity;
    let me = identity.this_process();
    assert_eq!(me.pid, std::process::id());
    assert_eq!(identity.observe(&me, &me).process, Process::Unknown);
    assert!(identity.lock_holders(1, 2, 3).is_empty());
}
