//! What an uncontended acquisition and release asks of the kernel: exactly the protocol's calls.

use std::fs;
use std::process::Command;

use session_lock::ReleaseOutcome;

use crate::actor::{Given, say};
use crate::support::Arena;

/// Between these two lines the actor takes and releases the lock once.
const BEGIN: &str = "measured from here";
const END: &str = "measured to here";

/// Takes and releases the lock a few times, for everything that is done once per process, and
/// then once more between two lines.
pub(crate) fn actor(given: &Given) {
    let lock = given.session_lock();
    let cycle = || {
        let outcome = lock.acquire().expect("nobody else is here").release();
        assert!(matches!(outcome, ReleaseOutcome::Released));
    };
    (0..10).for_each(|_| cycle());
    say(BEGIN);
    cycle();
    say(END);
}

/// The protocol's calls, in order: each is a step of it. (The first lock after a pause also asks for
/// this process's time namespace, which no process with a watchdog's thread can leave.) Calls that systems spell
/// differently have one name here.
const EXPECTED: [&str; 11] = [
    "openat",   // an unnamed file
    "fcntl",    // the owner byte
    "stat",     // device and inode, for the record
    "pwrite64", // the record
    "linkat",   // publication
    "fcntl",    // the binding byte
    "stat",     // still ours?
    "unlinkat", // release
    "fcntl",    // binding byte
    "fcntl",    // owner byte
    "close",
];

pub(crate) fn system_calls() {
    let arena = Arena::new();
    let trace = arena.path().join("trace");
    let status = Command::new("strace")
        .arg("-qq")
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().expect("this program"))
        .arg("actor:cost")
        .arg(format!("session={}", arena.session().display()))
        .stdout(std::process::Stdio::null())
        .status()
        .expect("strace can be started (`apt-get install strace`)");
    assert!(status.success());
    let trace = fs::read_to_string(&trace).expect("a trace");
    let measured = trace
        .lines()
        .skip_while(|line| !line.contains(BEGIN))
        .skip(1)
        .take_while(|line| !line.contains(END));
    let calls: Vec<_> = measured
        // A debug build of std checks each descriptor before it closes it.
        .filter(|line| !line.contains("F_GETFD"))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        // Who are we (a fork would show), and memory: neither is a file's business.
        .filter(|name| !matches!(*name, "getpid" | "brk" | "mmap" | "mmap2" | "munmap" | "futex"))
        .map(|name| match name {
            "fcntl64" => "fcntl",
            "fstat" | "fstat64" | "newfstatat" | "fstatat64" | "statx" => "stat",
            name => name,
        })
        .collect();
    println!("an uncontended acquire and release: {}", calls.join(" "));
    assert_eq!(calls, EXPECTED);
}
