//! The session lock's staleness policy, as data.

use std::time::Duration;

use lock_core::policy::{Disposition, Policy};

/// A file that names no owner is left alone this long …
pub(crate) const GRACE: Duration = Duration::from_secs(30);
/// … or this long, by a contender whose own timeout is shorter than that.
const SHORT_GRACE: Duration = Duration::from_secs(5);

/// What an acquirer that waits at most `timeout` does about a lock in its way.
///
/// An owner that is dead, recycled, of an earlier boot or has let go is reclaimed; so is one
/// that holds longer than it promised. Age alone is reported, never acted on.
#[must_use]
pub fn acquire_policy(timeout: Option<Duration>, stale_after: Duration) -> Policy {
    let hurried = timeout.is_some_and(|timeout| timeout < GRACE);
    Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Reclaim,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after,
        hold_exceeded: Disposition::Reclaim,
        nameless_grace: if hurried { SHORT_GRACE } else { GRACE },
        dated_nameless_grace: None,
    }
}

/// What a sweep does: the same, but it never looks at how long a lock is held.
#[must_use]
pub fn sweep_policy(stale_after: Duration) -> Policy {
    Policy { hold_exceeded: Disposition::Ignore, ..acquire_policy(None, stale_after) }
}

#[cfg(test)]
mod tests;
