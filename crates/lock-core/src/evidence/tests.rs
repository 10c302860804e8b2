//! What is gathered from a record, this process and the file, one fact at a time.

mod platforms;

use super::*;
use crate::identity::{BootId, OwnerKind, PidNamespace};
use crate::record::KernelLockClaim;
use Comparison::{Different, Same, Unknown};
use rstest::rstest;

fn boot(id: &str) -> BootId {
    BootId::Kernel(id.to_owned())
}

fn namespace(inode: u64) -> Option<PidNamespace> {
    Some(PidNamespace { inode, id: None })
}

/// A process of boot `a` and pid namespace 1.
fn linux(pid: u32) -> OwnerId {
    OwnerId { boot: boot("a"), namespace: namespace(1), ..OwnerId::bare(OwnerKind::Linux, pid) }
}

fn ours(owner: OwnerId) -> LockRecord {
    LockRecord::new(owner, "id".to_owned())
}

fn origin(boot: BootId) -> LockRecord {
    let names_boot = boot != BootId::Unknown;
    let owner = OwnerId { boot, ..OwnerId::bare(OwnerKind::Linux, 7) };
    LockRecord { form: Form::Origin, version: None, names_boot, ..ours(owner) }
}

/// Seen by pid 8, on the file (1, 2), whose owner byte is free.
fn seen(record: &LockRecord) -> Evidence {
    let file = FileEvidence {
        kernel_lock: KernelLock::Free,
        device_inode: (1, 2),
        fs: FsClass::Local,
        single_host: false,
    };
    gather(Some(record), &linux(8), None, file, Own::Other, None)
}

#[rstest]
#[case::none(None, false, false)]
#[case::this_file(Some((1, 2)), true, true)]
#[case::other_device(Some((9, 2)), true, false)]
#[case::other_inode(Some((1, 9)), true, false)]
#[case::swapped(Some((2, 1)), true, false)]
fn claims(#[case] claim: Option<(u64, u64)>, #[case] claimed: bool, #[case] same_file: bool) {
    let kernel_lock = claim.map(|(device, inode)| KernelLockClaim { device, inode });
    let evidence = seen(&LockRecord { kernel_lock, ..ours(linux(7)) });
    assert_eq!((evidence.claimed, evidence.same_file), (claimed, same_file));
}

#[rstest]
#[case::same(linux(7), Same, Same)]
#[case::other_boot(OwnerId { boot: boot("b"), ..linux(7) }, Different, Same)]
#[case::doubtful_boot(OwnerId { boot: BootId::Doubtful("a".into()), ..linux(7) }, Unknown, Same)]
#[case::no_boot(OwnerId { boot: BootId::Unknown, ..linux(7) }, Unknown, Same)]
#[case::other_namespace(OwnerId { namespace: namespace(2), ..linux(7) }, Same, Different)]
#[case::no_namespace(OwnerId { namespace: None, ..linux(7) }, Same, Unknown)]
fn ours_says_where_it_is_from(
    #[case] owner: OwnerId,
    #[case] boot: Comparison,
    #[case] namespace: Comparison,
) {
    let evidence = seen(&ours(owner));
    assert_eq!((evidence.form, evidence.interpretable), (Some(Form::Ours), true));
    assert_eq!((evidence.boot, evidence.namespace), (boot, namespace));
}

#[rstest]
#[case::no_boot_id(BootId::Unknown, Same)]
#[case::this_boot(boot("a"), Same)]
#[case::other_boot(boot("b"), Different)]
fn the_origin_is_taken_for_ours_unless_it_names_a_boot(
    #[case] named: BootId,
    #[case] boot: Comparison,
) {
    let evidence = seen(&origin(named));
    assert_eq!((evidence.form, evidence.interpretable), (Some(Form::Origin), true));
    assert_eq!((evidence.boot, evidence.namespace), (boot, Same));
}

#[rstest]
#[case::macos(ours(OwnerId { kind: OwnerKind::Macos, ..linux(7) }))]
#[case::unknown_kind(ours(OwnerId { kind: OwnerKind::Other("x".into()), ..linux(7) }))]
#[case::of_the_future(LockRecord { version: Some(3), ..ours(linux(7)) })]
#[case::of_no_known_version(LockRecord { version: None, ..ours(linux(7)) })]
fn other_kinds_and_later_versions_are_not_interpreted(#[case] record: LockRecord) {
    assert!(!seen(&record).interpretable);
}

/// Pid namespaces are Linux's: elsewhere there is one for all.
#[test]
fn systems_without_pid_namespaces_have_one() {
    let mac = |pid| OwnerId { boot: boot("a"), ..OwnerId::bare(OwnerKind::Macos, pid) };
    let file = FileEvidence {
        kernel_lock: KernelLock::Free,
        device_inode: (1, 2),
        fs: FsClass::Local,
        single_host: false,
    };
    let evidence = gather(Some(&ours(mac(7))), &mac(8), None, file, Own::Other, None);
    assert_eq!(evidence.namespace, Same);
}

#[test]
fn what_was_observed_counts_for_a_named_owner_only() {
    let file = FileEvidence {
        kernel_lock: KernelLock::Held,
        device_inode: (1, 2),
        fs: FsClass::Network,
        single_host: true,
    };
    let mut observed = Observed::nothing("");
    observed.process = Process::Gone;
    observed.found_by_handle = true;
    let gathered = |record: Option<&LockRecord>| {
        gather(record, &linux(8), Some(&observed), file, Own::Other, Some(Attested::Gone))
    };
    let named = gathered(Some(&ours(linux(7))));
    assert_eq!((named.process, named.found_by_handle), (Process::Gone, true));
    let claim = Some(KernelLockClaim { device: 1, inode: 2 });
    let nameless = LockRecord { owner: None, kernel_lock: claim, ..ours(linux(7)) };
    for evidence in [gathered(None), gathered(Some(&nameless))] {
        assert_eq!((evidence.form, evidence.process), (None, Process::Unknown));
        assert!(!evidence.claimed && !evidence.found_by_handle && !evidence.interpretable);
        // What is seen of the file itself is kept.
        assert_eq!((evidence.kernel_lock, evidence.fs), (KernelLock::Held, FsClass::Network));
        assert_eq!((evidence.single_host, evidence.attested), (true, Some(Attested::Gone)));
    }
}
