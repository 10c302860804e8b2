//! Real processes, for whoever has a Mac: compiled by every leg, run by none so far.

use super::*;
use lock_core::identity::{Comparison, Process};
use rstest::rstest;
use std::process::{Child, Command};

#[rstest]
#[case(0, None)]
#[case(1, Some(1))]
#[case(99_999, Some(99_999))]
#[case(100_000, None)]
#[case(0x8000_0000, None)]
#[case(u32::MAX, None)]
fn numbers_that_a_process_can_have(#[case] pid: u32, #[case] expected: Option<i32>) {
    assert_eq!(process_id(pid), expected);
}

fn observe(owner: &OwnerId) -> Observed {
    MacosIdentity.observe(owner, &MacosIdentity.this_process())
}

/// A process and the record that it would have written.
fn child() -> (Child, OwnerId) {
    let child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
    let mut owner = OwnerId::bare(OwnerKind::Macos, child.id());
    let seen = observe(&owner);
    owner.start = seen.start;
    owner.unique = seen.unique;
    assert!(owner.start.is_some() && owner.unique.is_some(), "{seen:?}");
    (child, owner)
}

#[test]
fn this_process_is_known_and_recognised() {
    let me = MacosIdentity.this_process();
    assert!(me.start.is_some() && me.unique.is_some() && me.boot.kernel().is_some(), "{me:?}");
    let seen = observe(&me);
    assert_eq!(seen.process, Process::Running);
    assert_eq!((seen.start, seen.unique), (me.start, me.unique));
}

#[test]
fn a_child_lives_exits_and_is_reaped() {
    let (mut child, owner) = child();
    let seen = observe(&owner);
    assert_eq!(seen.process, Process::Running);
    assert_eq!(owner.compare_incarnation(&seen), Comparison::Same);

    child.kill().unwrap();
    let zombie = loop {
        let seen = observe(&owner);
        if seen.process != Process::Running {
            break seen;
        }
        std::thread::yield_now();
    };
    assert_eq!(zombie.process, Process::Exited);
    assert_eq!(owner.compare_incarnation(&zombie), Comparison::Same);

    child.wait().unwrap();
    assert_eq!(observe(&owner).process, Process::Gone);
}

#[test]
fn another_incarnation_under_the_pid_is_told_apart() {
    let (mut child, mut owner) = child();
    owner.unique = owner.unique.map(|id| id + 1);
    assert_eq!(owner.compare_incarnation(&observe(&owner)), Comparison::Different);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn somebody_elses_process_is_seen() {
    let launchd = OwnerId::bare(OwnerKind::Macos, 1);
    assert_eq!(observe(&launchd).process, Process::Running);
}
