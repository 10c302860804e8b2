//! This program started again, as other processes that want the lock.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::bottom_up;
#[cfg(unix)]
use crate::leftovers;
use crate::root::{Inside, lock_of};
#[cfg(unix)]
use crate::slow_path;

/// The roles: each takes the root and a number.
pub(crate) fn act(role: &str, root: &Path, number: &str) {
    match role {
        "once" => once(root),
        "hold" => {
            let guard = lock_of(root).acquire().unwrap();
            println!("held");
            let _ = std::io::stdin().read_line(&mut String::new());
            drop(guard);
        }
        #[cfg(target_os = "linux")]
        "outlives" => {
            let guard = lock_of(root).acquire().unwrap();
            println!("held");
            let _ = std::io::stdin().read_line(&mut String::new());
            drop(guard);
            println!("released");
            let _ = std::io::stdin().read_line(&mut String::new());
        }
        "rounds" => rounds(root, number),
        "loop" => loop_for_ever(root, number),
        #[cfg(unix)]
        "slow" => {
            let seed = number.parse().unwrap();
            slow_path::hammer(root, &format!("p{number}"), seed, 60, false);
        }
        #[cfg(unix)]
        "stall" => leftovers::stall(root, number),
        "bottom-up" => bottom_up::once(root),
        other => panic!("no role {other}"),
    }
}

/// Takes the lock, as an installer that runs once.
fn once(root: &Path) {
    let who = std::process::id().to_string();
    let done = runtime_deps_lock::with_lock(root, options(), || Inside::begin(root, who).end());
    done.unwrap();
}

fn options() -> runtime_deps_lock::DepsOptions {
    runtime_deps_lock::DepsOptions::default().timeout(std::time::Duration::from_secs(60))
}

/// One acquisition for each line it is told.
fn rounds(root: &Path, name: &str) {
    let lock = lock_of(root);
    for line in std::io::stdin().lines() {
        let guard = lock.acquire().unwrap();
        let inside = Inside::begin(root, format!("{name}-{}", line.unwrap()));
        assert!(guard.is_held());
        inside.end();
        assert!(matches!(guard.release(), runtime_deps_lock::ReleaseOutcome::Released));
        println!("done");
    }
}

/// Takes and releases it until it is killed.
fn loop_for_ever(root: &Path, name: &str) {
    let lock = lock_of(root);
    println!("ready");
    loop {
        let guard = lock.acquire().unwrap();
        Inside::begin(root, name.to_owned()).end();
        drop(guard);
    }
}

/// An actor and the pipes to it. Killed and reaped when dropped.
pub(crate) struct Actor {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Actor {
    pub(crate) fn start(role: &str, root: &Path, number: impl ToString) -> Self {
        let mut child = command(role, root, number)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().unwrap());
        Self { child, to, from }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the actor ended without a word");
        line
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes its input and waits for it to end well.
    pub(crate) fn join(mut self) {
        drop(self.to.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program in the given role.
pub(crate) fn command(role: &str, root: &Path, number: impl ToString) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--role").arg(role).arg(root).arg(number.to_string());
    command
}
