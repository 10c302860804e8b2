//! File systems that cannot be mounted in a test: real files and real byte locks, under another
//! name. What a free owner byte proves, what another boot id proves, and how a holder finds out
//! that its own lock cannot be seen.
#![cfg(any(target_os = "linux", target_os = "macos"))]

#[path = "filesystems/lockless.rs"]
mod lockless;
#[path = "filesystems/publishing.rs"]
mod publishing;
#[path = "filesystems/removing.rs"]
mod removing;
#[path = "filesystems/setup.rs"]
mod setup;
#[path = "filesystems/sys.rs"]
mod sys;

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use lock_core::filesystem::FsClass::{self, GuestLocal, Local, Network, Unknown, Volatile};
use lock_core::identity::{BootId, PidNamespace};
use lock_core::lockfile::sys::{Access, Byte, Native, Place, Sys};
use lock_core::policy::{Action, Reason};
use lock_core::record::LockRecord;
use lock_core::verdict::{DeathProof, Doubt, Life, Verdict};
use lock_core::{AcquireError, Acquisition, Clock, Request};
use rstest::rstest;

use setup::{MAX_HOLD, UpForDays, alive, leave, lock, policy, stamp, unseen};
use sys::Pretended;

const RELEASED: Verdict = Verdict::Dead(DeathProof::LockReleased);
const REBOOTED: Verdict = Verdict::Dead(DeathProof::Rebooted);
const ELSEWHERE: Verdict = Verdict::Unverifiable(Doubt::OtherPidNamespace);
const OTHER_HOST: Verdict = Verdict::Unverifiable(Doubt::OtherHost);
const NO_BOOT: Verdict = Verdict::Unverifiable(Doubt::BootUnknown);

fn in_another_namespace(record: &mut LockRecord) {
    record.owner.as_mut().unwrap().namespace = Some(PidNamespace { inode: 2, id: Some(2) });
}

fn in_another_namespace_unclaimed(record: &mut LockRecord) {
    in_another_namespace(record);
    record.kernel_lock = None;
}

fn seen_on_another_mount(record: &mut LockRecord) {
    in_another_namespace(record);
    record.kernel_lock.as_mut().unwrap().device += 1;
}

fn in_another_boot(record: &mut LockRecord) {
    record.owner.as_mut().unwrap().boot = BootId::Kernel("then".into());
}

fn in_a_doubtful_boot(record: &mut LockRecord) {
    record.owner.as_mut().unwrap().boot = BootId::Doubtful("now".into());
}

/// What is said of an owner that cannot be seen and whose byte is free.
#[rstest]
#[case(in_another_namespace, [RELEASED, RELEASED, RELEASED, ELSEWHERE, ELSEWHERE])]
#[case(in_another_namespace_unclaimed, [ELSEWHERE; 5])]
#[case(seen_on_another_mount, [ELSEWHERE; 5])]
#[case(in_another_boot, [REBOOTED, OTHER_HOST, OTHER_HOST, OTHER_HOST, OTHER_HOST])]
#[case(in_a_doubtful_boot, [RELEASED, RELEASED, NO_BOOT, NO_BOOT, NO_BOOT])]
fn an_unseen_owner_with_a_free_byte(
    #[case] change: fn(&mut LockRecord),
    #[case] expected: [Verdict; 5],
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    for (class, expected) in
        [Local, Volatile, GuestLocal, Network, Unknown].into_iter().zip(expected)
    {
        leave(&path, change);
        let before = std::fs::metadata(&path).unwrap().ino();
        let file = lock(Pretended::new(class), path.clone(), unseen());
        let look = file.look().unwrap().unwrap();
        assert_eq!(look.assessment().verdict, expected, "{class:?}");
        drop(look);

        let timeout = Some(Duration::ZERO);
        let request = Request {
            stamp: stamp(),
            policy: policy(),
            timeout,
            reentrant: false,
            fail_when_stale: false,
        };
        let tried = Acquisition::new(file, request).block(|_, _, _| {});
        if matches!(expected, Verdict::Dead(_)) {
            drop(tried.unwrap());
        } else {
            assert!(matches!(tried, Err(AcquireError::Contended(_))), "{class:?}: {tried:?}");
            assert_eq!(std::fs::metadata(&path).unwrap().ino(), before, "{class:?}");
        }
    }
}

/// A host sees an ordinary directory where its guests see 9p, and a server where its clients see
/// NFS: another boot id there is no reboot, and the guest may be alive.
#[rstest]
#[case(Local, REBOOTED)]
#[case(Volatile, REBOOTED)]
#[case(GuestLocal, OTHER_HOST)]
#[case(Network, OTHER_HOST)]
#[case(Unknown, OTHER_HOST)]
fn another_boot_of_an_owner_with_another_view(#[case] owners: FsClass, #[case] expected: Verdict) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |record| {
        in_another_boot(record);
        record.seen_as = owners;
    });
    let file = lock(Pretended::new(Local), path, unseen());
    assert_eq!(file.look().unwrap().unwrap().assessment().verdict, expected);
}

/// Where the operator says that one machine alone uses the directory, it was a reboot.
#[rstest]
fn another_boot_of_the_only_machine(
    #[values(Local, Volatile, GuestLocal, Network, Unknown)] class: FsClass,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, in_another_boot);
    let file = lock(Pretended::new(class), path, unseen()).single_host(true);
    assert_eq!(file.look().unwrap().unwrap().assessment().verdict, REBOOTED);
}

/// A living process that let go (a failed unlink): the byte overrules it where locks are the
/// truth, and nowhere else.
#[rstest]
#[case(Local, RELEASED)]
#[case(Volatile, RELEASED)]
#[case(GuestLocal, Verdict::Alive(Life::SameProcess))]
#[case(Network, Verdict::Alive(Life::SameProcess))]
#[case(Unknown, Verdict::Alive(Life::SameProcess))]
fn a_living_owner_with_a_free_byte(#[case] class: FsClass, #[case] expected: Verdict) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |_| {});
    let file = lock(Pretended::new(class), path, alive());
    assert_eq!(file.look().unwrap().unwrap().assessment().verdict, expected);
}

/// Past its own promise a living owner is evicted only where the binding byte keeps everybody
/// out who can reach the file.
#[rstest]
#[case(Local, true, Action::Reclaim)]
#[case(Network, true, Action::Reclaim)]
#[case(Network, false, Action::Report)]
#[case(GuestLocal, false, Action::Reclaim)]
#[case(Unknown, false, Action::Report)]
fn an_overdue_owner(#[case] class: FsClass, #[case] locks_exclude: bool, #[case] action: Action) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    leave(&path, |record| {
        let long_ago = UpForDays.monotonic() - MAX_HOLD - Duration::from_secs(1);
        record.monotonic = Some(long_ago);
    });
    let sys = Pretended { locks_exclude, ..Pretended::new(class) };
    let file = lock(sys, path.clone(), alive());
    let (owners, _) = Native.open(Place::absolute(&path), Access::Lock).unwrap();
    assert!(Native.try_lock(&owners, Byte::Owner).unwrap());
    let look = file.look().unwrap().unwrap();
    let decision = look.assessment().decide(&policy());
    assert_eq!(decision.reasons, [Reason::HoldExceeded], "{class:?}");
    assert_eq!(decision.action, action, "{class:?}");
    drop(owners);
}
