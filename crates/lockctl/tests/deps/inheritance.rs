//! The command inherits the lock: killing `lockctl` alone frees nothing.

use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Root, SOON, deps, status, stderr};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("the_command_keeps_the_lock_of_a_killed_lockctl", killed),
    ("a_waiter_has_it_when_the_command_ends", handed_over),
];

fn killed() {
    let root = Root::new();
    let mut holder = root.hold();
    let command: i32 = holder.line.parse().unwrap();
    // Keeps `cat` waiting.
    let stdin = holder.child.stdin.take();
    let owner = holder.child.id();
    holder.kill();

    let inspection = root.inspect();
    assert_eq!((&inspection["state"], &inspection["verdict"]), (&"held".into(), &"alive".into()));
    assert_eq!(inspection["owner"]["pid"], owner);
    let evidence = inspection["evidence"].as_array().unwrap();
    let lock = evidence.iter().find(|e| e["source"] == "kernel-lock").unwrap();
    assert!(lock["detail"].as_str().unwrap().contains(&format!("(pid {command})")), "{lock}");
    let text = String::from_utf8(root.do_("inspect", &[]).stdout).unwrap();
    assert!(text.contains(&format!("Pid {command} (cat) inherited the lock.")), "{text}");

    let done = root.run("50ms", &["true"]);
    assert_eq!(status(&done), 75);
    assert!(stderr(&done).contains("a process that inherited its open file is alive"));

    drop(stdin);
    let done = root.run("20s", &["true"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert!(!root.lock().exists());
}

fn handed_over() {
    let root = Root::new();
    let mut holder = root.hold();
    let command = Pid::from_raw(holder.line.parse().unwrap()).unwrap();
    let stdin = holder.child.stdin.take();
    holder.kill();
    let mut waiter = deps("run");
    waiter.args(["--timeout", "60s"]).arg(root.path()).args(["--", "true"]);
    let mut waiter = waiter.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(waiter.try_wait().unwrap().is_none(), "it must wait for the command");
    let started = Instant::now();
    kill_process(command, Signal::KILL).unwrap();
    assert!(waiter.wait().unwrap().success());
    assert!(started.elapsed() < SOON);
    drop(stdin);
}
