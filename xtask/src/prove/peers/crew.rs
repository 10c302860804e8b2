//! The processes of a storm: contenders that are told when to begin, and an owner that is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::list::Peer;

/// How long a process may take to start, or to answer after its limit.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a contender had the lock: nanoseconds of `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) begin: u64,
    pub(super) end: u64,
    /// It says itself that somebody took it away meanwhile. Only ours are asked.
    pub(super) lost: bool,
}

/// One process, and what it says, line by line.
pub(super) struct Member {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Member {
    pub(super) fn contender(peer: &Peer) -> Result<(Self, String)> {
        let member = Self::start(peer, &["contend"])?;
        let ready = member.answer(PATIENCE)?;
        let version = ready.strip_prefix("ready ").with_context(|| format!("said {ready:?}"))?;
        let version = version.to_owned();
        Ok((member, version))
    }

    fn start(peer: &Peer, words: &[&str]) -> Result<Self> {
        let mut command = peer.command()?;
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn();
        let mut child = child.with_context(|| format!("cannot run {command:?}"))?;
        let output = child.stdout.take().context("piped above")?;
        let (say, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { orders: child.stdin.take(), child, lines })
    }

    pub(super) fn order(&mut self, line: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("piped above")?;
        writeln!(orders, "{line}").context("a contender has ended")
    }

    fn answer(&self, within: Duration) -> Result<String> {
        self.lines.recv_timeout(within).context("a contender ended, or does not answer")
    }

    /// The span in which it held the lock, or why it never did.
    pub(super) fn span(&self, limit: Duration) -> Result<Result<Span, String>> {
        let answer = self.answer(limit + PATIENCE)?;
        let words: Vec<_> = answer.split(' ').collect();
        match words[..] {
            ["held", begin, end] => {
                Ok(Ok(Span { begin: begin.parse()?, end: end.parse()?, lost: false }))
            }
            ["held", begin, end, "lost"] => {
                Ok(Ok(Span { begin: begin.parse()?, end: end.parse()?, lost: true }))
            }
            ["without", why] => Ok(Err(why.to_owned())),
            _ => bail!("a contender said {answer:?}"),
        }
    }
}

/// Nobody outlives the storm; a contender at its end has nothing to clean up.
impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Leaves the lock of an owner that was killed. For those that go by age, an hour ago.
pub(super) fn plant(peer: &Peer, path: &Path) -> Result<()> {
    let name = path.to_str().context("a temporary directory has a plain name")?;
    let owner = Member::start(peer, &["hold", name])?;
    let said = owner.answer(PATIENCE)?;
    ensure!(said == "held", "the owner said {said:?}");
    drop(owner);
    if peer.by_age {
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        let lock = std::fs::File::open(format!("{name}.lock"))?;
        lock.set_modified(hour_ago)?;
    }
    Ok(())
}
