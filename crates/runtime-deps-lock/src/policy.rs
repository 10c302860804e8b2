//! The install lock's staleness policy, as data.

use std::time::Duration;

use lock_core::policy::{Disposition, Policy};

/// Only proof of death removes an owner's lock; no age ever does. A directory that names no
/// owner waits out a grace: 30 s by file times, 10 min by its own `createdAtMs`.
pub const POLICY: Policy = Policy {
    proved_dead: Disposition::Reclaim,
    orphan_self: Disposition::Reclaim,
    orphan_self_by_age: Disposition::Report,
    invalid_created_at: Disposition::Ignore,
    too_old: Disposition::Ignore,
    stale_after: Duration::MAX,
    hold_exceeded: Disposition::Ignore,
    nameless_grace: Duration::from_secs(30),
    dated_nameless_grace: Some(Duration::from_secs(10 * 60)),
};
