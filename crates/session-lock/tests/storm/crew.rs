//! The parent's side of the actors: starting them, hearing them, stopping and killing them.

use std::io::{BufRead, BufReader, PipeWriter, Read, Write, pipe};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::journal::Journal;
use crate::os::Process;

/// System calls under all the names that they have for `strace`: 32-bit systems spell some
/// differently, and ask `statx` for what others ask of `fstat`.
pub(crate) const FCNTL: &str = "?fcntl,?fcntl64";
/// Of a path, and of a descriptor.
pub(crate) const STAT: &str = "?newfstatat,?fstatat64,?statx";
pub(crate) const FSTAT: &str = "?fstat,?fstat64,?statx";

/// An actor process. Killed and reaped when dropped.
pub(crate) struct Actor {
    /// Names it in the journal; pids come back, numbers do not.
    pub(crate) nr: u32,
    /// The actor itself, also where it runs below `strace`.
    pid: u32,
    process: Process,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// What an actor is told on its command line.
pub(crate) struct Orders {
    role: &'static str,
    words: Vec<String>,
    below: Vec<String>,
}

impl Orders {
    pub(crate) fn new(role: &'static str) -> Self {
        Self { role, words: Vec::new(), below: Vec::new() }
    }

    pub(crate) fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.words.push(format!("{key}={value}"));
        self
    }

    pub(crate) fn path(self, key: &str, value: &Path) -> Self {
        let value = value.to_str().expect("temporary directories have plain names");
        self.with(key, value)
    }

    /// Runs it below `strace`, which delays the system calls `calls` as `how` says and writes what it
    /// did to `trace`, beside what the actor says. What is not traced is not delayed either.
    #[cfg(target_os = "linux")]
    pub(crate) fn slowed(self, calls: &str, how: &str, trace: &Path) -> Self {
        let (traced, inject) = (format!("trace={calls},write"), format!("inject={calls}:{how}"));
        let trace = trace.to_str().expect("temporary directories have plain names");
        let quietly = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", trace];
        self.below(&[&quietly[..], &["-e", &traced, "-e", &inject]].concat())
    }

    /// Elsewhere it runs as fast as it does.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn slowed(self, _calls: &str, _how: &str, _trace: &Path) -> Self {
        self
    }

    /// Runs it below another program, which gets it as its last arguments.
    pub(crate) fn below(mut self, program: &[&str]) -> Self {
        self.below = program.iter().map(|w| (*w).to_owned()).collect();
        self
    }

    /// Starts it, and waits until it is there.
    pub(crate) fn start(&self) -> Actor {
        let mut actor = self.spawn(Stdio::piped());
        actor.greet();
        actor
    }

    /// The same for one that knows itself by another pid. Signals reach what it runs below.
    pub(crate) fn start_in_a_namespace(&self) -> Actor {
        let mut actor = self.spawn(Stdio::piped());
        actor.expect("hello ");
        actor
    }

    fn spawn(&self, stdin: Stdio) -> Actor {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let nr = COUNT.fetch_add(1, Ordering::Relaxed);
        let exe = std::env::current_exe().expect("this program");
        let mut command = match self.below.split_first() {
            None => Command::new(exe),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(exe);
                command
            }
        };
        command.arg(format!("actor:{}", self.role)).arg(format!("nr={nr}")).args(&self.words);
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .expect("actors can be started (slow ones need `apt-get install strace`)");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let pid = child.id();
        Actor { nr, pid, process: Process::of(pid), child, stdin, stdout }
    }
}

impl Actor {
    fn greet(&mut self) {
        self.pid = self.expect("hello ").parse().expect("a pid");
        self.process = Process::of(self.pid);
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the pipe holds");
        line.trim_end().to_owned()
    }

    /// The rest of its next line, which starts with `what`.
    pub(crate) fn expect(&mut self, what: &str) -> String {
        let line = self.line();
        let rest = line.strip_prefix(what);
        rest.unwrap_or_else(|| panic!("actor {} said {line:?}, not {what:?}", self.nr)).to_owned()
    }

    /// Tells it a line.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("it listens"), "{line}").expect("the pipe holds");
    }

    /// Closes its standard input: what it waits for, or the sign to come to an end.
    pub(crate) fn go(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Another way to reach it, which stays exact when it is gone.
    pub(crate) fn handle(&self) -> Process {
        Process::of(self.pid)
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        assert!(self.process.signal(signal), "it is there");
    }

    /// Keeps it from running.
    pub(crate) fn stop(&self) {
        assert!(self.process.stop(), "it is there");
    }

    /// Lets it run again.
    pub(crate) fn go_on(&self) {
        assert!(self.process.go_on(), "it is there");
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn strike(&self) {
        assert!(self.process.kill(), "it is there");
    }

    /// Kills and reaps it, after saying so in the journal.
    pub(crate) fn kill(mut self, journal: &Journal) {
        journal.killing(self.nr);
        self.strike();
        self.child.wait().expect("a child of ours");
    }

    /// Hears it to its end, whatever that is.
    pub(crate) fn end(mut self) -> (std::process::ExitStatus, String) {
        self.go();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("the pipe holds");
        (self.child.wait().expect("a child of ours"), rest)
    }

    /// Hears it to its end, which must be a good one.
    pub(crate) fn finish(mut self) -> String {
        self.go();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("the pipe holds");
        let status = self.child.wait().expect("a child of ours");
        assert!(status.success(), "actor {} ended with {status}: {rest}", self.nr);
        rest
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.process.kill();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Actors that all wait for one pipe to be closed.
pub(crate) struct Barrier {
    actors: Vec<Actor>,
    gate: PipeWriter,
}

impl Barrier {
    pub(crate) fn of(orders: impl IntoIterator<Item = Orders>) -> Self {
        let (read, gate) = pipe().expect("a pipe");
        let input = || Stdio::from(read.try_clone().expect("another end"));
        let mut actors: Vec<_> = orders.into_iter().map(|orders| orders.spawn(input())).collect();
        actors.iter_mut().for_each(Actor::greet);
        Self { actors, gate }
    }

    /// Releases all of them at once.
    pub(crate) fn open(self) -> Vec<Actor> {
        drop(self.gate);
        self.actors
    }
}
