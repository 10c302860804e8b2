//! The explorer itself: it is deterministic, finds what is broken, and can show it again.

use super::explore::{Explored, Schedule, everything, replay, stroll};
use super::machine::Machine;
use super::mutant::Mutant;
use super::run::Runner;
use super::scenario::{Actor, CROWDS, SCENARIOS, Scenario};

fn named(name: &str) -> &'static Scenario {
    SCENARIOS.iter().chain(CROWDS).find(|scenario| scenario.name == name).expect("a scenario")
}

#[test]
fn the_same_states_each_time() {
    let scenario = named("file-2").within(Some(1));
    let [once, again] = [(), ()].map(|()| {
        let explored = everything(&mut Runner::default(), &scenario, None);
        assert!(explored.broken.is_none());
        (explored.states, explored.runs, explored.steps)
    });
    assert_eq!(once, again);
    assert!(once.0 > 100);
}

#[test]
fn the_same_way_for_a_seed() {
    let walk = |seed| {
        let mut explored = Explored::default();
        stroll(&mut Runner::default(), named("file-crowd"), None, seed, &mut explored);
        explored.steps
    };
    assert_eq!(walk(3), walk(3));
    assert!((1..20).any(|seed| walk(seed) != walk(3)));
}

#[test]
fn what_is_found_can_be_shown_again() {
    let scenario = named("file-2").within(Some(2));
    let mutant = Some(Mutant::LateOwnerByte);
    let (_, schedule) =
        everything(&mut Runner::default(), &scenario, mutant).broken.expect("it is broken");
    let written: Schedule = schedule.to_string().parse().expect("as it was written");
    assert_eq!(written, schedule);
    let shown = replay(&mut Runner::default(), &scenario, mutant, &written, true);
    assert_eq!(shown.violations[0].invariant, 3);
    assert!(!shown.trace.is_empty());
    let sound = replay(&mut Runner::default(), &scenario, None, &written, false);
    assert!(sound.violations.is_empty());
}

/// Two threads of one process stage a record each: neither may pass for the other, whatever is in it.
#[test]
fn records_of_two_threads_are_told_apart() {
    let machine = Machine::new(named("file-siblings"), None, false);
    let mut state = machine.state();
    let tags: Vec<u64> = [0, 1, 2]
        .map(|thread| {
            state.current = thread;
            let process = state.me();
            let file = state.world.create_unnamed(process);
            state.append(file, 0, b"{\"pid\": 7, \"owner\": {\"id\": \"a-1\"}}\n");
            let inode = state.world.inode_of(file);
            state.world.content(inode).1
        })
        .into();
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
}

/// Whatever all the schedules can come to, those that are followed come to.
#[test]
fn the_same_ends_with_and_without_reduction() {
    use Actor::{Locker, Sweeper};
    const BOTH: &[&[Actor]] = &[&[Locker(1)], &[Locker(1)]];
    const SWEPT: &[&[Actor]] = &[&[Locker(1)], &[Sweeper]];
    let (mut followed, mut there_are) = (0, 0);
    for (name, processes) in [
        ("file-2", BOTH),
        ("dir-2", BOTH),
        ("file-named", SWEPT),
        ("dir-sweep", SWEPT),
        ("dir-windows", SWEPT),
        ("file-faults", SWEPT),
        ("dir-stopped", SWEPT),
    ] {
        let [reduced, whole] = [true, false].map(|reduced| {
            let scenario =
                Scenario { reduced, compared: true, processes, ..named(name).within(None) };
            everything(&mut Runner::default(), &scenario, None)
        });
        assert_eq!(reduced.ends.len(), whole.ends.len(), "{name} {processes:?}");
        assert!(reduced.ends == whole.ends, "{name} {processes:?}");
        followed += reduced.states;
        there_are += whole.states;
    }
    assert!(followed < there_are / 2, "{followed} of {there_are} states");
}

/// What stands for more than itself must not stand for what it is not: with every schedule and no
/// bound, broken protocols are broken still.
#[test]
fn the_reduction_hides_nothing() {
    for (ground, mutant, invariant) in [
        ("file-2", Mutant::LateOwnerByte, 3),
        ("file-2", Mutant::Clobber, 4),
        ("file-stale-2", Mutant::NoBinding, 4),
        ("file-stale-2", Mutant::CloseBeforeUnlink, 4),
        ("file-3", Mutant::Clobber, 4),
    ] {
        let scenario = named(ground).within(None);
        let explored = everything(&mut Runner::default(), &scenario, Some(mutant));
        let (bound, schedule) = explored.broken.expect("it is broken");
        assert_eq!(bound, None);
        let shown = replay(&mut Runner::default(), &scenario, Some(mutant), &schedule, false);
        assert_eq!(shown.violations[0].invariant, invariant, "{ground} {}", mutant.name());
    }
}
