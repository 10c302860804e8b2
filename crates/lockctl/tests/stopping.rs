//! `session run` stops its command: in time to keep its promise, or because the lock was lost.

mod common;

use std::path::Path;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

use common::command::{exits, stays};
#[cfg(unix)]
use common::waiter;
use common::{Holder, Place, Running, by_hand, ends, inode, os, record, replace, run};
use rstest::rstest;

/// When the owner of a lock took it, on the clock that all processes share.
fn taken_at(record: &serde_json::Value) -> Duration {
    let nanos = record["owner"]["monotonicNs"].as_str().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

#[cfg(unix)]
#[test]
fn a_command_that_obeys_is_asked_before_its_time_is_up() {
    let place = Place::new();
    let command = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let started = Instant::now();
    let tool = Running::start(run(&["--max-hold", "2s"], &place.file(), &["sh", "-c", command]));
    assert_eq!(tool.out.next(), "ready");
    assert_eq!(tool.out.next(), "bye");
    // A quarter before the end.
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(tool.code(), 124);
    let told = tool.err.rest();
    let expected = "lockctl: the command was stopped: it may hold the lock for 2.0s at most";
    assert_eq!(told, [expected]);
    assert!(place.names().is_empty());
}

#[test]
fn a_command_that_ends_by_itself_is_not_blamed() {
    let place = Place::new();
    let tool = Running::start(run(&["--max-hold", "5s"], &place.file(), &exits(4)));
    assert_eq!(tool.code(), 4);
}

/// It is killed just before the end, and only then the successor starts: not one line of the
/// one follows the first line of the other.
#[cfg(unix)]
#[test]
fn a_command_that_does_not_obey_never_meets_its_successor() {
    let place = Place::new();
    let log = place.at("log");
    let stubborn = "trap '' TERM; echo ready; while :; do echo first >> \"$0\"; done";
    let command = ["sh", "-c", stubborn, log.to_str().unwrap()];
    let tool = Running::start(run(&["--max-hold", "1s"], &place.file(), &command));
    assert_eq!(tool.out.next(), "ready");
    let before = record(&place.lock());
    let command = "cat \"$LOCKCTL_LOCK\" > \"$0.record\"; echo second >> \"$0\"; sleep 0.3";
    let command = ["sh", "-c", command, log.to_str().unwrap()];
    let successor = waiter(&["--timeout", "1m"], &place.file(), &command);
    assert_eq!(tool.code(), 124);
    assert_eq!(successor.code(), 0);

    let text = std::fs::read_to_string(&log).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.rfind(|line| *line == "first"), Some("first"));
    let last_line = text.lines().last().unwrap();
    assert_eq!(last_line, "second");
    let after = record(&place.at("log.record"));
    let held = taken_at(&after) - taken_at(&before);
    // Not stopped much too early either: SIGTERM alone would come at 750 ms.
    assert!(held >= Duration::from_millis(900), "{held:?}");
    println!("handed over {held:?} after it was taken for 1 s");
}

#[rstest]
#[case::removed(false)]
#[case::replaced(true)]
fn the_lock_file_is_lost_by_hand(#[case] replaced: bool) {
    let place = Place::new();
    let holder = Holder::start(&[], &place.file());
    let other = place.at("other");
    std::fs::write(&other, "{\"pid\": 1}\n").unwrap();
    let theirs = inode(&other);
    if replaced {
        replace(&place.lock(), &other);
    } else {
        by_hand(&place.lock());
    }
    assert_eq!(holder.tool.code(), 70);
    assert!(ends(holder.command, Duration::ZERO), "the command goes on");
    holder.tool.err.until("was lost while the command ran");
    if replaced {
        assert_eq!(inode(&place.lock()), theirs);
        assert_eq!(std::fs::read_to_string(place.lock()).unwrap(), "{\"pid\": 1}\n");
    } else {
        assert_eq!(place.names(), ["other"]);
    }
}

/// The command that lost its lock gets the same two signals as one whose time is up.
#[cfg(unix)]
#[test]
fn a_stubborn_command_that_lost_its_lock_is_killed() {
    let place = Place::new();
    let command = "trap 'echo asked' TERM; echo $$; while :; do sleep 0.01; done";
    let holder = Holder::by(run(&["--max-hold", "4s"], &place.file(), &["sh", "-c", command]));
    by_hand(&place.lock());
    assert_eq!(holder.tool.out.next(), "asked");
    assert_eq!(holder.tool.code(), 70);
    assert!(ends(holder.command, Duration::ZERO));
}

/// The directory with the lock in it is somewhere else: the path does not lead to it any more.
#[cfg(unix)]
#[test]
fn the_directory_is_moved_away() {
    let place = Place::new();
    let holder = Holder::start(&[], &place.at("d/s.jsonl"));
    let before = inode(&place.at("d/s.jsonl.lock"));
    replace(&place.at("e"), &place.at("d"));
    // No event tells of it: the tick does.
    assert_eq!(holder.tool.code(), 70);
    assert_eq!(inode(&place.at("e/s.jsonl.lock")), before);
}

/// A tool that is stopped cannot stop its command. Past its promise it is evicted, not before,
/// and it finds out as soon as it goes on.
#[test]
fn evicted_while_stopped() {
    let place = Place::new();
    let holder = Holder::start(&["--max-hold", "1s"], &place.file());
    let before = record(&place.lock());
    let tool = os::Process::of(holder.tool.pid());
    assert!(tool.stop());
    let contender = run(&["--timeout", "1m"], &place.file(), &stays());
    let successor = Holder::by(contender);
    successor.tool.err.until("hold-exceeded");
    let (theirs, after) = (inode(&place.lock()), record(&place.lock()));
    let held = taken_at(&after) - taken_at(&before);
    assert!(held > Duration::from_secs(1), "evicted after {held:?}");
    println!("evicted {:?} after the promise", held - Duration::from_secs(1));
    assert!(!ends(holder.command, Duration::ZERO), "nobody could stop it");

    assert!(tool.go_on());
    assert_eq!(holder.tool.code(), 70);
    assert!(ends(holder.command, Duration::ZERO));
    assert_untouched(&place.lock(), theirs, &after);
    assert!(successor.tool.lives_for(Duration::from_millis(50)));
    successor.end();
    assert!(place.names().is_empty());
}

fn assert_untouched(lock: &Path, theirs: u64, after: &serde_json::Value) {
    assert_eq!((inode(lock), &record(lock)), (theirs, after));
}

/// Inside its promise a stopped holder keeps the lock, although nothing of it moves.
#[test]
fn respected_while_stopped() {
    let place = Place::new();
    let holder = Holder::start(&["--max-hold", "1m"], &place.file());
    let ours = inode(&place.lock());
    let both = [holder.command, holder.tool.pid()].map(os::Process::of);
    assert!(both.iter().all(|process| process.stop()));
    let late = Running::start(run(&["--timeout", "500ms"], &place.file(), &exits(0)));
    assert_eq!(late.code(), 75);
    assert_eq!(inode(&place.lock()), ours);
    assert!(both.iter().all(|process| process.go_on()));
    holder.end();
}
