//! The peers: what each is, where it comes from, and how its contender is started. Data only.
//!
//! Each is used as its documentation says, with settings under which the dead owner's lock may be
//! reclaimed at once, where it has such settings.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::install::{NODE, PYTHON, program, script};

/// Where a contender comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// This workspace.
    Here,
    /// node alone.
    Node,
    Npm,
    Pip,
    Crates,
}

pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) from: From,
    /// What the contender is told to use.
    pub(super) which: &'static str,
    /// It goes by age: the lock of the killed owner is made an hour old.
    pub(super) by_age: bool,
    pub(super) ours: bool,
}

impl Peer {
    /// The contender's command, less its role.
    pub(super) fn command(&self) -> Result<Command> {
        let mut command = match self.from {
            From::Here => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["prove", "peers-contender"]);
                command
            }
            From::Node => node("openclaw.js")?,
            From::Npm => node("proper_lockfile.js")?,
            From::Pip => {
                let mut command = Command::new(program(PYTHON)?);
                command.arg(script("filelock_contender.py")?);
                command
            }
            From::Crates => Command::new(program("crates/target/release/crates")?),
        };
        command.arg(self.which);
        Ok(command)
    }
}

fn node(file: &str) -> Result<Command> {
    let modules: PathBuf = program(NODE)?;
    let mut command = Command::new("node");
    command.arg(script(file)?).env("NODE_PATH", modules);
    Ok(command)
}

const fn peer(name: &'static str, from: From, which: &'static str, about: &'static str) -> Peer {
    Peer { name, about, from, which, by_age: false, ours: false }
}

pub(super) const PEERS: &[Peer] = &[
    Peer {
        ours: true,
        ..peer("session-lock", From::Here, "session", "ours: the file layout, defaults")
    },
    Peer {
        ours: true,
        ..peer("runtime-deps-lock", From::Here, "deps", "ours: the directory layout, defaults")
    },
    peer(
        "openclaw-algorithm",
        From::Node,
        "-",
        "OpenClaw's session lock, re-implemented from its description: judge, unlink, create; without \
         the guard file of later versions",
    ),
    peer("pidlock", From::Crates, "pidlock", "crate: pid file; tried every 10 ms"),
    peer("fslock", From::Crates, "fslock", "crate: kernel lock with pid; tried every 10 ms"),
    Peer {
        by_age: true,
        ..peer(
            "proper-lockfile",
            From::Npm,
            "proper-lockfile",
            "npm: stale by age; stale 2000 (its least), retries every 10 ms",
        )
    },
    Peer {
        by_age: true,
        ..peer(
            "proper-lockfile2",
            From::Npm,
            "@bybrave/proper-lockfile2",
            "npm, @bybrave: its fork; the same settings",
        )
    },
    peer("filelock", From::Pip, "FileLock", "PyPI FileLock: kernel lock; poll_interval 10 ms"),
    peer(
        "filelock-soft",
        From::Pip,
        "SoftFileLock",
        "PyPI SoftFileLock: existence and owner's identity; poll_interval 10 ms",
    ),
    peer(
        "filelock-strict",
        From::Pip,
        "StrictSoftFileLock",
        "PyPI StrictSoftFileLock; poll_interval 10 ms",
    ),
    peer(
        "filelock-lease",
        From::Pip,
        "SoftFileLease",
        "PyPI SoftFileLease: lease_duration 2 s, poll_interval 10 ms",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (at, peer) in PEERS.iter().enumerate() {
            assert_eq!(PEERS.iter().position(|other| other.name == peer.name), Some(at));
        }
    }
}
