//! A record of another kind of system, with everything else in favour of its owner's death:
//! it is not judged, whoever wrote it and whoever reads it.

use std::time::Duration;

use super::*;
use crate::identity::{OwnerIdentity, StartTime, UnverifiedIdentity};
use crate::record::Dialect;
use crate::verdict::{DeathProof, Doubt, Life, Verdict, judge};
use rstest::rstest;

/// Pid 7 of boot "a", in the terms of its system.
fn owner(kind: &OwnerKind) -> OwnerId {
    let start = match kind {
        OwnerKind::Linux => StartTime::Ticks { ticks: 1, per_second: 100 },
        OwnerKind::Windows => StartTime::FileTime(1),
        OwnerKind::Macos | OwnerKind::Other(_) => StartTime::UnixMicros(1),
    };
    let namespace = match kind {
        OwnerKind::Linux | OwnerKind::Windows => namespace(1),
        OwnerKind::Macos | OwnerKind::Other(_) => None,
    };
    let (start, unique) = (Some(start), Some(1));
    OwnerId { start, unique, namespace, boot: boot("a"), ..OwnerId::bare(kind.clone(), 7) }
}

/// Every verdict on a record by `owner`, read by `here`, on whatever evidence.
fn verdicts(owner: &OwnerId, here: &OwnerId) -> Vec<(KernelLock, Verdict)> {
    let record = LockRecord {
        kernel_lock: Some(KernelLockClaim { device: 1, inode: 2 }),
        ..ours(owner.clone())
    };
    let mut gone = Observed::nothing("");
    gone.process = Process::Gone;
    let mut all = Vec::new();
    for fs in [FsClass::Local, FsClass::Volatile, FsClass::GuestLocal, FsClass::Network] {
        for kernel_lock in [KernelLock::Held, KernelLock::Free, KernelLock::Unknown] {
            for own in [Own::Other, Own::NotHeldHere { older_than_process: true }] {
                for single_host in [false, true] {
                    let device_inode = (1, 2);
                    let file = FileEvidence { kernel_lock, device_inode, fs, single_host };
                    let seen = gather(Some(&record), here, Some(&gone), file, own, None);
                    all.push((kernel_lock, judge(&seen)));
                }
            }
        }
    }
    all
}

#[rstest]
fn another_kind_of_system_is_never_dead(
    #[values("linux", "macos", "windows", "freebsd", "")] owner_kind: &str,
    #[values("linux", "macos", "windows", "freebsd")] here_kind: &str,
    #[values(boot("a"), boot("b"), BootId::Doubtful("a".into()), BootId::Unknown)]
    here_boot: BootId,
    #[values(boot("a"), BootId::Unknown)] owner_boot: BootId,
) {
    let [owner_kind, here_kind] = [owner_kind, here_kind].map(OwnerKind::from_name);
    let theirs = OwnerId { boot: owner_boot, ..owner(&owner_kind) };
    let here = OwnerId { boot: here_boot, ..owner(&here_kind) };
    for (kernel_lock, verdict) in verdicts(&theirs, &here) {
        let expected = match kernel_lock {
            KernelLock::Held => Verdict::Alive(Life::KernelLock),
            KernelLock::Free | KernelLock::Unknown => Verdict::Unverifiable(Doubt::OtherPlatform),
        };
        if owner_kind != here_kind {
            assert_eq!(verdict, expected, "{kernel_lock:?}");
        } else {
            assert_ne!(verdict, Verdict::Unverifiable(Doubt::OtherPlatform));
        }
    }
}

/// Who cannot identify processes still knows what system this is: a free byte counts.
#[test]
fn the_unverified_identity_is_of_this_kind_of_system() {
    let identity = UnverifiedIdentity;
    let here = identity.this_process();
    let written = ours(OwnerId { pid: 7, ..here.clone() });
    let claim = Some(KernelLockClaim { device: 1, inode: 2 });
    let dialect = Dialect::Session { max_hold: Duration::from_secs(1) };
    let bytes = LockRecord { kernel_lock: claim, ..written }.to_bytes(dialect);
    let record = LockRecord::parse(&bytes).unwrap();
    let owner = record.owner.as_ref().unwrap();
    let seen = identity.observe(owner, &here);
    let judged = |kernel_lock| {
        let (device_inode, fs, single_host) = ((1, 2), FsClass::Local, false);
        let file = FileEvidence { kernel_lock, device_inode, fs, single_host };
        judge(&gather(Some(&record), &here, Some(&seen), file, Own::Other, None))
    };
    assert_eq!(judged(KernelLock::Free), Verdict::Dead(DeathProof::LockReleased));
    assert_eq!(judged(KernelLock::Held), Verdict::Alive(Life::KernelLock));
    assert_eq!(judged(KernelLock::Unknown), Verdict::Unverifiable(Doubt::BootUnknown));
}

/// The same evidence does prove death where it means something.
#[rstest]
#[case("linux")]
#[case("macos")]
#[case("windows")]
fn ones_own_kind_is_judged(#[case] kind: &str) {
    let me = owner(&OwnerKind::from_name(kind));
    for (kernel_lock, verdict) in verdicts(&me, &me) {
        assert_eq!(matches!(verdict, Verdict::Dead(_)), kernel_lock != KernelLock::Held);
    }
}
