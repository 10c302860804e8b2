//! Processes beside the test: they cannot hang it, nor outlive it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{LONG, ends, raw, run, send};

/// A process group that runs beside the test, and ends with it.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: Lines::of(out), err: Lines::of(err) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for the end of the process and leaves it as a zombie: its status, 128+N for
    /// signal N.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        assert!(ends(self.pid(), LONG), "pid {} does not end", self.pid());
        let pid = WaitId::Pid(raw(self.pid()));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(pid, options).unwrap().unwrap();
        status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap())
    }

    /// Whether the process is still there, after giving it `time` to end.
    pub(crate) fn lives_for(&self, time: Duration) -> bool {
        !ends(self.pid(), time)
    }

    pub(crate) fn reap(&mut self) {
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The leader is at worst a zombie, or some of its group are left: the number is its own.
        let _ = kill_process_group(raw(self.pid()), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What a process writes, line by line.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    fn of(from: impl Read + Send + 'static) -> Self {
        let (to, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines() {
                let Ok(line) = line else { return };
                if to.send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    #[track_caller]
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(LONG).expect("a line was expected")
    }

    /// The first line that contains `part`.
    #[track_caller]
    pub(crate) fn until(&self, part: &str) -> String {
        loop {
            let line = self.next();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Everything up to the end, when all who can write are gone.
    #[track_caller]
    pub(crate) fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| match self.0.recv_timeout(LONG) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(e) => panic!("{e}: still somebody writes"),
        })
        .collect()
    }
}

/// A held lock: the tool runs a command that has told its pid and sleeps.
pub(crate) struct Holder {
    pub(crate) tool: Running,
    pub(crate) command: u32,
}

impl Holder {
    pub(crate) fn start(options: &[&str], file: &Path) -> Self {
        Self::by(run(options, file, &["sh", "-c", "echo $$; exec sleep 1000"]))
    }

    /// A command line that runs such a command.
    pub(crate) fn by(command: Command) -> Self {
        let tool = Running::start(command);
        let command = tool.out.next().parse().unwrap();
        Self { tool, command }
    }

    /// Lets the command end, and with it the tool.
    #[track_caller]
    pub(crate) fn end(self) {
        send(self.command, Signal::TERM);
        assert_eq!(self.tool.code(), 128 + 15);
    }
}

/// A contender that has said that it waits.
pub(crate) fn waiter(options: &[&str], file: &Path, command: &[&str]) -> Running {
    let waiter = Running::start(run(options, file, command));
    waiter.err.until("waiting for");
    waiter
}
