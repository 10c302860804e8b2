//! Start times: against an independent reader, and in shifted time namespaces.

use crate::programs::{contend, given_record};
use crate::record::{decode, encode};
use crate::support::{Child, ID, compare_by_start, observe};
use crate::sys;
use lock_core::identity::{Comparison, OwnerId, OwnerIdentity, OwnerKind, Process, TimeOffset};
use rustix::thread::UnshareFlags;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// sysinfo reads the same files with other code, and gives whole seconds of the wall clock.
pub(crate) fn oracle() {
    let (_child, _) = Child::holder();
    let mut compared = 0;
    let system = sysinfo::System::new_all().unwrap();
    let me = ID.this_process();
    for process in system.processes().values() {
        if process.thread_kind().is_some() {
            continue;
        }
        let record = OwnerId::bare(OwnerKind::Linux, process.pid().as_u32());
        let Some(age) = ID.observe(&record, &me).age else { continue };
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - age;
        let theirs = Duration::from_secs(process.start_time());
        assert!(started.abs_diff(theirs) <= Duration::from_secs(2), "{started:?} {theirs:?}");
        compared += 1;
    }
    assert!(compared >= 3, "only {compared} processes were compared");
}

/// L13: whole seconds, forwards and backwards.
pub(crate) fn shifted() {
    let me = ID.this_process();
    let up = std::fs::read_to_string("/proc/uptime").unwrap();
    let back: u64 = up.split('.').next().unwrap().parse().unwrap();
    for seconds in ["1000", &format!("-{}", back / 2)] {
        let within = ["unshare", "--time", "--boottime", seconds, "--fork"];
        contend(&within, "shifted", &me);
    }
}

/// The recorded process lives; this one has other clocks.
pub(crate) fn check_shifted() {
    let recorded = given_record();
    let me = ID.this_process();
    let offset = me.time_offset.unwrap();
    assert_ne!(offset, TimeOffset::default());
    let seen = ID.observe(&recorded, &me);
    assert_eq!(seen.process, Process::Running);
    assert_eq!(seen.time_offset, Some(offset));
    assert_ne!(seen.start, recorded.start);
    assert_eq!(recorded.compare_incarnation(&seen), Comparison::Same);
    assert_eq!(compare_by_start(&recorded, &seen), Comparison::Unknown);
    // The shift cancels in the age: the recorded process is this test's.
    assert!(seen.age.is_some_and(|age| age < Duration::from_secs(60)), "{:?}", seen.age);
}

/// L13: a shift of half a tick moves only some start times, by one: no arithmetic undoes that.
pub(crate) fn shifted_by_less_than_a_tick() {
    let here = ID.this_process();
    sys::unshare(UnshareFlags::NEWTIME);
    std::fs::write("/proc/self/timens_offsets", "boottime 0 5000000").unwrap();

    // What the file shows now are the clocks of children, not those of this process.
    Child::fork_by(sys::raw_fork, |_| {
        let me = ID.this_process();
        let half_a_tick = TimeOffset { monotonic_ns: 0, boottime_ns: 5_000_000 };
        assert_eq!(me.time_offset, Some(half_a_tick));
        let seen = ID.observe(&here, &me);
        assert_eq!(here.compare_incarnation(&seen), Comparison::Same);
        assert_eq!(compare_by_start(&here, &seen), Comparison::Unknown);
    })
    .join();
    let seen = observe(&here);
    assert_eq!((seen.start, seen.time_offset), (here.start, None));
    assert_eq!(compare_by_start(&here, &seen), Comparison::Unknown);
    assert_eq!(seen.gaps.len(), 1);
}

/// L13: not being allowed to look is not the same as a kernel without time namespaces.
pub(crate) fn hidden() {
    sys::deny(libc::SYS_readlinkat, rustix::io::Errno::ACCESS);
    let me = ID.this_process();
    assert_eq!(me.time_offset, None);
    assert!(me.start.is_some());
    let seen = ID.observe(&me, &me);
    assert_eq!((seen.start, seen.time_offset), (me.start, None));
    assert_eq!(compare_by_start(&me, &seen), Comparison::Unknown);
}

/// A child in a time namespace of its own, 1000 s ahead, and what that process says of itself.
fn shifted_child() -> (Child, std::fs::File, OwnerId) {
    let mut child = Child::fork(|parent| {
        sys::unshare(UnshareFlags::NEWTIME);
        std::fs::write("/proc/self/timens_offsets", "boottime 1000 0").unwrap();
        let mut inner = Child::fork(|parent| {
            parent.tell(&encode(&ID.this_process()));
            parent.wait();
        });
        let record = inner.line();
        parent.tell(&format!("{} {record}", inner.pid));
        parent.wait();
    });
    let line = child.line();
    let (pid, record) = line.split_once(' ').unwrap();
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/time")).unwrap();
    let record = decode(record);
    (child, namespace, record)
}

fn move_to(namespace: &std::fs::File) -> Result<(), rustix::io::Errno> {
    let kind = Some(rustix::thread::LinkNameSpaceType::Time);
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(namespace), kind)
}

/// L13: a process with a second thread cannot be moved, and so need not ask where it is.
pub(crate) fn held_in_place_by_a_thread() {
    let (_child, namespace, _) = shifted_child();
    let directory = tempfile::tempdir().unwrap();
    let guard = crate::support::hold(&directory.path().join("s.lock"));
    let mark = lock_core::ProcessMark::current();
    assert!(lock_core::second_thread(mark).is_some(), "the watchdog");
    assert_eq!(move_to(&namespace), Err(rustix::io::Errno::USERS));

    // With the thread gone, it is looked for again.
    drop(guard);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while std::fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        assert!(std::time::Instant::now() < deadline, "the watchdog stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lock_core::second_thread(mark), None);
    let before = ID.this_process();
    move_to(&namespace).unwrap();
    let after = ID.this_process();
    assert_ne!((after.time_offset, after.start), (before.time_offset, before.start));
}

/// L13: `setns` moves a running process to other clocks, and its own start time with it.
pub(crate) fn moved() {
    let before = ID.this_process();
    let (_child, namespace, record) = shifted_child();
    let shifted = record.time_offset.unwrap();
    assert_eq!(shifted.boottime_ns, 1_000_000_000_000);
    move_to(&namespace).unwrap();
    // Whoever asks with the identity from before is told the clock of what was just read.
    let seen = ID.observe(&before, &before);
    assert_eq!(seen.time_offset, Some(shifted));
    assert_eq!(compare_by_start(&before, &seen), Comparison::Unknown);
    let after = ID.this_process();
    assert_eq!((after.time_offset, after.unique), (Some(shifted), before.unique));
    assert_ne!(after.start, before.start);
    assert_eq!(compare_by_start(&after, &seen), Comparison::Same);
}
