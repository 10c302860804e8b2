//! Start times, the clock they are on, and how far a time namespace shifts it.

use super::procfs::{link, read};
use super::sys;
use crate::parse;
use lock_core::identity::{StartTime, TimeOffset};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A start time in the unit that the kernel uses towards programs.
pub(super) fn start_time(ticks: u64) -> Option<StartTime> {
    sys::clock_ticks_per_second().map(|per_second| StartTime::Ticks { ticks, per_second })
}

/// How long ago that was. Both the start time and the clock are shifted by the time namespace
/// of this process, so the shift cancels. `None` for a start in the future: a process that is
/// older than the zero point of a shifted clock.
pub(super) fn age(start: StartTime) -> Option<Duration> {
    let StartTime::Ticks { ticks, per_second } = start else { return None };
    let rate = u64::from(per_second);
    let started = Duration::from_secs(ticks / rate)
        + Duration::from_nanos((ticks % rate) * 1_000_000_000 / rate);
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    now.checked_sub(started)
}

/// The clock offsets of the calling process; `own` is its directory in procfs.
///
/// `timens_offsets` shows the namespace that *children* will be in. After an `unshare(2)`
/// without `fork(2)` that is another one than the process's own, whose offsets then cannot be
/// told.
pub(super) fn time_offset(own: impl AsFd) -> Result<Option<TimeOffset>, Errno> {
    match (link(&own, "ns/time"), link(&own, "ns/time_for_children")) {
        (Ok(mine), Ok(childrens)) if mine == childrens => {
            read(&own, "timens_offsets").map(|bytes| parse::time_offsets(&bytes))
        }
        (Ok(_), Ok(_)) => Ok(None),
        // Neither the link nor the file, in a directory that is there: a kernel without time
        // namespaces (before 5.6), so nothing is shifted. A leader that exited before its
        // threads has no namespace links either, but still the file.
        (Err(Errno::NOENT), Err(Errno::NOENT)) => match read(&own, "timens_offsets") {
            Err(Errno::NOENT) => Ok(Some(TimeOffset::default())),
            Err(errno) => Err(errno),
            Ok(_) => Ok(None),
        },
        (Err(errno), _) | (_, Err(errno)) => Err(errno),
    }
}
