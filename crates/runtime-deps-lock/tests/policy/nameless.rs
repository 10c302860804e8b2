//! Lock directories that name no owner: how long they are left alone.

use lock_core::lockfile::sys::{Access, Byte, Native, Place, Sys as _};
use lock_core::policy::Action;
use rstest::rstest;

use crate::scripted::World;

const BROKEN: &str = "{\"pid\": 7, \"crea";

/// The boundary values of the origin: strictly more than 30 s on the newer of the two times.
#[rstest]
#[case::ownerless_at_30_s(None, 1_000, None, 31_000, Action::Report)]
#[case::ownerless_after_30_s(None, 1_000, None, 31_001, Action::Reclaim)]
#[case::newer_record_at_30_s(Some(BROKEN), 1_000, Some(2_000), 32_000, Action::Report)]
#[case::newer_record_after_30_s(Some(BROKEN), 1_000, Some(2_000), 32_001, Action::Reclaim)]
#[case::newer_directory_at_30_s(Some(BROKEN), 2_000, Some(1_000), 32_000, Action::Report)]
#[case::newer_directory_after_30_s(Some(BROKEN), 2_000, Some(1_000), 32_001, Action::Reclaim)]
#[case::empty_record_at_30_s(Some(""), 1_000, Some(2_000), 32_000, Action::Report)]
#[case::empty_record_after_30_s(Some(""), 1_000, Some(2_000), 32_001, Action::Reclaim)]
#[case::no_object(Some("[1]"), 1_000, Some(1_000), 31_001, Action::Reclaim)]
#[case::neither_pid_nor_time(Some("{}"), 1_000, Some(1_000), 31_000, Action::Report)]
#[case::neither_pid_nor_time_later(Some("{}"), 1_000, Some(1_000), 31_001, Action::Reclaim)]
#[case::unusable_pid(Some("{\"pid\": 0}"), 1_000, Some(1_000), 31_001, Action::Reclaim)]
#[case::times_in_the_future(None, 90_000, None, 31_000, Action::Report)]
fn by_file_times(
    #[case] record: Option<&str>,
    #[case] directory: i64,
    #[case] file: Option<i64>,
    #[case] now: i64,
    #[case] expected: Action,
) {
    let world = World::at(now).with_record(record).modified(directory, file);
    let (action, reasons) = world.decide();
    assert_eq!((action, reasons[0]), (expected, "missing-pid"));
}

/// A link that leads nowhere is as old as the link itself, or its directory.
#[cfg(unix)]
#[rstest]
#[case::at_30_s(1_000, 2_000, 32_000, Action::Report)]
#[case::after_30_s(1_000, 2_000, 32_001, Action::Reclaim)]
#[case::newer_directory_at_30_s(2_000, 1_000, 32_000, Action::Report)]
#[case::newer_directory_after_30_s(2_000, 1_000, 32_001, Action::Reclaim)]
fn a_dangling_link(
    #[case] directory: i64,
    #[case] link: i64,
    #[case] now: i64,
    #[case] expected: Action,
) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

    let world = World::at(now).with_record(None);
    std::os::unix::fs::symlink("nowhere", world.owner_file()).unwrap();
    let then = Timespec { tv_sec: link / 1000, tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    utimensat(CWD, world.owner_file(), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    let world = world.modified(directory, None);
    assert_eq!(world.decide(), (expected, vec!["missing-pid"]));
}

/// A record with a time but no pid: more than 10 min by its own time, whatever the file times.
#[rstest]
#[case::at_10_min("", 600_000 + 5_000, Action::Report)]
#[case::after_10_min("", 600_001 + 5_000, Action::Reclaim)]
#[case::unusable_pid("\"pid\": -7, ", 600_001 + 5_000, Action::Reclaim)]
#[case::pid_is_text("\"pid\": \"seven\", ", 600_000 + 5_000, Action::Report)]
#[case::in_the_future("", 1_000, Action::Report)]
fn by_its_own_time(#[case] pid: &str, #[case] now: i64, #[case] expected: Action) {
    let record = format!("{{{pid}\"createdAtMs\": 5000}}");
    let world = World::at(now).with_record(Some(&record)).modified(1_000, Some(1_000));
    assert_eq!(world.decide(), (expected, vec!["missing-pid"]));
}

/// How long the rest of the grace is, for waiters and messages.
#[rstest]
#[case(None, 21_000, 10_000)]
#[case(Some("{\"createdAtMs\": 1000}"), 301_000, 300_000)]
fn what_is_left(#[case] record: Option<&str>, #[case] now: i64, #[case] left: u128) {
    let world = World::at(now).with_record(record).modified(1_000, record.map(|_| 1_000));
    let (_, decision) = world.look();
    assert_eq!(decision.reclaimable_in.unwrap().as_millis(), left);
}

/// While somebody holds the owner byte, somebody alive is at work on the file.
#[test]
fn a_held_byte_outlasts_every_grace() {
    let world = World::at_the_end_of_time().with_record(Some("")).modified(1_000, Some(1_000));
    let (file, _) = Native.open(Place::absolute(&world.owner_file()), Access::Lock).unwrap();
    assert!(Native.try_lock(&file, Byte::Owner).unwrap());
    assert_eq!(world.decide().0, Action::Report);
    drop(file);
    assert_eq!(world.decide().0, Action::Reclaim);
}
