//! `session break`: a human's override removes exactly the lock that was shown.

mod common;

use std::path::Path;
use std::time::Duration;

#[cfg(unix)]
use common::terminal::Asking;
use common::{Done, HeldByte, Holder, Place, done, ends, inode, make, session};
use lock_core::lockfile::sys::Byte;

const DEAD: &str = "{\"pid\": 4194304, \"createdAt\": \"2026-01-01T00:00:00Z\"}\n";

fn break_it(options: &[&str], file: &Path) -> Done {
    let mut command = session("break", options);
    command.arg(file);
    done(command)
}

#[test]
fn a_living_owners_lock() {
    let place = Place::new();
    let holder = Holder::start(&["--label", "stuck"], &place.file());
    // Nobody can be asked: stdin is no terminal.
    let refused = break_it(&[], &place.file()).expect(2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert!(place.lock().exists());

    let broke = break_it(&["--yes"], &place.file()).expect(0);
    assert!(broke.out.is_empty());
    let first = format!("{}: held", place.lock().display());
    assert_eq!(broke.err.lines().next(), Some(first.as_str()));
    assert!(broke.err.contains("\"stuck\""), "{}", broke.err);
    assert_eq!(holder.tool.code(), 70);
    assert!(ends(holder.command, Duration::ZERO));
    assert!(place.names().is_empty());
}

#[test]
fn by_its_own_path_and_only_itself() {
    let place = Place::new();
    for name in ["s.jsonl.lock", "t.jsonl.lock", "s.jsonl"] {
        std::fs::write(place.at(name), DEAD).unwrap();
    }
    break_it(&["--yes"], &place.lock()).expect(0);
    assert_eq!(place.names(), ["s.jsonl", "t.jsonl.lock"]);
    // Neither does it remove what it must not call a lock.
    break_it(&["--yes"], &place.lock()).expect(3);
    break_it(&["--yes"], &place.file()).expect(3);
    break_it(&["--yes"], &place.at("no/such/directory/s.jsonl")).expect(3);
    assert_eq!(place.names(), ["s.jsonl", "t.jsonl.lock"]);
}

/// A broken record names nobody who could let go of it: for that there is a human.
#[test]
fn a_young_file_without_an_owner() {
    let place = Place::new();
    std::fs::write(place.lock(), "}{").unwrap();
    break_it(&["--yes"], &place.file()).expect(0);
    assert!(place.names().is_empty());
}

#[test]
fn things_that_are_no_locks_stay() {
    let everywhere = ["directory"].iter();
    for what in everywhere.chain(if cfg!(unix) { &["fifo", "symlink"][..] } else { &[] }) {
        let place = Place::new();
        make(what, &place.lock());
        let before = inode(&place.lock());
        break_it(&["--yes"], &place.file()).expect(1);
        assert_eq!(inode(&place.lock()), before, "{what}");
    }
}

#[cfg(unix)]
#[test]
fn what_may_not_be_removed() {
    let place = Place::new();
    std::fs::create_dir(place.at("d")).unwrap();
    let lock = place.at("d/s.jsonl.lock");
    std::fs::write(&lock, DEAD).unwrap();
    // First the directory forbids it, then the lock.
    for (directory, file) in [(0o555, 0o666), (0o777, 0o644), (0o777, 0o000)] {
        common::chmod(&place.at("d"), directory);
        common::chmod(&lock, file);
        let root_owns_it = rustix::process::geteuid().is_root();
        if !root_owns_it && file == 0o644 {
            continue;
        }
        let mut command = common::as_nobody(&place);
        command.args(["session", "break", "--yes"]).arg(place.at("d/s.jsonl"));
        let denied = done(command).expect(1);
        assert!(denied.err.contains("cannot be removed"), "{}", denied.err);
        assert!(lock.exists());
    }
    common::chmod(&place.at("d"), 0o755);
}

#[cfg(unix)]
#[test]
fn asked_on_a_terminal() {
    let place = Place::new();
    std::fs::write(place.lock(), DEAD).unwrap();
    for no in ["n\n", "\n", "yep\n", "\u{4}"] {
        let (code, said) = Asking::about(&place.file()).answer(no);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("left alone"), "{said}");
        assert!(place.lock().exists(), "{no:?}");
    }
    for yes in ["y\n", "Y\n", "yes\n"] {
        std::fs::write(place.lock(), DEAD).unwrap();
        let (code, said) = Asking::about(&place.file()).answer(yes);
        assert_eq!(code, Some(0), "{said}");
        assert!(place.names().is_empty(), "{yes:?}");
    }
}

/// Between the question and the answer another lock took its place, or it was written anew.
#[cfg(unix)]
#[test]
fn changed_since_it_was_shown() {
    let place = Place::new();
    let others = DEAD.replace("4194304", "4194303");
    // Even a copy of what was shown is another lock.
    for (in_place, others) in [(false, others.as_str()), (false, DEAD), (true, &others)] {
        std::fs::write(place.lock(), DEAD).unwrap();
        let asking = Asking::about(&place.file());
        if in_place {
            std::fs::write(place.lock(), others).unwrap();
        } else {
            std::fs::write(place.at("other"), others).unwrap();
            common::replace(&place.lock(), &place.at("other"));
        }
        let theirs = inode(&place.lock());
        let (code, said) = asking.answer("y\n");
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("not the lock that was shown"), "{said}");
        assert_eq!(inode(&place.lock()), theirs);
        assert_eq!(std::fs::read_to_string(place.lock()).unwrap(), others);
    }
    // Gone by itself: nothing to remove.
    let asking = Asking::about(&place.file());
    common::by_hand(&place.lock());
    let (code, said) = asking.answer("y\n");
    assert_eq!(code, Some(3), "{said}");
}

/// While a fenced write goes on nobody removes the lock; the error says who it is.
#[test]
fn a_holder_that_is_writing() {
    let place = Place::new();
    std::fs::write(place.lock(), DEAD).unwrap();
    let writer = HeldByte::take(&place.lock(), Byte::Binding);
    let busy = break_it(&["--yes"], &place.file()).expect(1);
    let writers = format!("(pid {})", std::process::id());
    // Where the system tells who holds a byte.
    let told = busy.err.contains(&writers);
    assert!(told || !cfg!(target_os = "linux"), "{writers}: {}", busy.err);
    drop(writer);
    assert!(place.lock().exists());
    break_it(&["--yes"], &place.file()).expect(0);
}
