//! One process in all the states that it can be in, and numbers that no process can have.

use crate::record::{decode, encode};
use crate::support::{
    Child, ID, PIDFD_ANSWERS, compare_by_start, observe, where_pidfd_open_answers,
};
use crate::sys;
use lock_core::identity::{Comparison, Observed, OwnerId, OwnerIdentity, OwnerKind, Process};
use rustix::process::{Resource, Rlimit, Signal, WaitOptions, getrlimit, setrlimit};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// L1: the name that a process gives itself stands in the middle of the text that is parsed.
pub(crate) fn hostile_names() {
    let names: [&[u8]; 6] =
        [b") S 1 2 3", b"x)\n) R 9", b"\xff\xfe\x1b[0m", b"", b"((", b"1 (1) Z 1"];
    for name in names {
        let mut child = Child::fork(|parent| {
            parent.tell(&encode(&ID.this_process()));
            parent.wait();
            sys::set_name(name);
            // This very process, looked at under its new name.
            let me = ID.this_process();
            let seen = ID.observe(&me, &me);
            parent.tell(&encode(&OwnerId { start: seen.start, ..me }));
            parent.wait();
        });
        let owner = decode(&child.line());
        let before = observe(&owner);
        child.go();
        let by_itself = decode(&child.line());
        for answer in PIDFD_ANSWERS {
            where_pidfd_open_answers(answer, || {
                let seen = observe(&owner);
                assert_eq!(seen.process, Process::Running, "{name:?} {answer:?}");
                assert!(seen.start.is_some(), "{name:?} {seen:?}");
                assert_eq!(seen.start, before.start);
                assert_eq!(seen.start, owner.start);
                assert_eq!(seen.start, by_itself.start);
                assert_eq!(compare_by_start(&owner, &seen), Comparison::Same);
            });
        }
    }
}

/// L5: exited, not reaped: dead, although `kill` and `/proc` still know it.
pub(crate) fn zombie() {
    let (child, owner) = Child::holder();
    assert_eq!(observe(&owner).process, Process::Running);
    child.kill();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            assert_eq!(observe(&owner).process, Process::Exited, "{answer:?}");
        });
    }
    child.kill_and_reap();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            assert_eq!(observe(&owner).process, Process::Gone, "{answer:?}");
        });
    }
}

/// A child whose first thread ends, while a second one lives on.
pub(crate) fn leaderless(before: impl FnOnce()) -> (Child, OwnerId) {
    let mut child = Child::fork(|parent| {
        before();
        parent.tell(&encode(&ID.this_process()));
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
        sys::exit_thread();
    });
    let owner = decode(&child.line());
    let stat = format!("/proc/{}/stat", child.pid);
    while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    (child, owner)
}

/// L6: state `Z`, and alive: its threads run, its locks are held.
pub(crate) fn zombie_leader() {
    let (child, owner) = leaderless(|| {});
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let seen = observe(&owner);
            assert_eq!(seen.process, Process::Running, "{answer:?}");
            assert_eq!(owner.compare_incarnation(&seen), Comparison::Same, "{answer:?}");
        });
    }
    child.kill();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            assert_eq!(observe(&owner).process, Process::Exited, "{answer:?}");
        });
    }
}

/// L6: a thread that outlived its leader asks who it is. `/proc/self` is the leader's, and
/// shows no namespaces any more: that is not "no time namespaces".
pub(crate) fn without_a_leader() {
    let mut child = Child::fork(|parent| {
        let mut parent = parent.clone();
        std::thread::spawn(move || {
            while !std::fs::read_to_string("/proc/self/stat").unwrap().contains(") Z ") {
                std::thread::sleep(Duration::from_millis(1));
            }
            let me = ID.this_process();
            parent.tell(&encode(&me));
            let seen = ID.observe(&me, &me);
            parent.tell(&encode(&OwnerId {
                start: seen.start,
                time_offset: seen.time_offset,
                ..me
            }));
            std::thread::sleep(Duration::from_secs(60));
        });
        sys::exit_thread();
    });
    let owner = decode(&child.line());
    let by_itself = decode(&child.line());
    let me = ID.this_process();
    assert_eq!(owner.pid, child.pid);
    assert_eq!(owner.namespace, me.namespace);
    assert_eq!(owner.time_offset, None);
    assert_eq!(by_itself, owner);
    let seen = observe(&owner);
    assert_eq!((seen.unique, seen.start), (owner.unique, owner.start));
    assert!(owner.unique.is_some() && owner.start.is_some());
    assert_eq!(owner.compare_incarnation(&seen), Comparison::Same);
}

/// L7: stopped is alive.
pub(crate) fn stopped() {
    let (mut child, owner) = Child::holder();
    child.signal(Signal::STOP);
    assert!(child.wait(WaitOptions::UNTRACED).stopped());
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let seen = observe(&owner);
            assert_eq!(seen.process, Process::Running, "{answer:?}");
            assert_eq!(owner.compare_incarnation(&seen), Comparison::Same, "{answer:?}");
        });
    }
}

/// L18: without a single descriptor, `kill` still tells the living from the gone, and nothing
/// is made up about the rest.
pub(crate) fn no_descriptors_left() {
    let (living, alive) = Child::holder();
    let (gone, dead) = Child::holder();
    gone.kill_and_reap();
    let (zombie, exited) = Child::holder();
    zombie.kill();

    Child::fork(|_| {
        let usual = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: usual.maximum }).unwrap();
        let me = ID.this_process();
        assert_eq!((me.unique, me.start, me.namespace), (None, None, None));

        let here_known = OwnerId { namespace: alive.namespace, ..me.clone() };
        let seen = ID.observe(&alive, &here_known);
        assert_eq!((seen.process, seen.start, seen.unique), (Process::Running, None, None));
        assert_eq!(alive.compare_incarnation(&seen), Comparison::Unknown);
        assert_eq!(seen.gaps.len(), 2, "{:?}", seen.gaps);
        assert_eq!(ID.observe(&dead, &here_known).process, Process::Gone);
        // Only /proc could tell that it has exited.
        assert_eq!(ID.observe(&exited, &here_known).process, Process::Running);
        // A namespace that cannot be told may be another one.
        assert_eq!(ID.observe(&dead, &me).process, Process::Unknown);

        // A poor capture is not kept. With two descriptors left, some facts can be had.
        setrlimit(Resource::Nofile, usual).unwrap();
        let next = std::fs::File::open("/").unwrap().as_raw_fd();
        let two = Rlimit { current: Some(next as u64 + 2), maximum: usual.maximum };
        setrlimit(Resource::Nofile, two).unwrap();
        let me = ID.this_process();
        assert!(me.unique.is_some() && me.start.is_none(), "{me:?}");
        setrlimit(Resource::Nofile, usual).unwrap();
        let me = ID.this_process();
        assert!(me.start.is_some() && me.namespace == alive.namespace, "{me:?}");
    })
    .join();
    drop((living, zombie));
}

/// L18: numbers that are no pids never reach a system call: for `kill`, they are groups.
pub(crate) fn impossible_pids() {
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            sys::die_of_killing_groups();
            let me = ID.this_process();
            for pid in [0, 4_194_305, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX] {
                let record =
                    OwnerId { namespace: me.namespace, ..OwnerId::bare(OwnerKind::Linux, pid) };
                let expected = Observed::nothing(format!("{pid} is not a process id"));
                assert_eq!(ID.observe(&record, &me), expected);
            }
            // A pid that could be one, but is above what this system hands out.
            let absent = OwnerId::bare(OwnerKind::Linux, 4_194_304);
            assert_eq!(ID.observe(&absent, &me).process, Process::Gone);
            // Another system's pid is not looked for, even if it is somebody's here.
            let foreign = OwnerId::bare(OwnerKind::Macos, me.pid);
            assert_eq!(ID.observe(&foreign, &me).process, Process::Unknown);
        });
    }
}
