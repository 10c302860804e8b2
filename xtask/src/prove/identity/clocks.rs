//! Clocks: time namespaces (L13), and a wall clock that is wrong (L14, as far as one process's).

use std::sync::Arc;

use anyhow::Result;
use session_lock::SessionOptions;

use super::people::{Child, Holder};
use super::programs::ask_within;
use super::stage::{HELD, OVERDUE, SAME, Stage, UNCONFIRMED, judged, judged_with};
use super::{states, sys};
use crate::prove::chaos::clocks::Jumping;

const CASES: [&str; 3] = ["as recorded", "by identity alone", "by start time alone"];
/// Two clocks that cannot be compared evict nobody.
const ONLY_REPORTED: &str = "Alive(KernelLock), report: hold-exceeded";

/// L13: the contender's clocks are shifted: by seconds, by less than a tick, for its children only.
pub(super) fn shifted(stage: &mut Stage) -> Result<()> {
    let holder = Holder::start(stage)?;
    let copies = holder.copies(stage)?;
    let overdue = states::overdue(stage)?;
    let up = std::fs::read_to_string("/proc/uptime")?;
    let up: u64 = up.split('.').next().unwrap_or_default().parse()?;
    for seconds in ["1000", &format!("-{}", (up / 2).min(300))] {
        let within = ["unshare", "--time", "--boottime", seconds, "--monotonic", seconds, "--fork"];
        for ((case, session), expected) in CASES.iter().zip(&copies).zip([HELD, SAME, UNCONFIRMED])
        {
            let got = ask_within(&within, "identity-judge", session)?;
            stage.expect(format!("{seconds} s, {case}"), expected, got);
        }
        let got = ask_within(&within, "identity-judge", &overdue.session)?;
        stage.expect(format!("{seconds} s, past its promise"), ONLY_REPORTED, got);
    }
    stage.judge("not shifted, past its promise", &overdue.session, OVERDUE)?;

    let unshare = || -> Result<()> {
        sys::unshare_clocks()?;
        Ok(std::fs::write("/proc/self/timens_offsets", "boottime 0 5000000")?)
    };
    for ((case, session), expected) in CASES.iter().zip(&copies).zip([HELD, SAME, UNCONFIRMED]) {
        let got = Child::ask(|| {
            unshare()?;
            Child::ask(|| judged(session))
        })?;
        stage.expect(format!("half a tick, {case}"), expected, got);
        stage.judge_where(&format!("for children only, {case}"), session, expected, unshare)?;
    }
    Ok(())
}

/// L14, in one process: its wall clock is days off. Nothing of ours ages on it.
pub(super) fn wrong_wall(stage: &mut Stage) -> Result<()> {
    const DAY: i64 = 86_400;
    let holder = Holder::start(stage)?;
    let copies = holder.copies(stage)?;
    let overdue = states::overdue(stage)?;
    for (off, seconds) in [("a day ahead", DAY), ("a day behind", -DAY), ("ten years", -3650 * DAY)]
    {
        let wrong = || {
            let clock = Arc::new(Jumping::default());
            clock.jump(seconds);
            SessionOptions::default().clock(clock)
        };
        for ((case, session), expected) in CASES.iter().zip(&copies).zip([HELD, SAME, SAME]) {
            stage.expect(format!("{off}, {case}"), expected, judged_with(session, wrong())?);
        }
        let got = judged_with(&overdue.session, wrong())?;
        stage.expect(format!("{off}, past its promise"), OVERDUE, got);
    }
    Ok(())
}
