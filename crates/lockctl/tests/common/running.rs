//! Processes beside the test: they cannot hang it, nor outlive it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::os::command;
use super::{LONG, ends, run};

/// A process group that runs beside the test, and ends with it.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command::in_a_group(&mut command)
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

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        super::send(self.pid(), signal);
    }

    /// Kills it alone, with SIGKILL or what comes next to it.
    pub(crate) fn kill(&self) {
        assert!(super::os::Process::of(self.pid()).kill(), "it is there");
    }

    /// Kills it and all that it started.
    pub(crate) fn kill_all(&self) {
        command::kill_group(&self.child);
    }

    /// Waits for the end of the process and leaves it as a zombie: its status, 128+N for
    /// signal N.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        let status = command::status_of(&self.child, LONG);
        status.unwrap_or_else(|| panic!("pid {} does not end", self.pid()))
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
        self.kill_all();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end, with an empty stdin.
#[track_caller]
pub(crate) fn output(mut command: Command) -> Output {
    fn all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let out = all(child.stdout.take().unwrap());
    let err = all(child.stderr.take().unwrap());
    if command::status_of(&child, LONG).is_none() {
        let _ = child.kill();
        panic!("{command:?} does not end");
    }
    let status = child.wait().unwrap();
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
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
        Self::by(run(options, file, &command::stays()))
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
        command::let_go(self.command);
        assert_eq!(self.tool.code(), command::LET_GO);
    }
}

/// A contender that has said that it waits.
pub(crate) fn waiter<W: AsRef<std::ffi::OsStr>>(
    options: &[&str],
    file: &Path,
    command: &[W],
) -> Running {
    let waiter = Running::start(run(options, file, command));
    waiter.err.until("waiting for");
    waiter
}
