//! Pid namespaces: the same number is somebody else, a missing one is not dead.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{
    Done, Holder, Place, clean, done, finding, inode, record, run, send, write_record,
};

/// A container: pids and a `/proc` of its own.
pub(crate) const CONTAINER: &[&str] =
    &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--"];

/// A command within something; in a container it is pid 1.
pub(crate) fn within(outer: &[&str], inner: Command) -> Command {
    let mut command = Command::new(outer[0]);
    command.args(&outer[1..]).arg(inner.get_program()).args(inner.get_args());
    clean(&mut command);
    command
}

/// A holder in a container. Its `command` is a number of that container.
pub(crate) fn holder_in(outer: &[&str], file: &Path) -> Holder {
    let sleep = ["sh", "-c", "echo $$; exec sleep 1000"];
    Holder::by(within(outer, run(&[], file, &sleep)))
}

/// A contender in a container, which does not wait long.
pub(crate) fn contend(outer: &[&str], file: &Path) -> Done {
    done(within(outer, run(&["--timeout", "200ms"], file, &["sh", "-c", "echo $PPID"])))
}

/// What `inspect` says, in a container.
pub(crate) fn inspected(outer: &[&str], file: &Path) -> Value {
    let mut inspect = crate::common::session("inspect", &["--json"]);
    inspect.arg(file);
    done(within(outer, inspect)).expect(0).json()[0].take()
}

/// Kills a container's pid 1, which the kernel lets everybody else in it follow, and waits
/// until `unshare` has reaped it.
pub(crate) fn kill(container: &Holder) {
    let unshare = container.tool.pid();
    let children = format!("/proc/{unshare}/task/{unshare}/children");
    let first = std::fs::read_to_string(children).unwrap();
    send(first.trim().parse().unwrap(), Signal::KILL);
    container.tool.code();
}

/// A copy of a lock whose record does not claim the kernel lock, as the lock of `to`.
pub(crate) fn copy_without_claim(lock: &Path, to: &Path) {
    let mut copy = record(lock);
    copy["owner"].as_object_mut().unwrap().remove("kernelLock").unwrap();
    write_record(to, &copy);
}

/// Issue 3 of the origin: a live lock, whose pid is also the contender's.
pub(crate) fn siblings_with_the_same_pid() {
    let place = Place::new();
    let _holder = holder_in(CONTAINER, &place.file());
    assert_eq!(record(&place.lock())["pid"], 1);
    let before = (inode(&place.lock()), record(&place.lock()));
    // The contender is pid 1 as well.
    assert_eq!(contend(CONTAINER, &place.at("t.jsonl")).expect(0).out, "1\n");

    let late = contend(CONTAINER, &place.file()).expect(75);
    assert!(late.err.contains("): pid=1 alive=true ageMs="), "{}", late.err);
    let report = inspected(CONTAINER, &place.file());
    assert_eq!((&report["state"], finding(&report, "kernel-lock")), (&"held".into(), "held"));
    assert_eq!(finding(&report, "pid-namespace"), "different");
    assert_eq!((inode(&place.lock()), record(&place.lock())), before);
}

pub(crate) fn a_pid_that_the_sibling_has_not() {
    let place = Place::new();
    let line = "echo 4999 > /proc/sys/kernel/ns_last_pid; \
                \"$LOCKCTL\" session run \"$0\" -- sh -c 'echo $$; exec sleep 1000'; exit";
    let mut shell = crate::common::sh(line);
    shell.arg(place.file());
    let holder = Holder::by(within(CONTAINER, shell));
    assert_eq!(record(&place.lock())["pid"], 5000);
    let before = inode(&place.lock());
    contend(CONTAINER, &place.file()).expect(75);
    // Without a kernel lock to go by there is nothing to know.
    copy_without_claim(&place.lock(), &place.at("t.jsonl.lock"));
    let late = contend(CONTAINER, &place.at("t.jsonl")).expect(75);
    assert!(late.err.contains("lives, or lived, in another pid namespace"), "{}", late.err);
    assert_eq!(inode(&place.lock()), before);
    drop(holder);
}

pub(crate) fn a_killed_container() {
    for next in [CONTAINER, &["env"]] {
        let place = Place::new();
        let holder = holder_in(CONTAINER, &place.file());
        kill(&holder);
        assert!(place.lock().exists());
        let took = run(&["--timeout", "0"], &place.file(), &["true"]);
        let took = done(within(next, took)).expect(0);
        assert!(took.err.contains("lock-released"), "{}", took.err);
        assert!(place.names().is_empty());
    }
}

/// Issue 4 of the origin: the same pid again, in a namespace that may get the number of the old
/// one.
pub(crate) fn a_restarted_container() {
    let place = Place::new();
    for _ in 0..4 {
        let holder = holder_in(CONTAINER, &place.file());
        assert_eq!(record(&place.lock())["pid"], 1);
        kill(&holder);
        // The next round's holder finds this lock.
        assert!(place.lock().exists());
    }
    let took = run(&["--timeout", "0"], &place.file(), &["true"]);
    done(within(CONTAINER, took)).expect(0);
}

/// Neither a living sibling nor a dead one can be told from the other: both are respected.
pub(crate) fn records_without_a_claim() {
    let place = Place::new();
    let holder = holder_in(CONTAINER, &place.file());
    let (copy, lock) = (place.at("t.jsonl"), place.at("t.jsonl.lock"));
    copy_without_claim(&place.lock(), &lock);
    let before = inode(&lock);
    for alive in [true, false] {
        if !alive {
            kill(&holder);
        }
        let report = inspected(CONTAINER, &copy);
        assert_eq!(report["state"], "unverifiable", "{report:#}");
        assert_eq!(report["verdict"], "unverifiable");
        let late = contend(CONTAINER, &copy).expect(75);
        assert!(late.err.contains("lockctl session break"), "{}", late.err);
        let mut doctor = crate::common::session("doctor", &["--fix"]);
        doctor.arg(place.dir());
        if alive {
            done(within(CONTAINER, doctor)).expect(0);
        }
        assert_eq!(inode(&lock), before);
    }
    // The record itself, by its kernel lock, is judged as ever.
    assert_eq!(
        inspected(CONTAINER, &place.file())["reasons"],
        serde_json::json!(["lock-released"])
    );
}

/// From the namespace around it the owner is found by its handle, not by its pid.
pub(crate) fn seen_from_around() {
    let place = Place::new();
    let holder = holder_in(CONTAINER, &place.file());
    let (copy, lock) = (place.at("t.jsonl"), place.at("t.jsonl.lock"));
    copy_without_claim(&place.lock(), &lock);
    let report = crate::common::inspected(&copy);
    assert_eq!((&report["state"], &report["verdict"]), (&"held".into(), &"alive".into()));
    kill(&holder);
    // That it is not found any more proves nothing.
    assert_eq!(crate::common::inspected(&copy)["state"], "unverifiable");
    contend(&["env"], &copy).expect(75);
    assert!(lock.exists());
}
