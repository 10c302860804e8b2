//! Forked children: holders of locks, bystanders, and contenders that are asked for a judgement.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid,
};
use serde_json::Value;
use session_lock::{SessionLock, SessionOptions};

use super::stage::{Stage, record_of};
use super::{oracle, sys};
use crate::prove::sys::{Fork, exit_now, fork};

/// A child that runs a closure. Killed and reaped when dropped.
pub(super) struct Child {
    pid: Pid,
    to: Option<PipeWriter>,
    from: BufReader<PipeReader>,
    reaped: bool,
}

/// The child's end.
pub(super) struct Parent {
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl Parent {
    pub(super) fn tell(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.to, "{line}")?)
    }

    /// Until the child is told to go on, or nobody is left to tell it.
    pub(super) fn wait(&mut self) {
        let _ = self.from.read_line(&mut String::new());
    }

    /// The pipes, for a program that takes this process over.
    pub(super) fn input(&self) -> Result<PipeReader> {
        Ok(self.from.get_ref().try_clone()?)
    }

    pub(super) fn output(&self) -> Result<PipeWriter> {
        Ok(self.to.try_clone()?)
    }
}

impl Child {
    pub(super) fn fork(body: impl FnOnce(&mut Parent) -> Result<()>) -> Result<Self> {
        Self::fork_by(fork, body)
    }

    pub(super) fn fork_by(
        fork: fn() -> std::io::Result<Fork>,
        body: impl FnOnce(&mut Parent) -> Result<()>,
    ) -> Result<Self> {
        let (child_from, to) = pipe()?;
        let (from, child_to) = pipe()?;
        match fork()? {
            Fork::Parent(pid) => {
                drop((child_from, child_to));
                Ok(Self { pid, to: Some(to), from: BufReader::new(from), reaped: false })
            }
            Fork::Child => {
                drop((to, from));
                let mut parent = Parent { to: child_to, from: BufReader::new(child_from) };
                let result = sys::die_with_the_parent().map_err(Into::into);
                if let Err(error) = result.and_then(|()| body(&mut parent)) {
                    eprintln!("a child: {error:#}");
                    exit_now(1);
                }
                exit_now(0);
            }
        }
    }

    /// What a child makes of something.
    pub(super) fn ask(question: impl FnOnce() -> Result<String>) -> Result<String> {
        let mut child = Self::fork(|parent| parent.tell(&question()?))?;
        let answer = child.line()?;
        child.join()?;
        Ok(answer)
    }

    /// A child that does nothing.
    pub(super) fn idle() -> Result<Self> {
        Self::fork(|parent| {
            parent.wait();
            Ok(())
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    pub(super) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "a child ended without telling");
        Ok(line.trim_end().to_owned())
    }

    pub(super) fn go(&mut self) -> Result<()> {
        Ok(writeln!(self.to.as_mut().context("it was told to end")?)?)
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Stops it, and waits until it stands still.
    pub(super) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let stopped = waitpid(Some(self.pid), WaitOptions::UNTRACED)?;
        ensure!(stopped.is_some_and(|(_, status)| status.stopped()), "it is not stopped");
        Ok(())
    }

    /// Ends the child and leaves it as a zombie.
    pub(super) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options)?;
        Ok(())
    }

    pub(super) fn kill_and_reap(&mut self) -> Result<()> {
        self.kill()?;
        waitpid(Some(self.pid), WaitOptions::empty())?;
        self.reaped = true;
        Ok(())
    }

    /// Waits for it to come to a good end.
    pub(super) fn join(mut self) -> Result<()> {
        self.to = None;
        let ended = waitpid(Some(self.pid), WaitOptions::empty())?;
        self.reaped = true;
        match ended.and_then(|(_, status)| status.exit_status()) {
            Some(0) => Ok(()),
            _ => bail!("a child ended with {ended:?}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// A child with a session lock.
pub(super) struct Holder {
    pub(super) child: Child,
    pub(super) session: PathBuf,
    pub(super) record: Value,
}

impl Holder {
    pub(super) fn start(stage: &mut Stage) -> Result<Self> {
        Self::start_after(stage, || Ok(()))
    }

    /// The same, after the child has done something to itself.
    pub(super) fn start_after(
        stage: &mut Stage,
        before: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        let session = stage.session();
        let child = Child::fork(|parent| {
            before()?;
            let _guard = SessionLock::new(&session, options())?.acquire()?;
            parent.tell("held")?;
            parent.wait();
            Ok(())
        })?;
        Self::of(stage, child, session)
    }

    /// A child that is about to tell that it has the lock.
    pub(super) fn of(stage: &mut Stage, mut child: Child, session: PathBuf) -> Result<Self> {
        let said = child.line()?;
        ensure!(said == "held", "a holder said {said:?}");
        let record = record_of(&session)?;
        ensure!(record["pid"] == child.pid(), "the record names another pid: {record}");
        oracle::compare(stage, &record)?;
        Ok(Self { child, session, record })
    }

    /// Judges its lock as it is, and as it is without the kernel lock and with less.
    pub(super) fn judge(&self, stage: &mut Stage, when: &str, expected: [&str; 3]) -> Result<()> {
        let cases = ["as recorded", "by identity alone", "by start time alone"];
        let copies = self.copies(stage)?;
        for ((case, session), expected) in cases.iter().zip(copies).zip(expected) {
            stage.judge(&format!("{when}, {case}"), &session, expected)?;
        }
        Ok(())
    }

    /// Its lock, and copies of which identity alone and the start time alone decide.
    pub(super) fn copies(&self, stage: &mut Stage) -> Result<[PathBuf; 3]> {
        copies(stage, &self.session, &self.record)
    }
}

pub(super) fn copies(stage: &mut Stage, session: &Path, record: &Value) -> Result<[PathBuf; 3]> {
    use super::stage::{by_identity, by_start_time};
    Ok([
        session.to_owned(),
        stage.plant(&by_identity(record))?,
        stage.plant(&by_start_time(record))?,
    ])
}

/// What holders ask for.
pub(super) fn options() -> SessionOptions {
    SessionOptions::default().timeout(Duration::from_secs(5)).max_hold(Duration::from_secs(300))
}

/// Makes the next process or thread of this pid namespace get the number `pid`.
pub(super) fn next_pid(pid: u32) -> Result<()> {
    Ok(std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())?)
}
