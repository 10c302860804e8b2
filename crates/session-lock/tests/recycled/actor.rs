//! What the other processes do, this program started once more, and how they get their number.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use session_lock::{SessionLock, SessionOptions};

/// The number that comes back.
pub(crate) const PID: u32 = 300;

/// Holds a lock until it is killed, or its parent is gone.
pub(crate) fn hold(file: &Path) {
    wait();
    let _guard = SessionLock::new(file, SessionOptions::default()).unwrap().acquire().unwrap();
    println!("ready");
    wait();
}

pub(crate) fn idle() {
    wait();
    println!("ready");
    wait();
}

/// Until a line comes, or the one who writes it is gone.
fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// An actor with the number [`PID`], killed and reaped when dropped.
pub(crate) struct Actor(Child);

impl Actor {
    pub(crate) fn start(words: &[&str]) -> Self {
        // The number is free a moment after its last bearer was reaped or joined.
        loop {
            next_pid();
            let child = Command::new(std::env::current_exe().unwrap())
                .arg("--actor")
                .args(words)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut this = Self(child);
            if this.0.id() == PID {
                writeln!(this.0.stdin.as_mut().unwrap(), "go").unwrap();
                let mut line = String::new();
                BufReader::new(this.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
                assert_eq!(line, "ready\n");
                return this;
            }
        }
    }

    pub(crate) fn start_tick(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{PID}/stat")).unwrap();
        stat[stat.rfind(')').unwrap()..].split(' ').nth(20).unwrap().parse().unwrap()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Makes the next process or thread of this pid namespace get the number [`PID`].
pub(crate) fn next_pid() {
    std::fs::write("/proc/sys/kernel/ns_last_pid", (PID - 1).to_string()).unwrap();
}
