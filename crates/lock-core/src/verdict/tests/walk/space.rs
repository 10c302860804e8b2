//! The whole space: every evidence, every verdict, and ages and policies on both sides of each
//! limit.

use super::*;
use crate::policy::Disposition;
use std::time::Duration;

const COMPARISONS: [Comparison; 3] = [Same, Different, Unknown];

/// Calls `visit` for every evidence there is: who names no owner claims nothing.
pub(super) fn for_all_evidence(mut visit: impl FnMut(Evidence)) {
    let forms = [Some(Form::Ours), Some(Form::Origin), None];
    let locks = [Held, Free, KernelLock::Unknown];
    let classes = [Local, Volatile, GuestLocal, Network, FsClass::Unknown];
    let processes =
        [Process::Gone, Process::Exited, Process::Thread, Process::Running, Process::Unknown];
    let owns = [Own::HeldHere, LEFT, LEFT_BEFORE_US, Own::Other];
    let answers = [None, Some(Attested::Alive), Some(Attested::Gone)];
    let mut e = OURS;
    for form in forms {
        e.form = form;
        for flags in 0..32_u8 {
            e.interpretable = flags & 1 != 0;
            e.claimed = flags & 2 != 0;
            e.same_file = flags & 4 != 0;
            e.single_host = flags & 8 != 0;
            e.found_by_handle = flags & 16 != 0;
            if form.is_none() && (e.interpretable || e.claimed) {
                continue;
            }
            for kernel_lock in locks {
                e.kernel_lock = kernel_lock;
                for fs in classes {
                    e.fs = fs;
                    for boot in COMPARISONS {
                        e.boot = boot;
                        for namespace in COMPARISONS {
                            e.namespace = namespace;
                            for process in processes {
                                e.process = process;
                                for incarnation in COMPARISONS {
                                    e.incarnation = incarnation;
                                    for own in owns {
                                        e.own = own;
                                        for attested in answers {
                                            e.attested = attested;
                                            visit(e);
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Every verdict, at the index that [`slot`] gives it.
pub(super) const VERDICTS: [Verdict; 22] = [
    alive(Life::HeldHere),
    alive(Life::KernelLock),
    alive(Life::Inherited),
    alive(Life::FoundByHandle),
    alive(Life::SameProcess),
    alive(Life::Unconfirmed),
    alive(Life::Attested),
    dead(LockReleased),
    dead(Rebooted),
    dead(NoSuchProcess),
    dead(Exited),
    dead(PidReused),
    dead(OrphanSelf),
    dead(OrphanSelfByAge),
    dead(DeathProof::Attested),
    unsure(NoOwner),
    unsure(OtherPlatform),
    unsure(BootUnknown),
    unsure(OtherHost),
    unsure(NamespaceUnknown),
    unsure(OtherPidNamespace),
    unsure(ProcessUnknown),
];

pub(super) fn slot(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Alive(life) => life as usize,
        Verdict::Dead(proof) => 7 + proof as usize,
        Verdict::Unverifiable(doubt) => 15 + doubt as usize,
    }
}

/// The session policy, and one that knows no age of a living owner.
pub(super) fn policies() -> [Policy; 2] {
    let session = Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Reclaim,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: Disposition::Reclaim,
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    };
    let deps = Policy {
        orphan_self_by_age: Disposition::Report,
        invalid_created_at: Disposition::Ignore,
        too_old: Disposition::Ignore,
        hold_exceeded: Disposition::Ignore,
        dated_nameless_grace: Some(Duration::from_secs(600)),
        ..session
    };
    [session, deps]
}

/// Ages under and over every limit, with and without each fact about them.
pub(super) fn all_ages() -> Vec<Ages> {
    let seconds = |s: Option<u64>| s.map(Duration::from_secs);
    let mut all = Vec::new();
    for held in [None, Some(1), Some(301), Some(601), Some(1801)] {
        for file in [None, Some(1), Some(31)] {
            for max_hold in [None, Some(300)] {
                for flags in 0..16_u8 {
                    all.push(Ages {
                        held: seconds(held),
                        file: seconds(file),
                        max_hold: seconds(max_hold),
                        held_is_trusted: flags & 1 != 0,
                        created_at_valid: flags & 2 != 0,
                        locks_exclude: flags & 4 != 0,
                        names_owner: flags & 8 != 0,
                    });
                }
            }
        }
    }
    all
}
