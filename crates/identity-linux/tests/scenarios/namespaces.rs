//! Pid namespaces: a pid from another one means nothing here.

use crate::linux::OWN_PIDS;
use crate::programs::{Holder, contend, given_record};
use crate::support::{Child, ID, observe};
use lock_core::identity::{BootId, Comparison, OwnerId, OwnerIdentity, Process};

/// The given record is of another namespace that is not inside this one.
pub(crate) fn check_elsewhere() {
    let recorded = given_record();
    let me = ID.this_process();
    let namespaces = recorded.namespace.unwrap().compare(&me.namespace.unwrap());
    assert_eq!(namespaces, Comparison::Different);
    let seen = ID.observe(&recorded, &me);
    assert_eq!(seen.process, Process::Unknown);
    assert!(!seen.found_by_handle);
    assert_eq!((seen.unique, seen.start, seen.age), (None, None, None));
    assert_eq!(seen.gaps.len(), 1);
    // The kernel is the same, which is what makes a bare pid so tempting.
    assert_eq!(recorded.boot.compare(&me.boot), Comparison::Same);
}

/// L9: in a sibling namespace the holder's pid is absent, or a stranger's.
pub(crate) fn siblings() {
    for pid in [1, 300] {
        let holder = Holder::start(OWN_PIDS, pid);
        assert_eq!(holder.owner.pid, pid);
        contend(OWN_PIDS, "elsewhere", &holder.owner);
        // Alive all the while.
        assert!(observe(&holder.owner).found_by_handle);
    }
}

/// L10: the namespace of a restarted container is another one, even if it gets the inode
/// number of the old one.
pub(crate) fn restarted() {
    let mut past: Vec<OwnerId> = Vec::new();
    let mut recycled = 0;
    for _ in 0..16 {
        let mut holder = Holder::start(OWN_PIDS, 1);
        holder.end();
        let ours = holder.owner.namespace.unwrap();
        for old in &past {
            let theirs = old.namespace.unwrap();
            assert_eq!(theirs.compare(&ours), Comparison::Different, "this needs Linux 6.18");
            recycled += u32::from(theirs.inode == ours.inode);
        }
        contend(OWN_PIDS, "elsewhere", &holder.owner);
        past.push(holder.owner.clone());
    }
    println!("{recycled} times a namespace got the inode number of an earlier one");
}

/// L11: from around the holder's namespace its handle opens, from inside it does not.
pub(crate) fn nested() {
    contend(OWN_PIDS, "elsewhere", &ID.this_process());

    let mut holder = Holder::start(OWN_PIDS, 300);
    let seen = observe(&holder.owner);
    assert_eq!(seen.process, Process::Unknown);
    assert!(seen.found_by_handle);
    assert_eq!(seen.start, None);
    let nameless = OwnerId { unique: None, ..holder.owner.clone() };
    assert!(!observe(&nameless).found_by_handle);
    holder.end();
    assert!(!observe(&holder.owner).found_by_handle);

    // A zombie's handle opens, too.
    let (child, owner) = Child::holder();
    let elsewhere = OwnerId { namespace: holder.owner.namespace, ..owner };
    assert!(observe(&elsewhere).found_by_handle);
    child.kill();
    assert!(!observe(&elsewhere).found_by_handle);
}

/// The ids of processes start anew at each boot: the handle of another boot is a stranger's.
pub(crate) fn handle_of_another_boot() {
    let holder = Holder::start(OWN_PIDS, 1);
    assert!(observe(&holder.owner).found_by_handle);
    for boot in [
        BootId::Kernel("00000000-0000-4000-8000-000000000000".into()),
        BootId::Doubtful(holder.owner.boot.kernel().unwrap().into()),
        BootId::Unknown,
    ] {
        assert!(!observe(&OwnerId { boot, ..holder.owner.clone() }).found_by_handle);
    }
}

/// L12: in another container's mount namespace even `/proc/self` is missing.
pub(crate) fn procfs_of_a_child() {
    let holder = Holder::start(OWN_PIDS, 1);
    let target = format!("--mount=/proc/{}/ns/mnt", holder.outer_pid());
    contend(&["nsenter", &target], "procfs_of_a_child", &ID.this_process());
}

pub(crate) fn check_procfs_of_a_child() {
    assert!(!std::path::Path::new("/proc/self/stat").exists());
    let recorded = given_record();
    let me = ID.this_process();
    assert_eq!(me.start, None);
    // Not zero: nothing was read.
    assert_eq!(me.time_offset, None);
    assert!(me.unique.is_some());
    assert_eq!(me.namespace, recorded.namespace);
    let seen = ID.observe(&recorded, &me);
    assert_eq!((seen.process, seen.start), (Process::Running, None));
    assert_eq!(recorded.compare_incarnation(&seen), Comparison::Same);
    // Pid 1 is the holder in that procfs, and somebody else for this process.
    let first = OwnerId { pid: 1, ..recorded };
    assert_eq!(ID.observe(&first, &me).start, None);
    assert!(ID.lock_holders(0, 0, 0).is_empty());
}
