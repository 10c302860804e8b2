//! `session doctor`: what it finds, what it removes, what it never touches, and its status.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{Done, HeldByte, Holder, Place, done, inode, make, os, session};
#[cfg(unix)]
use common::{record, write_record};
use lock_core::lockfile::sys::Byte;
use rstest::rstest;
use serde_json::{Value, json};

/// A lock that the policy would reclaim: a record of the origin, whose pid is nobody's.
const DEAD: &str = "{\"pid\": 4194304, \"createdAt\": \"2026-01-01T00:00:00Z\"}\n";
/// Long enough for a command to start.
const PROMISE: &str = if cfg!(windows) { "3s" } else { "300ms" };
const STAGE: &str = ".01234567-0123456789abcdef.lock-stage";

fn doctor(options: &[&str], places: &[PathBuf]) -> Done {
    let mut doctor = session("doctor", options);
    doctor.args(places);
    done(doctor)
}

fn names_in(report: &Value) -> Vec<&str> {
    let locks = report["locks"].as_array().unwrap().iter();
    locks.map(|l| l["path"].as_str().unwrap().rsplit(['/', '\\']).next().unwrap()).collect()
}

#[test]
fn a_healthy_directory() {
    let place = Place::new();
    let holder = Holder::start(&[], &place.file());
    let ours = inode(&place.lock());
    let found = doctor(&["--json"], &[place.dir()]).expect(0).json();
    let mut keys: Vec<_> = found.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["litter", "locks", "obstructed", "removed", "schema"]);
    assert_eq!(
        (&found["schema"], &found["removed"], &found["litter"]),
        (&json!(1), &json!(0), &json!([]))
    );
    assert_eq!(names_in(&found), ["s.jsonl.lock"]);
    let lock = &found["locks"][0];
    assert_eq!((&lock["state"], &lock["removed"]), (&json!("held"), &json!(false)));
    let inspected = common::inspected(&place.file());
    for key in inspected.as_object().unwrap().keys() {
        assert!(lock.get(key).is_some(), "{key}");
    }
    // An old age is reported, and nothing to fix.
    let aged =
        doctor(&["--json", "--fix", "--stale-after", "1ms"], &[place.dir()]).expect(0).json();
    assert_eq!(aged["locks"][0]["state"], "aged");
    assert_eq!(inode(&place.lock()), ours);
    holder.end();
}

#[test]
fn stale_locks_are_found_sorted_and_removed_on_request() {
    let place = Place::new();
    let other = Place::new();
    for name in ["z.jsonl.lock", "a.jsonl.lock", "m.jsonl.lock"] {
        std::fs::write(place.at(name), DEAD).unwrap();
    }
    std::fs::write(other.at("b.jsonl.lock"), DEAD).unwrap();
    // Not session locks: other names, the sessions themselves, and a young file without owner.
    for name in ["x.lock", "a.jsonl", "notes.jsonl.lock.bak", ".jsonl.lockx"] {
        std::fs::write(place.at(name), DEAD).unwrap();
    }
    std::fs::write(place.at("young.jsonl.lock"), "").unwrap();
    let holder = Holder::start(&[], &place.at("held.jsonl"));
    let before = place.names();

    let places = [other.dir(), place.dir()];
    let found = doctor(&["--json"], &places).expect(3).json();
    assert_eq!(found["removed"], 0);
    let all = found["locks"].as_array().unwrap();
    let paths: Vec<_> = all.iter().map(|l| l["path"].as_str().unwrap()).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    assert_eq!(all.len(), 6);
    assert_eq!(place.names(), before);

    let fixed = doctor(&["--json", "--fix"], &places).expect(0).json();
    assert_eq!(fixed["removed"], 4);
    for lock in fixed["locks"].as_array().unwrap() {
        assert_eq!(lock["removed"], lock["state"] == "stale", "{lock:#}");
    }
    let left = ["x.lock", "a.jsonl", "notes.jsonl.lock.bak", ".jsonl.lockx", "young.jsonl.lock"];
    let mut left: Vec<_> = left.into_iter().chain(["held.jsonl.lock"]).collect();
    left.sort_unstable();
    assert_eq!(place.names(), left);
    assert_eq!(other.names(), [""; 0]);
    // Nothing is left to fix.
    let text = doctor(&[], &places).expect(0).out;
    assert_eq!(text.lines().last(), Some("2 locks, 0 stale, 0 removed"));
    holder.end();
}

/// A sweep does not ask how long a lock is held, even where a contender would reclaim it.
#[test]
fn an_overdue_holder_is_left() {
    let place = Place::new();
    let holder = Holder::start(&["--max-hold", PROMISE], &place.file());
    assert!(os::Process::of(holder.tool.pid()).stop());
    std::thread::sleep(Duration::from_millis(400) * os::PATIENCE);
    let report = common::inspected(&place.file());
    assert_eq!(report["reasons"], json!(["hold-exceeded"]));
    let found = doctor(&["--json", "--fix"], &[place.dir()]).expect(0).json();
    assert_eq!((&found["locks"][0]["state"], &found["removed"]), (&json!("held"), &json!(0)));
    assert!(place.lock().exists());
}

#[test]
fn litter_of_crashes() {
    let place = Place::new();
    let owned = ".01234567-00000000000000ff.lock-stage";
    for name in [STAGE, owned, "x.lock-stage", ".0123-4567.lock-stage"] {
        std::fs::write(place.at(name), "{").unwrap();
    }
    let tomb = ".01234567-0123456789abcdef.lock-tomb";
    let full_tomb = ".01234567-0123456789abcde0.lock-tomb";
    std::fs::create_dir(place.at(tomb)).unwrap();
    std::fs::write(place.at(tomb).join("owner.json"), DEAD).unwrap();
    std::fs::create_dir(place.at(full_tomb)).unwrap();
    std::fs::write(place.at(full_tomb).join("foreign"), "precious").unwrap();
    // As a process does that is just about to publish it.
    let stager = HeldByte::take(&place.at(owned), Byte::Owner);
    let before = place.names();

    let found = doctor(&["--json"], &[place.dir()]).expect(3).json();
    let paths = json!([place.at(STAGE).to_str(), place.at(tomb).to_str()]);
    assert_eq!((&found["litter"], &found["locks"]), (&paths, &json!([])));
    assert_eq!(place.names(), before);

    let fixed = doctor(&["--fix"], &[place.dir()]).expect(0).out;
    assert!(fixed.contains(&format!("{}: removed", place.at(STAGE).display())), "{fixed}");
    assert!(fixed.contains(&format!("{full_tomb}: holds files that are not ours")), "{fixed}");
    assert_eq!(place.names(), [".0123-4567.lock-stage", owned, full_tomb, "x.lock-stage"]);
    assert!(place.at(full_tomb).join("foreign").exists());

    drop(stager);
    doctor(&["--fix"], &[place.dir()]).expect(0);
    assert!(!place.at(owned).exists());
}

/// Somebody stopped in the middle of a removal is named: it has to go on, or go.
#[test]
fn a_stale_lock_that_somebody_is_at_work_on() {
    let place = Place::new();
    std::fs::write(place.lock(), DEAD).unwrap();
    let stopped = HeldByte::take(&place.lock(), Byte::Binding);
    let busy = doctor(&["--fix"], &[place.dir()]).expect(1);
    let pid = format!("(pid {})", std::process::id());
    assert!(busy.err.contains(&pid) || !cfg!(target_os = "linux"), "{pid}: {}", busy.err);
    drop(stopped);
    assert!(place.lock().exists());
    doctor(&["--fix"], &[place.dir()]).expect(0);
}

#[test]
fn the_statuses_and_which_one_wins() {
    let place = Place::new();
    doctor(&["--json", "--fix"], &[place.at("missing")]).expect(0);
    doctor(&[], &[place.at("missing"), place.dir()]).expect(0);
    std::fs::write(place.at("file"), "").unwrap();
    doctor(&[], &[place.at("file")]).expect(1);
    std::fs::write(place.lock(), DEAD).unwrap();
    doctor(&[], &[place.dir()]).expect(3);
    let mixed = doctor(&["--json"], &[place.at("file"), place.dir()]).expect(1);
    assert_eq!(names_in(&mixed.json()), ["s.jsonl.lock"]);
    let mixed = doctor(&["--json", "--fix"], &[place.at("file"), place.dir()]).expect(1);
    assert_eq!(mixed.json()["removed"], 1);
    assert_eq!(place.names(), ["file"]);
    std::fs::write(place.at(STAGE), "").unwrap();
    doctor(&[], &[place.dir()]).expect(3);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_removed() {
    let place = Place::new();
    std::fs::create_dir(place.at("d")).unwrap();
    std::fs::write(place.at("d/s.jsonl.lock"), DEAD).unwrap();
    common::chmod(&place.at("d"), 0o555);
    common::chmod(&place.at("d/s.jsonl.lock"), 0o666);
    for (options, code) in [(&["--json"][..], 3), (&["--json", "--fix"], 1)] {
        let mut command = common::as_nobody(&place);
        command.args(["session", "doctor"]).args(options).arg(place.at("d"));
        let found = done(command).expect(code);
        assert_eq!(found.json()["locks"][0]["state"], "stale");
        assert_eq!(found.json()["removed"], 0);
        assert_eq!(found.err.contains("cannot remove"), code == 1, "{}", found.err);
    }
    assert!(place.at("d/s.jsonl.lock").exists());
    common::chmod(&place.at("d"), 0o755);
}

#[rstest]
#[cfg_attr(unix, case("fifo"))]
#[case("directory")]
#[cfg_attr(unix, case("dangling"))]
fn things_that_are_no_locks(#[case] what: &str) {
    let place = Place::new();
    make(what, &place.lock());
    let before = inode(&place.lock());
    let found = doctor(&["--json", "--fix"], &[place.dir()]).expect(0).json();
    assert_eq!(found["locks"][0]["state"], "unverifiable");
    assert_eq!(inode(&place.lock()), before);
}

/// Reached through a link, it is one directory: the locks are named by their real path.
#[cfg(unix)]
#[test]
fn a_linked_directory() {
    let place = Place::new();
    std::fs::create_dir(place.at("real")).unwrap();
    std::os::unix::fs::symlink("real", place.at("link")).unwrap();
    let holder = Holder::start(&[], &place.at("link/s.jsonl"));
    let lock = place.at("real/s.jsonl.lock");
    let mut copy = record(&lock);
    copy["owner"].as_object_mut().unwrap().remove("kernelLock");
    write_record(&place.at("real/copy.jsonl.lock"), &copy);
    let found = doctor(&["--json"], &[place.at("link")]).expect(0).json();
    assert_eq!(found["locks"][1]["path"], lock.to_str().unwrap());
    // The copy's owner lives: by pid, start time and process id.
    assert_eq!(found["locks"][0]["state"], "held");
    holder.end();
}
