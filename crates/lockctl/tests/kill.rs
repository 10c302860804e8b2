//! Holders that are killed: with their command, without it, and as zombies.

mod common;

use std::time::{Duration, Instant};

use common::command::exits;
use common::{Holder, Place, Running, done, kill_both, os, run, session, waiter};
#[cfg(target_os = "linux")]
use common::{ends, finding, inode, inspected, record, send, write_record};
#[cfg(target_os = "linux")]
use rustix::process::Signal;

#[test]
fn a_waiter_has_the_lock_at_once() {
    const ROUNDS: usize = if cfg!(windows) { 5 } else { 20 };
    let place = Place::new();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let holder = Holder::start(&[], &place.file());
            let next = waiter(&["--timeout", "1m"], &place.file(), &exits(0));
            // Past the probes with which a wait begins.
            std::thread::sleep(Duration::from_millis(30));
            let killed = Instant::now();
            kill_both(&holder);
            let lines = [next.err.next(), next.err.next()];
            let time = killed.elapsed();
            assert!(lines[0].contains("lock-released"), "{lines:?}");
            assert!(lines[1].contains("got the lock after"), "{lines:?}");
            assert_eq!((next.code(), holder.tool.code()), (0, 137));
            time
        })
        .collect();
    times.sort();
    let (median, longest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    println!("kill -9 to acquired, {ROUNDS} rounds: p50 {median:?}, max {longest:?}");
    // Without an event it is found out by a poll, most of 100 ms later.
    let limit = Duration::from_millis(if cfg!(windows) { 100 } else { 25 });
    assert!(median < limit * os::PATIENCE, "{times:?}");
    assert!(longest < Duration::from_secs(1) * os::PATIENCE, "{times:?}");
    assert!(place.names().is_empty());
}

/// The command may still write: it inherited the lock, and keeps it.
#[cfg(target_os = "linux")]
#[test]
fn the_tool_alone() {
    let place = Place::new();
    let mut holder = Holder::start(&[], &place.file());
    let ours = inode(&place.lock());
    holder.tool.signal(Signal::KILL);
    assert_eq!(holder.tool.code(), 137);

    for reaped in [false, true] {
        let late = done(run(&["--timeout", "100ms"], &place.file(), &exits(0))).expect(75);
        let told = "is dead, but a process that inherited its open file is alive";
        assert!(late.err.contains(told), "{reaped}: {}", late.err);
        assert!(late.err.contains(" alive=true "), "{reaped}: {}", late.err);
        let report = inspected(&place.file());
        assert_eq!((&report["state"], &report["verdict"]), (&"held".into(), &"alive".into()));
        assert_eq!(finding(&report, "kernel-lock"), "held");
        assert_eq!(finding(&report, "pid"), if reaped { "gone" } else { "exited" });
        let heir = format!("(pid {})", holder.command);
        assert!(report.to_string().contains(&heir), "{heir}: {report:#}");
        let mut text = session("inspect", &[]);
        text.arg(place.file());
        let text = done(text).expect(0).out;
        let heir = format!("Pid {} (sleep) inherited the lock.", holder.command);
        assert!(text.contains(&heir), "{text}");
        if !reaped {
            // The number stays its group's: the command is in it.
            holder.tool.reap();
        }
    }
    assert_eq!(inode(&place.lock()), ours);

    let next = waiter(&["--timeout", "1m"], &place.file(), &exits(0));
    send(holder.command, Signal::KILL);
    assert_eq!(next.code(), 0);
    assert!(place.names().is_empty());
}

/// … but not for longer than was promised, now that nobody can stop it.
#[cfg(target_os = "linux")]
#[test]
fn the_tool_alone_and_past_its_promise() {
    let place = Place::new();
    let holder = Holder::start(&["--max-hold", "1s"], &place.file());
    let taken = |lock: &std::path::Path| -> Duration {
        let nanos = record(lock)["owner"]["monotonicNs"].as_str().unwrap().parse().unwrap();
        Duration::from_nanos(nanos)
    };
    let before = taken(&place.lock());
    holder.tool.signal(Signal::KILL);
    let command = ["sh", "-c", "echo $$; exec sleep 1000"];
    let next = Holder::by(run(&["--timeout", "1m"], &place.file(), &command));
    next.tool.err.until("hold-exceeded");
    let held = taken(&place.lock()) - before;
    assert!(held > Duration::from_secs(1), "{held:?}");
    assert!(!ends(holder.command, Duration::ZERO));
    // The heir of an evicted lock keeps nobody from its successor.
    send(holder.command, Signal::KILL);
    next.end();
    assert!(place.names().is_empty());
}

/// A zombie answers to its pid. Its record counts for nothing, whether or not it claims the
/// kernel lock.
#[cfg(target_os = "linux")]
#[test]
fn an_unreaped_holder() {
    let place = Place::new();
    let mut holder = Holder::start(&[], &place.file());
    let mut copy = record(&place.lock());
    copy["owner"].as_object_mut().unwrap().remove("kernelLock").unwrap();
    kill_both(&holder);
    assert_eq!(holder.tool.code(), 137);
    assert!(ends(holder.command, common::LONG));
    assert_eq!(common::state_of(holder.tool.pid()), Some('Z'));

    let origin = serde_json::json!({
        "pid": copy["pid"], "createdAt": copy["createdAt"], "starttime": copy["starttime"],
    });
    for (name, record, reason, pid) in [
        ("s", None, "lock-released", "exited"),
        ("unclaimed", Some(&copy), "dead-pid", "exited"),
        ("origin", Some(&origin), "dead-pid", "exited"),
    ] {
        let file = place.at(&format!("{name}.jsonl"));
        let lock = place.at(&format!("{name}.jsonl.lock"));
        if let Some(record) = record {
            write_record(&lock, record);
        }
        let report = inspected(&file);
        assert_eq!(report["state"], "stale", "{report:#}");
        assert_eq!(report["reasons"], serde_json::json!([reason]));
        assert_eq!(finding(&report, "pid"), pid, "{name}");
        let took = done(run(&["--timeout", "0"], &file, &exits(0))).expect(0);
        assert!(took.err.contains(reason), "{}", took.err);
    }
    holder.tool.reap();
    assert!(place.names().is_empty());
}

/// A tool that is killed while it waits, or just when it got the lock, leaves nothing that
/// stands in anybody's way.
#[test]
fn killed_at_any_time() {
    let place = Place::new();
    for round in 0..40_u64 / u64::from(os::PATIENCE) {
        let tool = Running::start(run(&["--quiet"], &place.file(), &exits(0)));
        std::thread::sleep(Duration::from_micros(round * 100) * os::PATIENCE * os::PATIENCE);
        tool.kill();
        let code = tool.code();
        assert!(code == 0 || code == 137, "{code}");
        done(run(&["--timeout", "30s", "--quiet"], &place.file(), &exits(0))).expect(0);
    }
    done(session("doctor", &["--fix", place.dir().to_str().unwrap()])).expect(0);
    assert!(place.names().is_empty());
}
