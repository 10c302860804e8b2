//! The record of one kind of system in front of another: as bytes on a real disk, on the very
//! inode that it claims, with a free owner byte, in what calls itself the same boot.
//!
//! `linux.json` was written by `lockctl`. The other two were not: they are the bytes that the
//! same code writes for owners as the identity crates describe them.
#![cfg(unix)]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lock_core::identity::{BootId, Observed, OwnerId, OwnerKind, PidNamespace, Process};
use lock_core::lockfile::{Layout, LockFile, Look};
use lock_core::policy::{Action, Disposition, Policy};
use lock_core::record::{Dialect, KernelLockClaim, LockRecord};
use lock_core::verdict::{Doubt, Verdict};
use lock_core::{OwnerIdentity, lockfile::sys::Native};
use rstest::rstest;

const LINUX: &str = include_str!("platforms/linux.json");
const MACOS: &str = include_str!("platforms/macos.json");
const WINDOWS: &str = include_str!("platforms/windows.json");
const DIALECT: Dialect = Dialect::Session { max_hold: Duration::from_secs(300) };

/// A process of some system, in the recorded boot, which sees nobody under the recorded pid.
#[derive(Debug)]
struct Reader(OwnerId);

impl OwnerIdentity for Reader {
    fn this_process(&self) -> OwnerId {
        OwnerId { pid: std::process::id(), ..self.0.clone() }
    }

    fn observe(&self, recorded: &OwnerId, _here: &OwnerId) -> Observed {
        assert_eq!(recorded.kind, self.0.kind, "asked about a process of another system");
        Observed { process: Process::Gone, ..Observed::nothing("") }
    }
}

/// Whatever can be a reason, reclaims.
const EAGER: Policy = Policy {
    proved_dead: Disposition::Reclaim,
    orphan_self: Disposition::Reclaim,
    orphan_self_by_age: Disposition::Reclaim,
    invalid_created_at: Disposition::Reclaim,
    too_old: Disposition::Ignore,
    stale_after: Duration::MAX,
    hold_exceeded: Disposition::Reclaim,
    nameless_grace: Duration::ZERO,
    dated_nameless_grace: None,
};

fn record(bytes: &str) -> LockRecord {
    LockRecord::parse(bytes.as_bytes()).expect("a record")
}

/// Puts the record at `path`, claiming the byte of exactly that file, and reads it there.
fn planted(path: &Path, bytes: &str, kind: OwnerKind) -> (LockFile, Look<Native>) {
    std::fs::write(path, "").unwrap();
    let seen = std::fs::metadata(path).unwrap();
    let kernel_lock = Some(KernelLockClaim { device: seen.dev(), inode: seen.ino() });
    let record = LockRecord { kernel_lock, ..record(bytes) };
    std::fs::write(path, record.to_bytes(DIALECT)).unwrap();
    let reader = Reader(OwnerId { kind, ..record.owner.expect("an owner") });
    let lock = LockFile::new(path.to_owned(), Layout::File, Arc::new(reader));
    let look = lock.look().unwrap().expect("it is there");
    (lock, look)
}

#[rstest]
#[case::linux(LINUX)]
#[case::macos(MACOS)]
#[case::windows(WINDOWS)]
fn these_are_the_bytes_that_are_written(#[case] bytes: &str) {
    assert_eq!(String::from_utf8(record(bytes).to_bytes(DIALECT)).unwrap(), bytes);
}

#[rstest]
#[case::linux_on_macos(LINUX, "linux", OwnerKind::Macos)]
#[case::linux_on_windows(LINUX, "linux", OwnerKind::Windows)]
#[case::linux_on_freebsd(LINUX, "linux", OwnerKind::Other("freebsd".into()))]
#[case::macos_on_linux(MACOS, "macos", OwnerKind::Linux)]
#[case::macos_on_windows(MACOS, "macos", OwnerKind::Windows)]
#[case::windows_on_linux(WINDOWS, "windows", OwnerKind::Linux)]
#[case::windows_on_macos(WINDOWS, "windows", OwnerKind::Macos)]
fn another_system_s_record_is_respected_and_told(
    #[case] bytes: &str,
    #[case] of: &str,
    #[case] here: OwnerKind,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.jsonl.lock");
    let (lock, look) = planted(&path, bytes, here);
    let seen = look.assessment();
    assert_eq!(seen.verdict, Verdict::Unverifiable(Doubt::OtherPlatform));
    assert_ne!(seen.decide(&EAGER).action, Action::Reclaim);
    let _ = lock.reclaim_if_stale(&look, &EAGER, Duration::from_secs(1));
    assert!(path.exists());

    let headline = seen.headline();
    assert!(headline.contains(&format!("on another kind of system ({of})")), "{headline}");
    let told: Vec<_> =
        seen.findings().into_iter().map(|f| (f.source.as_str(), f.finding, f.detail)).collect();
    let detail = |source: &str| {
        let mut of_source = told.iter().filter(|(s, ..)| *s == source);
        let found = of_source.next().map(|(_, _, detail)| detail.as_str());
        assert!(of_source.next().is_none(), "told twice: {told:?}");
        found
    };
    assert_eq!(detail("boot-id"), Some("recorded by another kind of system"));
    assert_eq!(detail("pid"), Some("it means nothing on this kind of system"));
    assert_eq!(detail("pid-namespace"), None);
    if cfg!(any(target_os = "linux", target_os = "macos")) {
        let lock = detail("kernel-lock").unwrap();
        assert!(lock.starts_with("nobody holds it here, where the locks of another"), "{lock}");
    }
}

/// The same bytes, where they mean something: nothing but the kind stood in the way.
#[rstest]
#[case::linux(LINUX, OwnerKind::Linux, "recorded in this boot", Some("pid namespace"))]
#[case::macos(MACOS, OwnerKind::Macos, "recorded in this boot", None)]
#[case::windows(
    WINDOWS,
    OwnerKind::Windows,
    "recorded on this machine",
    Some("Windows installation or container")
)]
fn at_home_it_is_judged_and_told(
    #[case] bytes: &str,
    #[case] here: OwnerKind,
    #[case] boot: &str,
    #[case] space: Option<&str>,
) {
    let dir = tempfile::tempdir().unwrap();
    let (_, look) = planted(&dir.path().join("s.jsonl.lock"), bytes, here);
    let seen = look.assessment();
    assert!(matches!(seen.verdict, Verdict::Dead(_)), "{:?}", seen.verdict);
    assert_eq!(seen.decide(&EAGER).action, Action::Reclaim);
    let findings = seen.findings();
    let detail = |source: &str| {
        findings.iter().find(|f| f.source.as_str() == source).map(|f| f.detail.as_str())
    };
    assert_eq!(detail("boot-id"), Some(boot));
    let space = space.map(|space| format!("the owner's {space} is ours"));
    assert_eq!(detail("pid-namespace"), space.as_deref());
}

fn in_another_boot(here: &mut OwnerId) {
    here.boot = BootId::Kernel("another".into());
}

fn in_no_known_boot(here: &mut OwnerId) {
    here.boot = BootId::Unknown;
}

fn in_another_space(here: &mut OwnerId) {
    here.namespace = Some(PidNamespace { inode: 1, id: None });
}

/// What differs between the reader and the owner, and how that is told.
#[rstest]
#[case(MACOS, in_another_boot, "the machine was booted since")]
#[case(WINDOWS, in_another_boot, "it was on another machine")]
#[case(MACOS, in_no_known_boot, "a boot id is missing")]
#[case(WINDOWS, in_no_known_boot, "the id of the machine is not known")]
#[case(LINUX, in_another_space, "in another pid namespace")]
#[case(WINDOWS, in_another_space, "in another Windows installation or container")]
fn differences_are_told_in_the_system_s_own_terms(
    #[case] bytes: &str,
    #[case] change: fn(&mut OwnerId),
    #[case] told: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.jsonl.lock");
    let record = LockRecord { kernel_lock: None, ..record(bytes) };
    std::fs::write(&path, record.to_bytes(DIALECT)).unwrap();
    let mut here = record.owner.expect("an owner");
    change(&mut here);
    // Whatever file system the test's directory is on.
    let lock = LockFile::new(path, Layout::File, Arc::new(Reader(here))).single_host(true);
    let headline = lock.look().unwrap().expect("it is there").assessment().headline();
    assert!(headline.contains(told), "{headline}");
}

#[rstest]
#[case(Some(3), "is of version 3, which this program does not know")]
#[case(None, "does not say its version")]
fn a_record_of_the_future_is_not_told_as_another_system_s(
    #[case] version: Option<u64>,
    #[case] told: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.jsonl.lock");
    let here = record(LINUX).owner.expect("an owner");
    let version = version.map_or(String::new(), |v| format!("\"version\": {v},"));
    std::fs::write(&path, LINUX.replace("\"version\": 2,", &version)).unwrap();
    let lock = LockFile::new(path, Layout::File, Arc::new(Reader(here)));
    let look = lock.look().unwrap().expect("it is there");
    assert_eq!(look.assessment().verdict, Verdict::Unverifiable(Doubt::OtherPlatform));
    let headline = look.assessment().headline();
    assert!(headline.contains(told), "{headline}");
}
