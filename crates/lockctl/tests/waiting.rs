//! `session run` against a held lock: how long it waits, what it says meanwhile and at last.

mod common;

use std::time::{Duration, Instant};

use common::command::{exits, stays, writes};
use common::{Holder, Place, Running, done, inode, os, record, run, waiter};

#[test]
fn a_held_lock_is_waited_for_and_its_holder_told() {
    let place = Place::new();
    let holder = Holder::start(&["--label", "the other one"], &place.file());
    let inode_before = inode(&place.lock());

    let started = Instant::now();
    let timeout = 200 * u128::from(os::PATIENCE);
    let within = format!("{timeout}ms");
    let late = done(run(&["--timeout", &within], &place.file(), &exits(0))).expect(75);
    assert!(started.elapsed().as_millis() >= timeout);
    let told: Vec<_> = late.err.lines().collect();
    assert!(told[0].starts_with("lockctl: waiting for "), "{told:?}");
    let pid = holder.tool.pid();
    let first =
        format!("lockctl: session file locked (timeout {within}): pid={pid} alive=true ageMs=");
    let age_and_path = told[1].strip_prefix(&first).unwrap_or_else(|| panic!("{told:?}"));
    let (age, path) = age_and_path.split_once(' ').unwrap();
    assert!(age.parse::<u128>().unwrap() >= timeout);
    assert_eq!(path, place.lock().to_str().unwrap());
    let name = format!("(lockctl{}, \"the other one\")", std::env::consts::EXE_SUFFIX);
    for part in [name.as_str(), "since: 20", "kernel-lock: held"] {
        assert!(late.err.contains(part), "{part}: {}", late.err);
    }
    assert_eq!(inode(&place.lock()), inode_before);
    holder.end();
    assert!(place.names().is_empty());
}

/// One line that fits, again and again in the same place: how long, for whom, on what evidence,
/// since when, until when at the longest.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_shows_one_line() {
    let place = Place::new();
    let holder = Holder::start(&[], &place.file());
    let line = |options: &str| {
        let file = place.file();
        format!("exec \"$LOCKCTL\" session run {options} '{}' -- true", file.display())
    };
    let seen = common::terminal::shown(&line("--timeout 300ms"));
    let (status, error) = seen.split_once("lockctl: session file locked").expect("the error");
    let drawn = status.split('\r').map(|part| part.trim_start_matches("\x1b[2K").trim_end());
    let drawn: Vec<_> = drawn.filter(|part| !part.is_empty()).collect();
    assert!(!drawn.is_empty() && !status.contains('\n'), "{status:?}");
    for text in drawn {
        assert!(text.chars().count() <= 80, "{text:?}");
        let owner = format!("pid {} (lockctl)", holder.tool.pid());
        let parts: Vec<_> = text.split(" · ").collect();
        assert_eq!((parts[1], parts[2]), (owner.as_str(), "kernel lock"), "{text:?}");
        assert!(parts[0].ends_with("ms left") && parts[3].starts_with("held "), "{text:?}");
        assert!(parts[4].starts_with("stale in 4m"), "{text:?}");
    }
    assert!(error.contains("It is free as soon as"), "{error}");
    let seen = common::terminal::shown(&line("--quiet --timeout 50ms"));
    assert!(seen.starts_with("lockctl: session file locked"), "{seen:?}");
}

#[test]
fn a_lock_of_old_age_is_called_stale_and_left() {
    let place = Place::new();
    let _holder = Holder::start(&[], &place.file());
    let options = ["--timeout", "100ms", "--stale-after", "1ms", "--quiet"];
    let late = done(run(&options, &place.file(), &exits(0))).expect(75);
    assert!(late.err.starts_with("lockctl: session file lock stale (too-old): pid="), "{late:?}");
}

#[test]
fn zero_tries_once_and_forever_goes_on() {
    let place = Place::new();
    let holder = Holder::start(&[], &place.file());
    let at_once = done(run(&["--timeout", "0"], &place.file(), &exits(0))).expect(75);
    assert!(at_once.err.starts_with("lockctl: session file locked (timeout 0ms): "), "{at_once:?}");
    let first = waiter(&["--timeout", "forever"], &place.file(), &exits(0));
    holder.end();
    assert_eq!(first.code(), 0);
    // A stale lock is reclaimed and taken even so.
    std::fs::write(place.lock(), r#"{"pid": 4194304, "createdAt": "2020-01-01T00:00:00Z"}"#)
        .unwrap();
    let took = done(run(&["--timeout", "0"], &place.file(), &exits(0))).expect(0);
    assert!(took.err.contains("dead-pid"), "{}", took.err);
}

#[test]
fn one_line_at_each_end_of_a_wait() {
    let place = Place::new();
    let holder = Holder::start(&["--label", "him"], &place.file());
    let loud = waiter(&[], &place.file(), &exits(0));
    let quiet = Running::start(run(&["--quiet"], &place.file(), &exits(0)));
    assert!(quiet.lives_for(Duration::from_millis(1500)));
    holder.end();
    assert_eq!((loud.code(), quiet.code()), (0, 0));
    // The first line was read by `waiter`.
    let rest = loud.err.rest();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert!(rest[0].starts_with("lockctl: got the lock after "), "{rest:?}");
    assert_eq!(quiet.err.rest(), [""; 0]);
}

#[test]
fn the_environment_sets_the_defaults() {
    let place = Place::new();
    let name = |what| format!("OPENCLAW_SESSION_WRITE_LOCK_{what}");
    let mut holding = run(&[], &place.file(), &stays());
    holding.env(name("MAX_HOLD_MS"), "123456");
    let holder = Holder::by(holding);
    assert_eq!(record(&place.lock())["maxHoldMs"], 123_456);
    let mut late = run(&[], &place.file(), &exits(0));
    late.env(name("ACQUIRE_TIMEOUT_MS"), "30").env(name("STALE_MS"), "5");
    assert!(done(late).expect(75).err.contains("session file lock stale (too-old)"));
    let mut explicit = run(&["--timeout", "20ms"], &place.file(), &exits(0));
    explicit.env(name("ACQUIRE_TIMEOUT_MS"), "Infinity").env(name("STALE_MS"), "0");
    assert!(done(explicit).expect(75).err.contains("locked (timeout 20ms)"));
    holder.end();
}

const TURNS: usize = 10;

#[test]
fn appends_of_two_writers_never_interleave() {
    let place = Place::new();
    // Each turn writes its lines one by one, opening the file for each.
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..TURNS {
                    let turn = writes(name, &place.file());
                    done(run(&["--quiet"], &place.file(), &turn)).expect(0);
                }
            });
        }
    });
    let text = std::fs::read_to_string(place.file()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3 * TURNS * 5);
    for turn in lines.chunks(5) {
        let name = turn[0].split(' ').next().unwrap();
        let expected: Vec<_> = (1..=5).map(|n| format!("{name} {n}")).collect();
        assert_eq!(turn, expected);
    }
    assert_eq!(place.names(), ["s.jsonl"]);
}
