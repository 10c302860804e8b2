//! The oracle: sysinfo, which reads start times with other code, in whole seconds of wall time.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use identity_linux::LinuxIdentity;
use lock_core::OwnerIdentity;
use lock_core::identity::{OwnerId, OwnerKind};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::stage::Stage;

/// Whole seconds on one side, a boot time of whole seconds on the other.
const TOLERANCE: Duration = Duration::from_secs(2);

const SAME: &str = "the same, to two seconds";

/// Compares a record's start time, where it has one, with what sysinfo says of its pid.
pub(super) fn compare(stage: &mut Stage, record: &Value) -> Result<()> {
    let (Some(ticks), Some(pid)) = (record["starttime"].as_u64(), record["pid"].as_u64()) else {
        return Ok(());
    };
    // Where a procfs shows only processes, sysinfo cannot tell when the machine was booted.
    if !std::path::Path::new("/proc/stat").exists() {
        return Ok(());
    }
    let per_second = record["owner"]["ticksPerSecond"].as_u64().context("a unit")?;
    let pid = Pid::from_u32(u32::try_from(pid)?);
    let mut system = System::new()?;
    let what = ProcessRefreshKind::nothing();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
    let theirs = system.process(pid).context("sysinfo does not see it")?.start_time();
    let apart = apart(Duration::from_secs_f64(ticks as f64 / per_second as f64), theirs)?;
    if apart > TOLERANCE {
        stage.expect(format!("start time of {pid} by sysinfo"), SAME, format!("{apart:?} apart"));
    }
    stage.compared += 1;
    Ok(())
}

/// One row for all that were compared on the way.
pub(super) fn sum_up(stage: &mut Stage) {
    if stage.compared > 0 {
        let case = format!("start times of {} holders, by sysinfo", stage.compared);
        stage.expect(case, SAME, SAME.to_owned());
    }
}

/// How far a time since boot is from a time since the epoch.
fn apart(since_boot: Duration, since_epoch: u64) -> Result<Duration> {
    let up = clock_gettime(ClockId::Boottime);
    let up = Duration::new(u64::try_from(up.tv_sec)?, u32::try_from(up.tv_nsec)?);
    let now = SystemTime::UNIX_EPOCH.elapsed().context("before 1970")?;
    let Some(age) = up.checked_sub(since_boot) else { bail!("it starts in the future") };
    Ok((now - age).abs_diff(Duration::from_secs(since_epoch)))
}

/// Every process that is there.
pub(super) fn everybody(stage: &mut Stage) -> Result<()> {
    let identity = LinuxIdentity::new();
    let me = identity.this_process();
    let (mut compared, mut off) = (0, Vec::new());
    let system = System::new_all()?;
    for process in system.processes().values().filter(|process| process.thread_kind().is_none()) {
        let record = OwnerId::bare(OwnerKind::Linux, process.pid().as_u32());
        // Gone in the meantime.
        let Some(age) = identity.observe(&record, &me).age else { continue };
        let now = SystemTime::UNIX_EPOCH.elapsed().context("before 1970")?;
        let apart = (now - age).abs_diff(Duration::from_secs(process.start_time()));
        compared += 1;
        if apart > TOLERANCE {
            off.push(format!("{} by {apart:?}", process.pid()));
        }
    }
    ensure!(compared >= 3, "only {compared} processes were compared");
    let case = format!("start times of {compared} processes, by sysinfo");
    let got = if off.is_empty() { SAME.to_owned() } else { off.join(", ") };
    stage.expect(case, SAME, got);
    Ok(())
}
