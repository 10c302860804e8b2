//! File systems that cannot be mounted in a test: real files and real byte locks, under another
//! name. What a free owner byte proves, what another boot id proves, and how a holder finds out
//! that its own lock cannot be seen.
#![cfg(target_os = "linux")]

#[path = "filesystems/sys.rs"]
mod sys;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lock_core::filesystem::FsClass;
use lock_core::identity::{
    BootId, Observed, OwnerId, OwnerKind, PidNamespace, Process, TimeOffset,
};
use lock_core::lockfile::{Attempt, Guard, Layout, LockFile, ReleaseOutcome, Stamp};
use lock_core::policy::{Action, Disposition, Policy, Reason};
use lock_core::record::{Dialect, KernelLockClaim, LockRecord};
use lock_core::verdict::{DeathProof, Doubt, Life, Verdict};
use lock_core::{AcquireError, Acquisition, Clock, OwnerIdentity, Request, SystemClock};
use rstest::rstest;
use sys::Pretended;

use FsClass::{GuestLocal, Local, Network, Unknown, Volatile};

const MAX_HOLD: Duration = Duration::from_secs(300);
const DIALECT: Dialect = Dialect::Session { max_hold: MAX_HOLD };

/// A process in the first namespace of the boot "now", that sees what it is told to see.
#[derive(Debug)]
struct Scripted(Observed);

fn owner(pid: u32) -> OwnerId {
    OwnerId {
        boot: BootId::Kernel("now".into()),
        namespace: Some(PidNamespace { inode: 1, id: Some(1) }),
        time_offset: Some(TimeOffset::default()),
        unique: Some(100 + u64::from(pid)),
        ..OwnerId::bare(OwnerKind::Linux, pid)
    }
}

impl OwnerIdentity for Scripted {
    fn this_process(&self) -> OwnerId {
        owner(7)
    }
    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        self.0.clone()
    }
}

/// Nothing to be seen: the owner is in another namespace, or on another machine.
fn unseen() -> Scripted {
    Scripted(Observed::nothing("elsewhere"))
}

/// The owner with pid 8 is alive and well.
fn alive() -> Scripted {
    let process = Process::Running;
    Scripted(Observed { process, unique: owner(8).unique, ..Observed::nothing("") })
}

fn lock(sys: Pretended, path: PathBuf, identity: Scripted) -> LockFile<Pretended> {
    LockFile::over(sys, path, Layout::File, Arc::new(identity), Arc::new(SystemClock))
}

fn stamp() -> Stamp {
    Stamp { dialect: DIALECT, label: None, inheritable: false }
}

fn policy() -> Policy {
    Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Reclaim,
        orphan_self_by_age: Disposition::Reclaim,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: Disposition::Reclaim,
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    }
}

fn acquired(lock: &LockFile<Pretended>) -> Guard<Pretended> {
    match lock.attempt(&stamp()).unwrap() {
        Attempt::Acquired(guard) => guard,
        Attempt::Contended => panic!("nobody else is here"),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// Leaves the lock of an owner (pid 8) whose byte is free.
fn leave(path: &Path, change: impl FnOnce(&mut LockRecord)) {
    std::fs::write(path, "").unwrap();
    let seen = std::fs::metadata(path).unwrap();
    let mut record = LockRecord::new(owner(8), "somebody-else-0".into());
    record.created_at = Some(SystemClock.wall());
    record.monotonic = Some(SystemClock.monotonic());
    record.kernel_lock = Some(KernelLockClaim { device: seen.dev(), inode: seen.ino() });
    change(&mut record);
    std::fs::write(path, record.to_bytes(DIALECT)).unwrap();
}

#[rstest]
fn a_lock_that_is_seen_is_claimed(
    #[values(Local, Volatile, GuestLocal, Network, Unknown)] class: FsClass,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let sys = Pretended::new(class);
    let guard = acquired(&lock(sys.clone(), path.clone(), unseen()));
    assert!(guard.record().kernel_lock.is_some());
    let published = LockRecord::parse(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(published.kernel_lock, guard.record().kernel_lock);
    assert_eq!(sys.published.load(Ordering::Relaxed), 1);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(dir.path()).is_empty());
}

/// The self-test goes through a fresh open, at each acquisition. Where it fails, the lock is
/// taken back and published again with a record that claims nothing.
#[rstest]
fn a_lock_that_is_not_seen_is_not_claimed(#[values(GuestLocal, Network, Unknown)] class: FsClass) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let sys = Pretended { locks_are_unseen: true, ..Pretended::new(class) };
    let file = lock(sys.clone(), path.clone(), unseen());
    for round in 1..=2 {
        let guard = acquired(&file);
        assert_eq!(guard.record().kernel_lock, None);
        let published = LockRecord::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((published.kernel_lock, &published.id), (None, &guard.record().id));
        assert_eq!(sys.published.load(Ordering::Relaxed), 2 * round);
        assert_eq!(names(dir.path()), ["s.lock"]);
        assert!(guard.is_held());
        assert!(guard.section(Duration::ZERO, || ()).is_ok());
        assert!(matches!(guard.release(), ReleaseOutcome::Released));
    }
    assert!(names(dir.path()).is_empty());
}

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
        let long_ago = SystemClock.monotonic().saturating_sub(MAX_HOLD + Duration::from_secs(1));
        record.monotonic = Some(long_ago);
    });
    let held = std::fs::File::open(&path).unwrap();
    let sys = Pretended { locks_exclude, ..Pretended::new(class) };
    let file = lock(sys, path.clone(), alive());
    let byte = lock_core::lockfile::sys::Byte::Owner;
    use lock_core::lockfile::sys::{Access, Native, Place, Sys as _};
    let (owners, _) = Native.open(Place::absolute(&path), Access::Lock).unwrap();
    assert!(Native.try_lock(&owners, byte).unwrap());
    let look = file.look().unwrap().unwrap();
    let decision = look.assessment().decide(&policy());
    assert_eq!(decision.reasons, [Reason::HoldExceeded], "{class:?}");
    assert_eq!(decision.action, action, "{class:?}");
    drop((held, owners));
}

/// The ways of publishing that file systems leave: all of them, each without litter.
#[rstest]
#[case::vfat(Pretended { no_unnamed: true, no_link: true, ..Pretended::new(Local) })]
#[case::nfs(Pretended { no_unnamed: true, no_rename_new: true, ..Pretended::new(Network) })]
#[case::old_overlay(Pretended { no_unnamed: true, ..Pretended::new(GuestLocal) })]
fn ways_to_publish(#[case] sys: Pretended) {
    let dir = tempfile::tempdir().unwrap();
    let file = lock(sys, dir.path().join("s.lock"), unseen());
    let guard = acquired(&file);
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(file.attempt(&stamp()).unwrap(), Attempt::Contended));
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    assert!(names(dir.path()).is_empty());
}

/// A retransmitted request reports "exists" for its own success: the file there is compared
/// with ours before it counts as somebody else's.
#[rstest]
fn our_own_file_is_not_contention(#[values(false, true)] no_unnamed: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let nfs = Pretended { no_unnamed, no_rename_new: true, ..Pretended::new(Network) };
    let sys = Pretended { link_answers_twice: true, ..nfs };
    let guard = acquired(&lock(sys.clone(), path.clone(), unseen()));
    assert!(guard.is_held());
    assert!(matches!(lock(sys, path, unseen()).attempt(&stamp()).unwrap(), Attempt::Contended));
    assert_eq!(names(dir.path()), ["s.lock"]);
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
}

/// Off local file systems an inode number can come back under an open descriptor: what the
/// path leads to is told by what it says as well.
#[rstest]
#[case(Local, true)]
#[case(Volatile, true)]
#[case(GuestLocal, false)]
#[case(Network, false)]
#[case(Unknown, false)]
fn the_same_inode_with_another_record(#[case] class: FsClass, #[case] held: bool) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.lock");
    let guard = acquired(&lock(Pretended::new(class), path.clone(), unseen()));
    leave(&path, |_| {});
    let theirs = std::fs::read(&path).unwrap();
    assert_eq!(guard.is_held(), held);
    if !held {
        assert!(matches!(guard.release(), ReleaseOutcome::Lost));
        assert_eq!(std::fs::read(&path).unwrap(), theirs);
    }
}
