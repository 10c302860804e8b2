//! Pids that were given to somebody else: L2, L3, L4, L16.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::people::{Child, Holder, next_pid};
use super::stage::{GONE, RELEASED, REUSED, SAME, Stage, UNCONFIRMED, judged, of_the_origin};
use super::states::without_pidfds;

const PID: u32 = 300;

/// A holder with the number [`PID`].
fn holder(stage: &mut Stage) -> Result<Holder> {
    next_pid(PID)?;
    let holder = Holder::start(stage)?;
    ensure!(holder.child.pid() == PID, "the owner got the pid {}", holder.child.pid());
    Ok(holder)
}

/// Somebody else with that number.
fn successor() -> Result<Child> {
    next_pid(PID)?;
    let successor = Child::idle()?;
    ensure!(successor.pid() == PID, "the successor got the pid {}", successor.pid());
    Ok(successor)
}

fn start_tick(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let Some(tick) = after.split_whitespace().nth(19) else { bail!("no start time: {stat}") };
    Ok(tick.parse()?)
}

pub(super) fn at_another_tick(stage: &mut Stage) -> Result<()> {
    let mut old = holder(stage)?;
    old.child.kill_and_reap()?;
    old.judge(stage, "gone", [RELEASED, GONE, GONE])?;
    std::thread::sleep(Duration::from_millis(25));
    let _successor = successor()?;
    old.judge(stage, "reused", [RELEASED, REUSED, REUSED])?;
    let [_, _, by_start] = old.copies(stage)?;
    stage.judge_where(
        "reused, by start time, without pidfds",
        &by_start,
        REUSED,
        without_pidfds,
    )?;
    let mut origin = of_the_origin(&old.record);
    let session = stage.plant(&origin)?;
    stage.judge("reused, a record of the origin", &session, REUSED)?;
    origin["starttime"].take();
    let session = stage.plant(&origin)?;
    stage.judge("reused, one of the origin without start time", &session, UNCONFIRMED)
}

/// Without unique ids the successor passes for the owner: a lock that is held for too long, never
/// one that is taken from a living owner.
pub(super) fn within_one_tick(stage: &mut Stage) -> Result<()> {
    for _ in 0..500 {
        let mut old = holder(stage)?;
        old.child.kill_and_reap()?;
        let successor = successor()?;
        if old.record["starttime"].as_u64() == Some(start_tick(successor.pid())?) {
            old.judge(stage, "reused within the tick", [RELEASED, REUSED, SAME])?;
            let session = stage.plant(&of_the_origin(&old.record))?;
            return stage.judge("reused within the tick, the origin's", &session, SAME);
        }
    }
    bail!("no two processes with one pid within one tick, in 500 attempts");
}

pub(super) fn as_a_thread(stage: &mut Stage) -> Result<()> {
    let mut old = holder(stage)?;
    old.child.kill_and_reap()?;
    let copies = old.copies(stage)?;
    // A process of its own with two threads: those who judge are forked from one with one.
    let mut host = Child::fork(|parent| {
        next_pid(PID)?;
        let thread = std::thread::spawn(std::thread::park);
        ensure!(fs::exists(format!("/proc/self/task/{PID}"))?, "the thread has another number");
        parent.tell("there")?;
        parent.wait();
        thread.thread().unpark();
        Ok(())
    })?;
    host.line()?;
    let cases = ["as recorded", "by identity alone", "by start time alone"];
    for ((case, session), expected) in cases.iter().zip(&copies).zip([RELEASED, REUSED, REUSED]) {
        stage.judge(&format!("a thread, {case}"), session, expected)?;
    }
    let [_, _, by_start] = copies;
    stage.judge_where("a thread, without pidfds", &by_start, REUSED, without_pidfds)?;
    host.go()?;
    host.join()
}

/// So small a pid space that reuse within one tick comes by itself.
pub(super) fn storm(stage: &mut Stage) -> Result<()> {
    // Each namespace has its own (Linux 6.14).
    fs::write("/proc/sys/kernel/pid_max", "400")?;
    // When pids wrap, the first 300 are left out.
    next_pid(PID)?;
    let rounds = if stage.short { 40 } else { 500 };
    let limit = Instant::now() + Duration::from_secs(100);
    let (mut forks, mut same_tick) = (0_u64, 0);
    let (mut by_identity, mut by_start) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut old = Holder::start(stage)?;
        let pid = old.child.pid();
        old.child.kill_and_reap()?;
        let [recorded, identity, start]: [PathBuf; 3] = old.copies(stage)?;
        let successor = loop {
            ensure!(Instant::now() < limit, "the pid did not come back, in round {round}");
            forks += 1;
            let child = Child::idle()?;
            if child.pid() == pid {
                break child;
            }
        };
        let same = old.record["starttime"].as_u64() == Some(start_tick(successor.pid())?);
        same_tick += u32::from(same);
        by_identity.push((judged(&identity)?, REUSED));
        by_identity.push((judged(&recorded)?, RELEASED));
        by_start.push((judged(&start)?, if same { SAME } else { REUSED }));
    }
    let wrong = |judged: &[(String, &str)]| {
        let wrong = judged.iter().find(|(got, expected)| got != expected);
        wrong.map_or_else(|| "all as expected".to_owned(), |(got, _)| format!("one is {got}"))
    };
    let what = format!("{rounds} pids reused, {same_tick} in one tick, {forks} forks");
    stage.expect(format!("{what}: dead"), "all as expected", wrong(&by_identity));
    stage.expect("  by start time: dead at another tick", "all as expected", wrong(&by_start));
    Ok(())
}
