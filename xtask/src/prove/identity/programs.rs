//! Programs of their own, in other namespaces or in the place of a process; and L17, which is
//! about them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use session_lock::SessionLock;

use super::people::{Child, Holder, next_pid, options};
use super::stage::{GONE, HELD, RELEASED, SAME, Stage, by_identity, judged, record_of};
use super::sys;
use crate::prove::actors::{Given, Orders};
use crate::prove::sys::exit_now;
use crate::prove::{namespaces, tracer};

pub(super) fn act(role: &str, given: &Given) -> Result<()> {
    match role {
        "idle" => {
            println!("ready");
            wait();
        }
        "hold" => hold(&given.path("session")?, given.get("pid")?)?,
        "judge" => println!("{}", judged(&given.path("session")?)?),
        "acquire" => {
            let options = options().timeout(std::time::Duration::ZERO);
            let guard = SessionLock::new(given.path("session")?, options)?.acquire();
            println!("{}", if guard.is_ok() { "had" } else { "not had" });
        }
        "traced" => {
            let session = given.path("session")?;
            let acquires = given.get("acquires")?;
            tracer::be_traced()?;
            tracer::begin();
            let done = if acquires { acquire(&session) } else { judged(&session) };
            tracer::end();
            println!("{}", done?);
        }
        _ => bail!("no such role: identity-{role}"),
    }
    Ok(())
}

/// Until standard input is closed.
fn wait() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn acquire(session: &Path) -> Result<String> {
    let guard = SessionLock::new(session, options())?.acquire()?;
    Ok(if guard.is_held() { "had" } else { "not held" }.to_owned())
}

/// Holds a lock under the given pid of this namespace.
fn hold(session: &Path, pid: u32) -> Result<()> {
    if pid == std::process::id() {
        let _guard = SessionLock::new(session, options())?.acquire()?;
        println!("held");
        wait();
        return Ok(());
    }
    next_pid(pid)?;
    let mut child = Child::fork(|parent| {
        let _guard = SessionLock::new(session, options())?.acquire()?;
        parent.tell("held")?;
        parent.wait();
        // Its namespace is being killed, and this process told so by a pipe: let go of nothing.
        exit_now(0);
    })?;
    ensure!(child.pid() == pid, "the holder got the pid {}", child.pid());
    println!("{}", child.line()?);
    wait();
    Ok(())
}

/// A holder in namespaces of its own.
pub(super) struct Container {
    unshare: std::process::Child,
    _stdin: Option<ChildStdin>,
    pub(super) session: PathBuf,
    pub(super) record: Value,
}

impl Container {
    pub(super) fn start(stage: &mut Stage, within: &[&str], pid: u32) -> Result<Self> {
        let session = stage.session();
        let orders = within_of(Orders::new("identity-hold"), within);
        let mut command = orders.path("session", &session).with("pid", pid).command()?;
        let mut unshare = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let _stdin = unshare.stdin.take();
        let mut line = String::new();
        BufReader::new(unshare.stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line == "held\n", "a container said {line:?}");
        let record = record_of(&session)?;
        ensure!(record["pid"] == pid, "the record names another pid: {record}");
        Ok(Self { unshare, _stdin, session, record })
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        namespaces::kill(&mut self.unshare, || Ok(()))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

fn within_of(orders: Orders, within: &[&str]) -> Orders {
    orders.within(within.iter().map(|&word| word.to_owned()).collect())
}

/// What a program in other namespaces says of a lock.
pub(super) fn ask_within(within: &[&str], role: &'static str, session: &Path) -> Result<String> {
    let orders = within_of(Orders::new(role), within).path("session", session);
    let output = orders.command()?.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "within {within:?}: {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// L17: exec keeps the process and drops the lock; a forked child is somebody else.
pub(super) fn exec_and_forks(stage: &mut Stage) -> Result<()> {
    for (case, inheritable, in_thread, kernel) in [
        ("after exec", false, false, RELEASED),
        ("after exec by another thread", false, true, RELEASED),
        ("after exec, an inheritable lock", true, false, HELD),
    ] {
        let session = stage.session();
        let child = Child::fork(|parent| {
            let options = options().inheritable(inheritable);
            let _guard = SessionLock::new(&session, options)?.acquire()?;
            parent.tell("held")?;
            parent.wait();
            let mut command = Orders::new("identity-idle").command()?;
            command.stdin(parent.input()?).stdout(parent.output()?);
            if in_thread {
                let exec = std::thread::spawn(move || command.exec());
                let Ok(error) = exec.join() else { bail!("the thread panicked") };
                return Err(error.into());
            }
            Err(command.exec().into())
        })?;
        let mut holder = Holder::of(stage, child, session.clone())?;
        holder.child.go()?;
        let said = holder.child.line()?;
        ensure!(said == "ready", "the new program said {said:?}");
        holder.judge(stage, case, [kernel, SAME, SAME])?;
        holder.child.kill_and_reap()?;
        holder.judge(stage, &format!("{case}, and death"), [RELEASED, GONE, GONE])?;
    }

    for fork in [crate::prove::sys::fork, sys::raw_fork] {
        let (outer, inner) = (stage.session(), stage.session());
        let mut parent = Child::fork(|parent| {
            let _outer = SessionLock::new(&outer, options())?.acquire()?;
            let mut child = Child::fork_by(fork, |parent| {
                let _inner = SessionLock::new(&inner, options())?.acquire()?;
                parent.tell("held")?;
                parent.wait();
                Ok(())
            })?;
            parent.tell(&child.line()?)?;
            parent.wait();
            child.kill_and_reap()?;
            parent.tell("reaped")?;
            parent.wait();
            Ok(())
        })?;
        parent.line()?;
        let (theirs, ours) = (record_of(&outer)?, record_of(&inner)?);
        ensure!(theirs["pid"] == parent.pid() && ours["pid"] != theirs["pid"], "{ours}");
        let copies = [stage.plant(&by_identity(&theirs))?, stage.plant(&by_identity(&ours))?];
        stage.judge("a forked child, by identity alone", &copies[1], SAME)?;
        parent.go()?;
        parent.line()?;
        stage.judge("the child is gone, by identity alone", &copies[1], GONE)?;
        stage.judge("the child is gone, as recorded", &inner, RELEASED)?;
        stage.judge("its parent, by identity alone", &copies[0], SAME)?;
        stage.judge("its parent, as recorded", &outer, HELD)?;
    }
    Ok(())
}
