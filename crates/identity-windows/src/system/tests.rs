//! Real processes, under Wine or on Windows.

use super::*;
use lock_core::identity::{PidNamespace, Process, StartTime};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn observe(owner: &OwnerId) -> Observed {
    WindowsIdentity.observe(owner, &WindowsIdentity.this_process())
}

/// A process that ends with its standard input, and the record that it would have written.
fn child() -> (Child, OwnerId) {
    let child = Command::new("cmd").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let owner = recorded_by(&child);
    assert!(owner.start.is_some() && owner.boot != BootId::Unknown, "{owner:?}");
    (child, owner)
}

fn recorded_by(child: &Child) -> OwnerId {
    let Machine { boot, namespace } = machine();
    OwnerId {
        start: sys::created(child).ok().and_then(start_time),
        unique: sys::sequence_number(child),
        boot,
        namespace,
        ..OwnerId::bare(OwnerKind::Windows, child.id())
    }
}

#[test]
fn this_process_is_known_and_recognised() {
    let me = WindowsIdentity.this_process();
    assert!(me.start.is_some() && me.namespace.is_some() && me.boot.kernel().is_some(), "{me:?}");
    assert_eq!(me.name.map(|name| name.contains("identity_windows")), Some(true));
    let me = WindowsIdentity.this_process();
    let seen = observe(&me);
    assert_eq!((seen.process, seen.start, seen.unique), (Process::Running, me.start, me.unique));
    assert_eq!(me.compare_incarnation(&seen), Comparison::Same);
}

#[test]
fn a_live_child() {
    let (mut child, owner) = child();
    let seen = observe(&owner);
    assert_eq!(seen.process, Process::Running);
    assert_eq!(owner.compare_incarnation(&seen), Comparison::Same);
    drop(child.stdin.take());
    child.wait().unwrap();
}

/// W3: `child` keeps a handle, so the pid stays reserved and opens; the exit code says "runs".
#[test]
fn exited_with_code_259_while_a_handle_is_kept() {
    let mut child = Command::new("cmd").args(["/c", "exit 259"]).spawn().unwrap();
    let owner = recorded_by(&child);
    assert_eq!(child.wait().unwrap().code(), Some(259));
    let seen = observe(&owner);
    assert_eq!(seen.process, Process::Exited);
    assert_eq!(owner.compare_incarnation(&seen), Comparison::Same);

    drop(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = observe(&owner);
        // Another process may get the pid, which is as good.
        if seen.process == Process::Gone
            || owner.compare_incarnation(&seen) == Comparison::Different
        {
            break;
        }
        assert!(Instant::now() < deadline, "the pid is still reserved: {seen:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn terminated() {
    let (mut child, owner) = child();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(observe(&owner).process, Process::Exited);
}

/// Without permission to wait, an exit code other than 259 proves the exit, and 259 nothing.
#[test]
fn the_exit_code_of_a_process_that_may_not_be_waited_for() {
    let (mut child, owner) = child();
    let limited = sys::open(owner.pid, sys::QUERY).unwrap();
    assert_eq!(sys::poll(&limited), u32::MAX);
    assert_eq!(sys::exit_code(&limited), Ok(259));
    assert_eq!(sys::created(&limited).ok().and_then(start_time), owner.start);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_ne!(sys::exit_code(&limited), Ok(259));
}

/// W4: the system opens the child for each of them.
#[test]
fn the_three_numbers_after_a_pid() {
    let (mut child, owner) = child();
    for next in 1..=3 {
        let owner = OwnerId { pid: owner.pid + next, ..owner.clone() };
        let opened = sys::open(owner.pid, sys::QUERY).unwrap();
        assert_eq!(sys::process_id(&opened), Ok(child.id()));
        let seen = observe(&owner);
        assert_eq!((seen.process, seen.start), (Process::Unknown, None), "pid + {next}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn another_incarnation_under_the_pid_is_told_apart() {
    let (mut child, mut owner) = child();
    let Some(StartTime::FileTime(start)) = owner.start else { panic!("{owner:?}") };
    owner.start = Some(StartTime::FileTime(start - 1));
    assert_eq!(owner.compare_incarnation(&observe(&owner)), Comparison::Different);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// W6: a thread's number is not a process's.
#[test]
fn a_thread_id_is_no_process() {
    let thread = OwnerId::bare(OwnerKind::Windows, sys::this_thread());
    assert_eq!(observe(&thread).process, Process::Gone);
}

#[test]
fn no_question_is_asked_about_what_cannot_be_a_process_here() {
    let me = WindowsIdentity.this_process();
    let idle = OwnerId { pid: 0, ..me.clone() };
    let linux = OwnerId { kind: OwnerKind::Linux, ..me.clone() };
    let elsewhere = OwnerId {
        namespace: me.namespace.map(|here| PidNamespace { inode: !here.inode, id: None }),
        ..me
    };
    for owner in [idle, linux, elsewhere] {
        let seen = observe(&owner);
        assert_eq!((seen.process, seen.start), (Process::Unknown, None), "{owner:?}");
    }
}
