//! The identity of the calling process, and when it has to be captured anew.

use crate::programs::in_namespaces;
use crate::record::{decode, encode};
use crate::support::{Child, ID};
use crate::sys;
use lock_core::identity::{BootId, Comparison, OwnerId, OwnerIdentity, OwnerKind, TimeOffset};
use rustix::thread::UnshareFlags;
use std::os::unix::process::CommandExt;

/// Tells who this process is.
pub(crate) fn report() {
    println!("{}", encode(&ID.this_process()));
}

/// In the initial namespaces of a kernel of the last years nothing is missing.
pub(crate) fn everything_is_known() {
    let me = ID.this_process();
    assert_eq!((me.kind.clone(), me.pid), (OwnerKind::Linux, std::process::id()));
    assert!(me.start.is_some() && me.unique.is_some() && me.namespace.is_some(), "{me:?}");
    assert!(matches!(me.boot, BootId::Kernel(_)), "{me:?}");
    assert_eq!(me.time_offset, Some(TimeOffset::default()));
    let program = std::env::current_exe().unwrap();
    assert_eq!(me.name.as_deref(), program.file_name().and_then(std::ffi::OsStr::to_str));
    assert_eq!(ID.this_process(), me);

    let seen = ID.observe(&me, &me);
    assert_eq!(me.compare_incarnation(&seen), Comparison::Same);
    assert_eq!((seen.unique, seen.start, seen.time_offset), (me.unique, me.start, me.time_offset));
    assert_eq!(seen.gaps, Vec::<String>::new());
}

/// L17: `exec` changes the program and nothing of the identity.
pub(crate) fn exec() {
    let mut child = Child::fork(|parent| {
        parent.tell(&encode(&ID.this_process()));
        let error = in_namespaces(&[]).args(["--role", "report"]).stdout(parent.output()).exec();
        panic!("exec: {error}");
    });
    let before = child.line();
    let after = child.line();
    assert!(decode(&before).unique.is_some());
    assert_eq!(before, after);
    child.join();
}

/// L17: what was captured before a fork is the parent's, however the fork was done.
pub(crate) fn forks() {
    let parent = ID.this_process();
    for fork in [sys::fork, sys::raw_fork] {
        let child = Child::fork_by(fork, |_| {
            let me = ID.this_process();
            assert_eq!(me.pid, rustix::process::getpid().as_raw_pid().cast_unsigned());
            assert_ne!(me.pid, parent.pid);
            assert_ne!(me.unique, parent.unique);
            assert_eq!(ID.this_process(), me);
        });
        child.join();
    }
    assert_eq!(ID.this_process(), parent);
}

/// L17: the first process of a namespace forks the first of another one: the same number.
pub(crate) fn same_pid_in_a_new_namespace() {
    let outer = ID.this_process();
    assert_eq!(outer.pid, 1);
    sys::unshare(UnshareFlags::NEWPID);
    let mut child = Child::fork(|parent| {
        parent.tell(&encode(&ID.this_process()));
        parent.wait();
    });
    let inner: OwnerId = decode(&child.line());
    assert_eq!(inner.pid, 1);
    assert_ne!(inner.unique, outer.unique);
    assert_ne!(inner.namespace, outer.namespace);
    // The procfs is the outer one's, and its /proc/1 a stranger.
    assert_eq!(inner.start, None);
}
