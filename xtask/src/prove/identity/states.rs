//! One owner in all the states that it can be in: L1, L5, L6, L7.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};
use session_lock::SessionLock;

use super::people::{Child, Holder, options};
use super::stage::{EXITED, GONE, HELD, OVERDUE, RELEASED, SAME, Stage};
use super::sys;
use crate::prove::sys::deny;

/// L1: the name stands in the middle of the text that is parsed.
pub(super) fn names(stage: &mut Stage) -> Result<()> {
    let names: [&[u8]; 6] =
        [b") S 1 2 3", b"x)\n) R 9", b"\xff\xfe\x1b[0m", b"", b"((", b"1 (1) Z 1"];
    for name in names {
        let shown = name.escape_ascii();
        let mut holder = Holder::start_after(stage, || Ok(sys::set_name(name)?))?;
        let comm = fs::read(format!("/proc/{}/comm", holder.child.pid()))?;
        ensure!(comm.strip_suffix(b"\n") == Some(name), "it is named {}", comm.escape_ascii());
        holder.judge(stage, &format!("\"{shown}\" lives"), [HELD, SAME, SAME])?;
        holder.child.kill_and_reap()?;
        holder.judge(stage, &format!("\"{shown}\" is gone"), [RELEASED, GONE, GONE])?;
    }
    Ok(())
}

/// Old kernels, and sandboxes: then `kill` and `/proc` have to do.
pub(super) fn without_pidfds() -> Result<()> {
    Ok(deny(libc::SYS_pidfd_open, None, Errno::NOSYS)?)
}

/// L5: dead, although `kill` and `/proc` still know it.
pub(super) fn zombie(stage: &mut Stage) -> Result<()> {
    let mut holder = Holder::start(stage)?;
    holder.judge(stage, "lives", [HELD, SAME, SAME])?;
    holder.child.kill()?;
    holder.judge(stage, "a zombie", [RELEASED, EXITED, EXITED])?;
    let [_, _, by_start] = holder.copies(stage)?;
    stage.judge_where("a zombie, without pidfds", &by_start, EXITED, without_pidfds)?;
    holder.child.kill_and_reap()?;
    holder.judge(stage, "reaped", [RELEASED, GONE, GONE])?;
    stage.judge_where("reaped, without pidfds", &by_start, GONE, without_pidfds)
}

/// L6: state `Z`, and alive.
pub(super) fn leaderless(stage: &mut Stage) -> Result<()> {
    let session = stage.session();
    let child = Child::fork(|parent| {
        let _guard = SessionLock::new(&session, options())?.acquire()?;
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
        parent.tell("held")?;
        sys::exit_thread();
    })?;
    let holder = Holder::of(stage, child, session.clone())?;
    let stat = format!("/proc/{}/stat", holder.child.pid());
    while !String::from_utf8_lossy(&fs::read(&stat)?).contains(") Z ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    holder.judge(stage, "a zombie leader", [HELD, SAME, SAME])?;
    let [_, _, by_start] = holder.copies(stage)?;
    stage.judge_where("a zombie leader, without pidfds", &by_start, SAME, without_pidfds)?;
    holder.child.kill()?;
    holder.judge(stage, "all its threads are dead", [RELEASED, EXITED, EXITED])?;
    stage.judge_where("all are dead, without pidfds", &by_start, EXITED, without_pidfds)
}

/// L7: who stands still is alive. Only its own promise ends that.
pub(super) fn stopped(stage: &mut Stage) -> Result<()> {
    let holder = Holder::start(stage)?;
    holder.child.stop()?;
    holder.judge(stage, "stopped", [HELD, SAME, SAME])?;
    let [_, _, by_start] = holder.copies(stage)?;
    stage.judge_where("stopped, without pidfds", &by_start, SAME, without_pidfds)?;

    let traced = Holder::start(stage)?;
    let pid = Pid::from_raw(traced.child.pid().cast_signed());
    sys::seize(pid.ok_or(Errno::INVAL)?)?;
    let seen = waitpid(pid, WaitOptions::UNTRACED)?;
    ensure!(seen.is_some_and(|(_, status)| status.stopped()), "it is not stopped");
    traced.judge(stage, "traced", [HELD, SAME, SAME])?;

    let frozen = Holder::start(stage)?;
    match Freezer::freeze(frozen.child.pid())? {
        Some(_freezer) => frozen.judge(stage, "frozen", [HELD, SAME, SAME])?,
        None => stage.expect("frozen", "no freezer here", "no freezer here".to_owned()),
    }

    let overdue = overdue(stage)?;
    stage.judge("stopped, and past its promise, as recorded", &overdue.session, OVERDUE)
}

/// A stopped owner that is past its promise.
pub(super) fn overdue(stage: &mut Stage) -> Result<Holder> {
    let promise = Duration::from_millis(200);
    let session = stage.session();
    let child = Child::fork(|parent| {
        let _guard = SessionLock::new(&session, options().max_hold(promise))?.acquire()?;
        parent.tell("held")?;
        parent.wait();
        Ok(())
    })?;
    let holder = Holder::of(stage, child, session.clone())?;
    holder.child.stop()?;
    std::thread::sleep(promise);
    Ok(holder)
}

/// A cgroup that is frozen. Thawed and removed when dropped.
struct Freezer {
    dir: PathBuf,
    thaw: (&'static str, &'static str),
}

impl Freezer {
    /// `None`: this system has no freezer that we may use.
    fn freeze(pid: u32) -> Result<Option<Self>> {
        let kinds = [
            (
                "/sys/fs/cgroup/freezer",
                "freezer.state",
                "FROZEN",
                "THAWED",
                "freezer.state",
                "FROZEN",
            ),
            ("/sys/fs/cgroup", "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"),
            ("/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"),
        ];
        for (root, file, freeze, thaw, state, frozen) in kinds {
            let dir = PathBuf::from(root).join(format!("lock-proof-{pid}"));
            if fs::create_dir(&dir).is_err() {
                continue;
            }
            let this = Self { dir, thaw: (file, thaw) };
            if !this.dir.join(file).exists() {
                continue;
            }
            fs::write(this.dir.join("cgroup.procs"), pid.to_string())?;
            fs::write(this.dir.join(file), freeze)?;
            let limit = Instant::now() + Duration::from_secs(5);
            while !fs::read_to_string(this.dir.join(state))?.contains(frozen) {
                ensure!(Instant::now() < limit, "it does not freeze");
                std::thread::sleep(Duration::from_millis(1));
            }
            return Ok(Some(this));
        }
        Ok(None)
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.dir.join(self.thaw.0), self.thaw.1);
        // Its only process moves to where this one is, and dies a moment later.
        if let (Ok(procs), Some(parent)) =
            (fs::read_to_string(self.dir.join("cgroup.procs")), self.dir.parent())
        {
            for pid in procs.lines() {
                let _ = fs::write(parent.join("cgroup.procs"), pid);
            }
        }
        let _ = fs::remove_dir(&self.dir);
    }
}
