//! A `/proc` that hides, belongs to somebody else, is missing, or was mounted over.

use crate::programs::{next_pid, run};
use crate::support::{
    Child, ID, PIDFD_ANSWERS, compare_by_start, observe, where_pidfd_open_answers,
};
use crate::sys;
use lock_core::identity::{BootId, Comparison, OwnerId, OwnerIdentity, Process};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;
use std::os::unix::fs::MetadataExt;

/// Nobody in particular.
const NOBODY: u32 = 65534;

/// L8: to another user, `/proc` denies or hides a process that lives.
pub(crate) fn hidepid() {
    for mode in [0, 1, 2, 4] {
        run(&["mount", "-t", "proc", "-o", &format!("hidepid={mode}"), "proc", "/proc"]);
        let (_child, owner) = Child::holder();
        for answer in PIDFD_ANSWERS {
            where_pidfd_open_answers(answer, || {
                sys::become_user(NOBODY);
                assert_eq!(
                    rustix::process::test_kill_process(
                        rustix::process::Pid::from_raw(owner.pid.cast_signed()).unwrap()
                    ),
                    Err(Errno::PERM)
                );
                let me = ID.this_process();
                assert!(me.start.is_some() && me.time_offset.is_some(), "{me:?}");
                let namespace = me.namespace.or(owner.namespace);
                let seen = ID.observe(&owner, &OwnerId { namespace, ..me });
                assert_eq!(seen.process, Process::Running, "{mode} {answer:?}");
                assert_eq!(seen.start.is_some(), mode == 0, "{mode} {answer:?} {seen:?}");
                assert_eq!(seen.unique.is_some(), answer.is_none(), "{mode} {answer:?}");
                let by_start = if mode == 0 { Comparison::Same } else { Comparison::Unknown };
                assert_eq!(compare_by_start(&owner, &seen), by_start, "{mode} {answer:?}");
                assert_eq!(seen.gaps.iter().any(|gap| gap.contains("hidepid?")), mode != 0);
            });
        }
    }
}

/// L12: in a new pid namespace with the old procfs, numbers under `/proc` are strangers'.
pub(crate) fn foreign_procfs() {
    let me = ID.this_process();
    assert_eq!((me.pid, me.start), (1, None));
    assert!(me.unique.is_some() && me.namespace.is_some() && me.time_offset.is_some(), "{me:?}");
    assert!(matches!(me.boot, BootId::Kernel(_)), "{me:?}");

    let (child, owner) = Child::holder();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let seen = observe(&owner);
            assert_eq!((seen.process, seen.start), (Process::Running, None), "{answer:?}");
            assert!(seen.gaps.iter().any(|gap| gap.contains("another pid namespace")));
        });
    }
    child.kill();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            let expected = if answer.is_none() { Process::Exited } else { Process::Running };
            assert_eq!(observe(&owner).process, expected, "{answer:?}");
        });
    }
    child.kill_and_reap();
    for answer in PIDFD_ANSWERS {
        where_pidfd_open_answers(answer, || {
            assert_eq!(observe(&owner).process, Process::Gone, "{answer:?}");
        });
    }
    // The lock is to be seen in that procfs, under a number that means something else here.
    let file = tempfile::tempfile().unwrap();
    sys::lock_byte(&file, libc::F_OFD_SETLK, 0);
    let found = file.metadata().unwrap();
    assert!(ID.lock_holders(found.dev(), found.ino(), 0).is_empty());
}

/// L12: a procfs of the outer namespace in which this process has, by chance, the very number
/// that it has in its own.
pub(crate) fn foreign_procfs_with_the_same_number() {
    const PID: u32 = 500;
    sys::unshare(UnshareFlags::NEWPID);
    let mut first = Child::fork(|parent| {
        next_pid(PID);
        parent.tell("ready");
        parent.wait();
        Child::fork(|_| {
            assert_eq!(rustix::process::getpid().as_raw_pid().cast_unsigned(), PID);
            let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
            assert!(stat.starts_with(&format!("{PID} (")), "{stat}");
            assert_eq!(ID.this_process().start, None);
        })
        .join();
    });
    first.line();
    next_pid(PID);
    first.go();
    first.join();
}

/// L12: without `/proc`, pidfds say who lives and who is who.
pub(crate) fn no_procfs() {
    run(&["mount", "-t", "tmpfs", "none", "/proc"]);
    let me = ID.this_process();
    assert_eq!((me.start, me.time_offset, me.boot.clone()), (None, None, BootId::Unknown));
    assert!(me.unique.is_some() && me.namespace.is_some(), "{me:?}");

    let (child, owner) = Child::holder();
    let seen = observe(&owner);
    assert_eq!((seen.process, seen.start), (Process::Running, None));
    assert_eq!(owner.compare_incarnation(&seen), Comparison::Same);
    assert!(seen.gaps.iter().any(|gap| gap.contains("not a procfs")), "{:?}", seen.gaps);
    where_pidfd_open_answers(Some(Errno::NOSYS), || {
        // Now the namespace cannot be told, so a recorded one may be another, and who runs under
        // the pid may be the owner.
        assert_eq!(ID.this_process().namespace, None);
        let seen = observe(&owner);
        assert_eq!(seen.process, Process::Running);
        assert!(seen.gaps[0].contains("may not be this one"), "{:?}", seen.gaps);
        // A record that names none is looked up all the same.
        let here = OwnerId { namespace: None, ..owner.clone() };
        assert_eq!(observe(&here).process, Process::Running);
    });
    child.kill_and_reap();
    assert_eq!(observe(&owner).process, Process::Gone);

    // A boot id that somebody wrote there.
    let id = "11111111-2222-4333-8444-555555555555";
    std::fs::create_dir_all("/proc/sys/kernel/random").unwrap();
    std::fs::write("/proc/sys/kernel/random/boot_id", id).unwrap();
    Child::fork(|_| assert_eq!(ID.this_process().boot, BootId::Doubtful(id.into()))).join();
}

/// L12: a procfs with processes and nothing else has no boot id.
pub(crate) fn subset_pid() {
    run(&["mount", "-t", "proc", "-o", "subset=pid", "proc", "/proc"]);
    let me = ID.this_process();
    assert_eq!(me.boot, BootId::Unknown);
    assert!(me.start.is_some() && me.unique.is_some(), "{me:?}");
    let seen = ID.observe(&me, &me);
    assert_eq!(me.compare_incarnation(&seen), Comparison::Same);
}

/// L15: whatever is mounted over the boot id, it is not the kernel's word any more.
pub(crate) fn boot_id_mounted_over() {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let genuine = ID.this_process().boot;
    assert!(matches!(genuine, BootId::Kernel(_)), "{genuine:?}");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("id");
    let id = "11111111-2222-4333-8444-555555555555";
    std::fs::write(&file, format!("{id}\n")).unwrap();
    // As LXC does; and a file of procfs itself, which only being a mount point gives away.
    for over in [file.to_str().unwrap(), "/proc/sys/kernel/random/uuid"] {
        run(&["mount", "--bind", over, PATH]);
        Child::fork(|_| {
            let seen = ID.this_process().boot;
            assert!(matches!(seen, BootId::Doubtful(_)), "{over}: {seen:?}");
            if over != "/proc/sys/kernel/random/uuid" {
                assert_eq!(seen, BootId::Doubtful(id.into()));
            }
        })
        .join();
        run(&["umount", PATH]);
    }
    // As container runtimes make /proc/sys read-only: the very same files.
    run(&["mount", "--bind", "/proc/sys", "/proc/sys"]);
    Child::fork(|_| assert_eq!(ID.this_process().boot, genuine)).join();
    // Nothing that could be an id.
    std::fs::write(&file, "none\n").unwrap();
    run(&["mount", "--bind", file.to_str().unwrap(), PATH]);
    Child::fork(|_| assert_eq!(ID.this_process().boot, BootId::Unknown)).join();
}
