//! The two policies, row by row of the design's table.

use super::*;
use Disposition::{Ignore, Reclaim, Report};
use rstest::rstest;

const STALE: Duration = Duration::from_secs(1800);

#[test]
fn acquiring_reclaims_what_is_proved_dead_or_overdue_and_reports_the_rest() {
    let expected = Policy {
        proved_dead: Reclaim,
        orphan_self: Reclaim,
        orphan_self_by_age: Reclaim,
        invalid_created_at: Report,
        too_old: Report,
        stale_after: STALE,
        hold_exceeded: Reclaim,
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    };
    assert_eq!(acquire_policy(None, STALE), expected);
}

#[test]
fn sweeping_differs_only_in_not_looking_at_promises() {
    let expected = Policy { hold_exceeded: Ignore, ..acquire_policy(None, STALE) };
    assert_eq!(sweep_policy(STALE), expected);
    assert_eq!(sweep_policy(STALE).nameless_grace, Duration::from_secs(30));
}

#[rstest]
#[case::once(Some(0), 5)]
#[case::default(Some(10_000), 5)]
#[case::just_under(Some(29_999), 5)]
#[case::at(Some(30_000), 30)]
#[case::longer(Some(60_000), 30)]
#[case::for_ever(None, 30)]
fn the_grace_is_short_for_a_contender_in_a_hurry(
    #[case] timeout_ms: Option<u64>,
    #[case] grace: u64,
) {
    let policy = acquire_policy(timeout_ms.map(Duration::from_millis), STALE);
    assert_eq!(policy.nameless_grace, Duration::from_secs(grace));
}
