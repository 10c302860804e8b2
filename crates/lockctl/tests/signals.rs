//! `session run` and signals: what is passed on to the command, what is not, what is ignored.
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Holder, Place, done, ends, run, send, sh};
use rstest::rstest;
use rustix::process::Signal;

#[rstest]
#[case(Signal::INT, "INT")]
#[case(Signal::TERM, "TERM")]
#[case(Signal::HUP, "HUP")]
#[case(Signal::QUIT, "QUIT")]
fn sent_to_the_tool_alone(#[case] signal: Signal, #[case] name: &str) {
    let place = Place::new();
    // A command with its own answer, and one without.
    let script =
        format!("trap 'echo {name}; exit 9' {name}; echo $$; while :; do sleep 0.01; done");
    let holder = Holder::by(run(&[], &place.file(), &["sh", "-c", &script]));
    holder.tool.signal(signal);
    assert_eq!(holder.tool.out.next(), name);
    assert_eq!(holder.tool.code(), 9);
    assert!(place.names().is_empty());

    let holder = Holder::start(&[], &place.file());
    holder.tool.signal(signal);
    assert_eq!(holder.tool.code(), 128 + signal.as_raw());
    assert!(ends(holder.command, Duration::ZERO));
    assert!(place.names().is_empty());
}

#[test]
fn nohup_keeps_the_hangup_from_both() {
    let place = Place::new();
    let line = "exec nohup \"$LOCKCTL\" session run \"$0\" -- sh -c 'echo $$; exec sleep 1000'";
    let mut command = sh(line);
    command.arg(place.file());
    let holder = Holder::by(command);
    holder.tool.signal(Signal::HUP);
    send(holder.command, Signal::HUP);
    assert!(holder.tool.lives_for(Duration::from_millis(300)));
    assert!(!ends(holder.command, Duration::ZERO));
    holder.tool.signal(Signal::TERM);
    assert_eq!(holder.tool.code(), 143);
}

/// A shell's background jobs ignore SIGINT, and so do theirs.
#[test]
fn what_is_ignored_stays_ignored() {
    let place = Place::new();
    let mut command = Command::new("env");
    command.args(["--ignore-signal=INT", env!("CARGO_BIN_EXE_lockctl"), "session", "run"]);
    command.arg(place.file()).args(["--", "sh", "-c", "echo $$; exec sleep 1000"]);
    let holder = Holder::by(command);
    holder.tool.signal(Signal::INT);
    send(holder.command, Signal::INT);
    assert!(holder.tool.lives_for(Duration::from_millis(300)));
    holder.end();
}

/// Where SIGCHLD is ignored the kernel reaps children, and their statuses are lost.
#[test]
fn a_parent_that_ignores_its_children() {
    let place = Place::new();
    let mut command = Command::new("env");
    command.args(["--ignore-signal=CHLD", env!("CARGO_BIN_EXE_lockctl"), "session", "run"]);
    command.arg(place.file()).args(["--", "sh", "-c", "exit 5"]);
    done(command).expect(5);
}

#[test]
fn blocked_signals_do_not_hang_it() {
    let place = Place::new();
    let mut command = Command::new("env");
    command.args(["--block-signal=CHLD,TERM", env!("CARGO_BIN_EXE_lockctl"), "session", "run"]);
    command.arg(place.file()).args(["--", "sh", "-c", "exit 6"]);
    done(command).expect(6);
}

/// While it waits for the lock it has nothing to look after: a signal ends it.
#[test]
fn while_it_waits() {
    let place = Place::new();
    let holder = Holder::start(&[], &place.file());
    let waiter = common::waiter(&[], &place.file(), &["true"]);
    waiter.signal(Signal::TERM);
    assert_eq!(waiter.code(), 143);
    holder.end();
    assert!(place.names().is_empty());
}

/// Ctrl-C reaches the terminal's whole foreground group: the command must not get it twice.
#[test]
fn a_terminals_own_signal_is_not_doubled() {
    let place = Place::new();
    let script = place.at("script");
    // `read` ends with each signal; what is printed in between cannot be merged.
    let text = "trap 'echo interrupted' INT\necho $$\nwhile :; do sleep 0.05; done\n";
    std::fs::write(&script, text).unwrap();
    let line = format!(
        "exec \"$LOCKCTL\" session run {} -- sh {}",
        place.file().display(),
        script.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    common::clean(&mut terminal);
    let mut terminal = terminal.spawn().expect("script(1), of util-linux");
    let mut out = BufReader::new(terminal.stdout.take().unwrap()).lines().map(Result::unwrap);
    let command: u32 = out.next().unwrap().trim().parse().unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(b"\x03").unwrap();
    assert!(out.next().unwrap().contains("interrupted"));
    // A second one would be on its way by now.
    assert!(!ends(command, Duration::from_millis(300)));
    send(command, Signal::TERM);
    let rest: Vec<String> = out.collect();
    assert!(!rest.iter().any(|line| line.contains("interrupted")), "{rest:?}");
    drop(keys);
    assert_eq!(terminal.wait().unwrap().code(), Some(143));
    assert_eq!(place.names(), ["script"]);
}
