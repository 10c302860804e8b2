//! A `/proc` that hides, belongs to somebody else, is missing, or was mounted over: L8, L12, L15.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::people::Holder;
use super::stage::{BOOT_UNKNOWN, GONE, HELD, RELEASED, SAME, Stage, UNCONFIRMED};
use super::states::without_pidfds;
use super::sys;

/// Nobody in particular.
const NOBODY: u32 = 65534;

fn run(command: &[&str]) -> Result<()> {
    let (program, arguments) = command.split_first().context("a command")?;
    let status = Command::new(program).args(arguments).status()?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// L8: to another user, `/proc` denies or hides a process that lives.
pub(super) fn hidepid(stage: &mut Stage) -> Result<()> {
    for mode in [0, 1, 2, 4] {
        run(&["mount", "-t", "proc", "-o", &format!("hidepid={mode}"), "proc", "/proc"])?;
        let mut holder = Holder::start(stage)?;
        let copies = holder.copies(stage)?;
        let by_start = if mode == 0 { SAME } else { UNCONFIRMED };
        let cases = ["as recorded", "by identity alone", "by start time alone"];
        for (alive, expected) in [(true, [HELD, SAME, by_start]), (false, [RELEASED, GONE, GONE])] {
            if !alive {
                holder.child.kill_and_reap()?;
            }
            let life = if alive { "lives" } else { "is gone" };
            for ((case, session), expected) in cases.iter().zip(&copies).zip(expected) {
                let case = format!("{life}, hidepid={mode}, {case}");
                stage.judge_where(&case, session, expected, || Ok(sys::become_user(NOBODY)?))?;
            }
            let case = format!("{life}, hidepid={mode}, without pidfds");
            stage.judge_where(&case, &copies[2], expected[2], || {
                without_pidfds()?;
                Ok(sys::become_user(NOBODY)?)
            })?;
        }
    }
    Ok(())
}

/// L12: numbers under `/proc` are strangers'.
pub(super) fn foreign(stage: &mut Stage) -> Result<()> {
    let mut holder = Holder::start(stage)?;
    ensure!(holder.record["starttime"].is_null(), "a stranger's start time: {}", holder.record);
    holder.judge(stage, "lives", [HELD, SAME, UNCONFIRMED])?;
    holder.child.kill_and_reap()?;
    holder.judge(stage, "is gone", [RELEASED, GONE, GONE])
}

/// L12: nothing tells the boot, and so nothing is proved.
pub(super) fn none(stage: &mut Stage) -> Result<()> {
    let mut seen = Holder::start(stage)?;
    run(&["mount", "-t", "tmpfs", "none", "/proc"])?;
    let mut unseen = Holder::start(stage)?;
    ensure!(unseen.record["bootId"].is_null(), "a boot id from nowhere: {}", unseen.record);
    let in_doubt = [HELD, BOOT_UNKNOWN, BOOT_UNKNOWN];
    unseen.judge(stage, "lives, nobody has a procfs", in_doubt)?;
    seen.judge(stage, "lives, the contender has none", in_doubt)?;
    seen.child.kill_and_reap()?;
    unseen.child.kill_and_reap()?;
    // Not even the lock's file system can be told.
    let in_doubt = [BOOT_UNKNOWN; 3];
    unseen.judge(stage, "is gone, nobody has a procfs", in_doubt)?;
    seen.judge(stage, "is gone, the contender has none", in_doubt)?;
    run(&["umount", "/proc"])?;
    unseen.judge(stage, "is gone, the owner had none", [RELEASED, BOOT_UNKNOWN, BOOT_UNKNOWN])?;
    seen.judge(stage, "is gone, both have one", [RELEASED, GONE, GONE])
}

/// L12: the boot id is not among the processes.
pub(super) fn subset(stage: &mut Stage) -> Result<()> {
    run(&["mount", "-t", "proc", "-o", "subset=pid", "proc", "/proc"])?;
    let mut holder = Holder::start(stage)?;
    ensure!(holder.record["bootId"].is_null(), "a boot id from nowhere: {}", holder.record);
    holder.judge(stage, "lives", [HELD, BOOT_UNKNOWN, BOOT_UNKNOWN])?;
    holder.child.kill_and_reap()?;
    holder.judge(stage, "is gone", [RELEASED, BOOT_UNKNOWN, BOOT_UNKNOWN])
}

/// L15: whatever is mounted over the boot id, it is not the kernel's word any more.
pub(super) fn boot_id(stage: &mut Stage) -> Result<()> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let fake = stage.dir().join("fake");
    fs::write(&fake, "11111111-2222-4333-8444-555555555555\n")?;
    let fake = fake.to_str().context("a plain name")?.to_owned();
    // As LXC does; and a file of procfs itself, which only being a mount point gives away.
    for (over, what) in [(&*fake, "a file"), ("/proc/sys/kernel/random/uuid", "procfs")] {
        let mut here = Holder::start(stage)?;
        run(&["mount", "--bind", over, PATH])?;
        let mut there = Holder::start(stage)?;
        let in_doubt = [HELD, BOOT_UNKNOWN, BOOT_UNKNOWN];
        here.judge(stage, &format!("lives, the contender sees {what}"), in_doubt)?;
        there.judge(stage, &format!("lives, both see {what}"), in_doubt)?;
        run(&["umount", PATH])?;
        there.judge(stage, &format!("lives, the owner saw {what}"), in_doubt)?;
        here.judge(stage, "lives, nobody sees it", [HELD, SAME, SAME])?;
        there.child.kill_and_reap()?;
        here.child.kill_and_reap()?;
        let in_doubt = [RELEASED, BOOT_UNKNOWN, BOOT_UNKNOWN];
        there.judge(stage, &format!("is gone, the owner saw {what}"), in_doubt)?;
        run(&["mount", "--bind", over, PATH])?;
        here.judge(stage, &format!("is gone, the contender sees {what}"), in_doubt)?;
        run(&["umount", PATH])?;
        here.judge(stage, "is gone, nobody sees it", [RELEASED, GONE, GONE])?;
    }
    Ok(())
}
