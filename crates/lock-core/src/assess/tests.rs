//! By which clock a hold is measured, and what moves it.

use super::*;
use crate::identity::{OwnerKind, TimeOffset};
use AgeClock::{FileTimes, Monotonic, Wall};
use Comparison::{Different, Same, Unknown};
use rstest::rstest;

/// A clock that is set to what a test wants.
#[derive(Clone, Copy, Debug)]
struct Set {
    wall: Timestamp,
    monotonic: Duration,
}

impl Clock for Set {
    fn wall(&self) -> Timestamp {
        self.wall
    }

    fn monotonic(&self) -> Duration {
        self.monotonic
    }
}

const DAY: i64 = 86_400;

/// `seconds` after the lock was taken, on the wall clock.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Seconds after the lock was taken, by either clock.
fn clock(wall: i64, monotonic: u64) -> Set {
    Set { wall: at(wall), monotonic: Duration::from_secs(1_000 + monotonic) }
}

fn someone(monotonic_ns: Option<i64>) -> OwnerId {
    let time_offset = monotonic_ns.map(|monotonic_ns| TimeOffset { monotonic_ns, boottime_ns: 0 });
    OwnerId { time_offset, ..OwnerId::bare(OwnerKind::Linux, 7) }
}

/// A record of ours, taken at `at(0)` and 1000 s of uptime.
fn ours() -> LockRecord {
    LockRecord {
        created_at: Some(at(0)),
        monotonic: Some(Duration::from_secs(1_000)),
        ..LockRecord::new(someone(Some(0)), "id".to_owned())
    }
}

fn origin() -> LockRecord {
    LockRecord { form: Form::Origin, monotonic: None, ..ours() }
}

/// The age in seconds, on a disk, seen by a process in the same time namespace.
fn age(record: &LockRecord, boot: Comparison, clock: Set) -> Option<(u64, AgeClock)> {
    let now = Now { clock: &clock, server: None };
    let held = held_for(record, &someone(Some(0)), (boot, Same), FsClass::Local, None, now);
    held.map(|(age, by)| (age.as_secs(), by))
}

#[rstest]
#[case::both_run(clock(60, 60))]
#[case::suspended_for_a_day(clock(DAY + 60, 60))]
#[case::set_back_a_day(clock(60 - DAY, 60))]
#[case::set_forward_a_day(clock(60 + DAY, 60))]
#[case::set_to_the_end_of_time(Set { wall: Timestamp::MAX, ..clock(0, 60) })]
#[case::set_to_the_start_of_time(Set { wall: Timestamp::MIN, ..clock(0, 60) })]
fn ours_of_this_boot_ages_on_the_monotonic_clock(#[case] clock: Set) {
    assert_eq!(age(&ours(), Same, clock), Some((60, Monotonic)));
    // The time on the record itself plays no part either.
    for created_at in [None, Some(at(-DAY)), Some(at(DAY))] {
        let record = LockRecord { created_at, ..ours() };
        assert_eq!(age(&record, Same, clock), Some((60, Monotonic)));
    }
}

#[test]
fn a_monotonic_time_in_the_future_clamps_to_zero() {
    let record = LockRecord { monotonic: Some(Duration::from_secs(5_000)), ..ours() };
    assert_eq!(age(&record, Same, clock(60, 60)), Some((0, Monotonic)));
}

#[rstest]
#[case::another_boot(ours(), Different)]
#[case::boot_unknown(ours(), Unknown)]
#[case::no_monotonic_time(LockRecord { monotonic: None, ..ours() }, Same)]
#[case::shifted_clock(LockRecord { owner: Some(someone(Some(5))), ..ours() }, Same)]
#[case::time_namespace_unknown(LockRecord { owner: Some(someone(None)), ..ours() }, Same)]
#[case::no_owner(LockRecord { owner: None, ..ours() }, Same)]
fn two_monotonic_clocks_are_never_compared(#[case] record: LockRecord, #[case] boot: Comparison) {
    assert_eq!(age(&record, boot, clock(70, 60)), Some((70, Wall)));
}

#[test]
fn a_reader_of_unknown_time_namespace_does_not_trust_its_own_clock() {
    let clock = clock(70, 60);
    let now = Now { clock: &clock, server: None };
    for here in [someone(None), someone(Some(5))] {
        let held = held_for(&ours(), &here, (Same, Same), FsClass::Local, None, now);
        assert_eq!(held, Some((Duration::from_secs(70), Wall)));
    }
}

#[rstest]
#[case(OwnerKind::Macos, OwnerKind::Macos, Monotonic)]
#[case(OwnerKind::Windows, OwnerKind::Windows, Monotonic)]
#[case::does_not_say(OwnerKind::Linux, OwnerKind::Linux, Wall)]
#[case::nobody_knows(OwnerKind::Other("plan9".into()), OwnerKind::Other("plan9".into()), Wall)]
#[case::two_systems(OwnerKind::Macos, OwnerKind::Windows, Wall)]
#[case::two_systems(OwnerKind::Linux, OwnerKind::Macos, Wall)]
fn without_time_namespaces_a_boot_has_one_clock(
    #[case] owner: OwnerKind,
    #[case] here: OwnerKind,
    #[case] by: AgeClock,
) {
    let record = LockRecord { owner: Some(OwnerId::bare(owner, 7)), ..ours() };
    let clock = clock(70, 60);
    let now = Now { clock: &clock, server: None };
    let held = held_for(&record, &OwnerId::bare(here, 8), (Same, Same), FsClass::Local, None, now);
    assert_eq!(held.map(|(_, clock)| clock), Some(by));
}

#[rstest]
#[case::passed(60, Some((60, Wall)))]
#[case::now(0, Some((0, Wall)))]
#[case::in_the_future(-60, Some((0, Wall)))]
#[case::far_in_the_future(-100 * DAY, Some((0, Wall)))]
fn the_origin_ages_on_the_wall_clock_clamped_at_zero(
    #[case] wall: i64,
    #[case] expected: Option<(u64, AgeClock)>,
) {
    for boot in [Same, Different, Unknown] {
        assert_eq!(age(&origin(), boot, clock(wall, 7)), expected);
    }
}

/// Not even where the server's clock could be had, or a stray monotonic time is in the record.
#[test]
fn the_origin_knows_no_other_clock() {
    let record = LockRecord { monotonic: ours().monotonic, ..origin() };
    let clock = clock(70, 60);
    let now = Now { clock: &clock, server: Some(at(50)) };
    let held =
        held_for(&record, &someone(Some(0)), (Same, Same), FsClass::Network, Some(at(0)), now);
    assert_eq!(held, Some((Duration::from_secs(70), Wall)));
}

#[test]
fn without_a_valid_time_there_is_no_age() {
    let undated = |record| LockRecord { created_at: None, ..record };
    assert_eq!(age(&undated(origin()), Same, clock(60, 60)), None);
    assert_eq!(age(&undated(ours()), Different, clock(60, 60)), None);
}

#[rstest]
#[case::network(FsClass::Network, Different, Some(at(50)), (50, FileTimes))]
#[case::guest(FsClass::GuestLocal, Different, Some(at(50)), (50, FileTimes))]
#[case::unlisted(FsClass::Unknown, Unknown, Some(at(50)), (50, FileTimes))]
#[case::clamped(FsClass::Network, Different, Some(at(-50)), (0, FileTimes))]
#[case::same_boot_needs_no_server(FsClass::Network, Same, Some(at(50)), (60, Monotonic))]
#[case::no_server_time(FsClass::Network, Different, None, (70, Wall))]
#[case::a_disk_is_not_shared(FsClass::Local, Different, Some(at(50)), (70, Wall))]
#[case::nor_is_memory(FsClass::Volatile, Different, Some(at(50)), (70, Wall))]
fn between_kernels_the_file_server_tells_the_time(
    #[case] class: FsClass,
    #[case] boot: Comparison,
    #[case] server: Option<Timestamp>,
    #[case] expected: (u64, AgeClock),
) {
    let clock = clock(70, 60);
    let now = Now { clock: &clock, server };
    let held = held_for(&ours(), &someone(Some(0)), (boot, Same), class, Some(at(0)), now);
    assert_eq!(held.map(|(age, by)| (age.as_secs(), by)), Some(expected));
}

#[test]
fn a_time_of_the_server_without_one_of_the_file_tells_nothing() {
    let clock = clock(70, 60);
    let now = Now { clock: &clock, server: Some(at(50)) };
    let held = held_for(&ours(), &someone(Some(0)), (Different, Same), FsClass::Network, None, now);
    assert_eq!(held, Some((Duration::from_secs(70), Wall)));
}

#[test]
fn spans_beyond_all_measure_do_not_panic() {
    assert_eq!(since(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
    assert!(since(Timestamp::MIN, Timestamp::MAX) > Duration::from_secs(1 << 38));
}

/// Windows has no time namespaces, and its "boot id" is the machine's: one clock needs one
/// installation as well.
#[rstest]
#[case(Same, Same, Monotonic)]
#[case(Same, Different, Wall)]
#[case(Same, Unknown, Wall)]
#[case(Different, Same, Wall)]
#[case(Unknown, Same, Wall)]
fn windows_has_one_clock_per_installation(
    #[case] boot: Comparison,
    #[case] namespace: Comparison,
    #[case] by: AgeClock,
) {
    let owner = || OwnerId::bare(OwnerKind::Windows, 8);
    let record = LockRecord { owner: Some(owner()), ..ours() };
    let clock = clock(60, 50);
    let now = Now { clock: &clock, server: None };
    let held = held_for(&record, &owner(), (boot, namespace), FsClass::Local, None, now);
    assert_eq!(held.map(|(_, by)| by), Some(by));
}
