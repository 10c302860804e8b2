//! Pids that were given to somebody else.

use crate::programs::next_pid;
use crate::support::{
    Child, ID, PIDFD_ANSWERS, compare_by_start, observe, where_pidfd_open_answers,
};
use lock_core::identity::{Comparison, OwnerIdentity, Process};
use rustix::process::{WaitOptions, setpgid};
use std::time::Duration;

const PID: u32 = 300;

/// L2: the start time tells, with or without unique ids.
pub(crate) fn at_another_tick() {
    next_pid(PID);
    let (old, owner) = Child::holder();
    assert_eq!(owner.pid, PID);
    old.kill_and_reap();
    assert_eq!(observe(&owner).process, Process::Gone);

    std::thread::sleep(Duration::from_millis(25));
    next_pid(PID);
    let (_new, successor) = Child::holder();
    assert_eq!(successor.pid, PID);
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let seen = observe(&owner);
            assert_eq!(seen.process, Process::Running);
            assert_eq!(owner.compare_incarnation(&seen), Comparison::Different, "{answer:?}");
            assert_eq!(compare_by_start(&owner, &seen), Comparison::Different, "{answer:?}");
            assert_eq!(successor.compare_incarnation(&seen), Comparison::Same, "{answer:?}");
        });
    }
}

/// L3: only the unique id tells. Without it the successor passes for the owner: a lock that is
/// held for too long, never one that is taken from a living owner.
pub(crate) fn within_one_tick() {
    for _ in 0..500 {
        next_pid(PID);
        let (old, owner) = Child::holder();
        old.kill_and_reap();
        next_pid(PID);
        let (_new, successor) = Child::holder();
        assert_eq!((owner.pid, successor.pid), (PID, PID));
        if owner.start != successor.start {
            continue;
        }
        let seen = observe(&owner);
        assert_eq!(seen.process, Process::Running);
        assert_ne!(owner.unique, successor.unique, "this needs Linux 6.9");
        assert_eq!(owner.compare_incarnation(&seen), Comparison::Different);
        assert_eq!(compare_by_start(&owner, &seen), Comparison::Same);
        return;
    }
    panic!("no two processes with one pid within one tick, in 500 attempts");
}

/// L4: `kill` and `/proc/<pid>/stat` answer for thread ids, too.
pub(crate) fn as_a_thread() {
    next_pid(PID);
    let (old, owner) = Child::holder();
    old.kill_and_reap();

    next_pid(PID);
    let thread = std::thread::spawn(|| {
        let me = rustix::thread::gettid().as_raw_pid().cast_unsigned();
        std::thread::park();
        me
    });
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let seen = observe(&owner);
            assert_eq!(seen.process, Process::Thread, "{answer:?}");
            assert_eq!((seen.unique, seen.start), (None, None), "{answer:?}");
        });
    }
    thread.thread().unpark();
    assert_eq!(thread.join().unwrap(), PID);
}

/// The number of a reaped process lives on as that of its process group: `pidfd_open` of older
/// kernels then answers `EINVAL` for ever, and that is not "some thread's".
pub(crate) fn number_of_a_living_group() {
    let mut leader = Child::fork(|parent| {
        setpgid(None, None).unwrap();
        // Not a `Child`: it has to outlive this process.
        if matches!(crate::sys::fork(), crate::sys::Fork::Child) {
            std::thread::sleep(Duration::from_secs(5));
            crate::sys::exit_now(0);
        }
        parent.tell(&crate::record::encode(&ID.this_process()));
        parent.wait();
    });
    let owner = crate::record::decode(&leader.line());
    let group = leader.id();
    assert_eq!(observe(&owner).process, Process::Running);
    leader.go();
    leader.wait(WaitOptions::empty());
    // Reaped by hand: the number must not be waited for again, or signalled.
    std::mem::forget(leader);

    rustix::process::test_kill_process_group(group).expect("the group lives");
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            assert_eq!(observe(&owner).process, Process::Gone, "{answer:?}");
        });
    }
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
}
