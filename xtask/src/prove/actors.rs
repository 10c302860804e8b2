//! The proofs' processes: this program started again with a role, and told in words what to do.

use std::fmt::Display;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{chaos, crash, identity, sys};

/// No process of a proof lives longer, whatever hangs.
const LONGEST_LIFE: u32 = 120;

/// How to start one of a proof's processes.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    role: &'static str,
    words: Vec<String>,
    within: Vec<String>,
}

impl Orders {
    pub(crate) fn new(role: &'static str) -> Self {
        Self { role, words: Vec::new(), within: Vec::new() }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.words.push(format!("{key}={value}"));
        self
    }

    /// Temporary directories have plain names.
    pub(crate) fn path(self, key: &str, value: &std::path::Path) -> Self {
        self.with(key, value.display())
    }

    /// Runs it below another program, which gets it as its last arguments.
    pub(crate) fn within(mut self, program: Vec<String>) -> Self {
        self.within = program;
        self
    }

    pub(crate) fn command(&self) -> Result<Command> {
        let me = std::env::current_exe().context("this program has no path")?;
        let mut command = match self.within.split_first() {
            None => Command::new(me),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(me);
                command
            }
        };
        command.args(["prove", "actor", self.role]).args(&self.words);
        // What they say is part of a longer message.
        command.env("RUST_BACKTRACE", "0");
        Ok(command)
    }
}

/// What a process of a proof was told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Given {
    role: String,
    words: Vec<String>,
}

impl Given {
    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    pub(crate) fn get<T: FromStr>(&self, key: &str) -> Result<T> {
        let word = self.word(key).with_context(|| format!("{key}= is missing"))?;
        word.parse().ok().with_context(|| format!("{key}={word} makes no sense"))
    }

    pub(crate) fn path(&self, key: &str) -> Result<PathBuf> {
        self.get(key)
    }
}

/// Whether standard input was closed, which is how a process is told to come to its end.
pub(crate) fn is_told_to_end() -> Result<bool> {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? > 0)
}

/// Plays the role.
pub(crate) fn act(given: &Given) -> Result<()> {
    sys::die_after(LONGEST_LIFE);
    match given.role.split_once('-') {
        Some(("chaos", role)) => chaos::act(role, given),
        Some(("crash", role)) => crash::act(role, given),
        Some(("identity", role)) => identity::act(role, given),
        _ => bail!("no such role: {}", given.role),
    }
}
