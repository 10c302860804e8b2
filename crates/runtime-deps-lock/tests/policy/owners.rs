//! Lock directories that name an owner: only proof of its death removes them, no age ever.

use lock_core::identity::{BootId, Observed, OwnerId, Process, StartTime};
use lock_core::policy::Action;
use lock_core::record::KernelLockClaim;
use rstest::rstest;

use crate::scripted::{BOOT, ME, OWNER, World, process, seen, ticks};

const OTHER_BOOT: &str = "0a1b2c3d-0000-4000-8000-000000000002";

/// Records of the origin, in each of their forms, against what is under the pid.
#[rstest]
#[case::same("777, \"starttime\": 70", Process::Running, ticks(70), Action::Wait, &[])]
#[case::recycled("777, \"starttime\": 70", Process::Running, ticks(71), Action::Reclaim, &["recycled-pid"])]
#[case::start_not_recorded("777", Process::Running, ticks(71), Action::Wait, &[])]
#[case::start_not_seen("777, \"starttime\": 70", Process::Running, None, Action::Wait, &[])]
#[case::start_not_a_number("777, \"starttime\": \"x\"", Process::Running, ticks(71), Action::Wait, &[])]
#[case::start_of_null("777, \"starttime\": null", Process::Running, ticks(71), Action::Wait, &[])]
#[case::dead("777, \"starttime\": 70", Process::Gone, None, Action::Reclaim, &["dead-pid"])]
#[case::dead_without_start("777", Process::Gone, None, Action::Reclaim, &["dead-pid"])]
#[case::exited("777", Process::Exited, None, Action::Reclaim, &["dead-pid"])]
#[case::now_a_thread("777", Process::Thread, None, Action::Reclaim, &["recycled-pid"])]
#[case::not_shown("777, \"starttime\": 70", Process::Unknown, None, Action::Wait, &[])]
fn of_the_origin(
    #[case] pid: &str,
    #[case] under_pid: Process,
    #[case] start: Option<StartTime>,
    #[case] action: Action,
    #[case] reasons: &[&str],
    #[values(", \"createdAtMs\": 1000", "", ", \"createdAtMs\": \"x\"")] created: &str,
) {
    let record = format!("{{\"pid\": {pid}{created}}}");
    let world = World::at(5_000_000).seeing(seen(under_pid, start)).with_record(Some(&record));
    assert_eq!(world.decide(), (action, reasons.to_vec()));
}

/// A record of the origin that carries a boot id is not taken for this boot's.
#[rstest]
#[case::this_boot(BOOT, Process::Gone, "dead-pid")]
#[case::other_boot(OTHER_BOOT, Process::Running, "boot-id-mismatch")]
fn of_the_origin_with_a_boot_id(
    #[case] boot: &str,
    #[case] under_pid: Process,
    #[case] reason: &str,
) {
    let record = format!("{{\"pid\": 777, \"starttime\": 70, \"bootId\": \"{boot}\"}}");
    let world = World::at(0).seeing(seen(under_pid, ticks(70))).with_record(Some(&record));
    if boot == BOOT || world.is_local() {
        assert_eq!(world.decide(), (Action::Reclaim, vec![reason]));
    } else {
        assert_eq!(world.decide().0, Action::Wait);
    }
}

/// Our own pid in a record of the origin, which this process does not hold.
#[rstest]
#[case::equal_start("500, \"starttime\": 5000", ticks(5000), Action::Reclaim, &["orphan-self-pid"])]
#[case::other_start("500, \"starttime\": 4999", ticks(5000), Action::Reclaim, &["recycled-pid"])]
#[case::without_start("500", ticks(5000), Action::Wait, &[])]
#[case::own_start_unknown("500, \"starttime\": 5000", None, Action::Wait, &[])]
fn orphans_of_our_own_pid(
    #[case] pid: &str,
    #[case] own_start: Option<StartTime>,
    #[case] action: Action,
    #[case] reasons: &[&str],
) {
    let record = format!("{{\"pid\": {pid}, \"createdAtMs\": 1000}}");
    let world = World::at(5_000_000)
        .here(process(ME, own_start))
        .seeing(seen(Process::Running, own_start))
        .with_record(Some(&record));
    assert_eq!(world.decide(), (action, reasons.to_vec()));
}

/// Without a start time, not even a file that is proved older than this process is removed.
#[test]
fn an_orphan_of_our_own_pid_without_start_time_is_only_reported() {
    let mut young = seen(Process::Running, ticks(5000));
    young.age = Some(std::time::Duration::from_secs(1));
    let world = World::at(5_000_000)
        .seeing(young)
        .with_record(Some("{\"pid\": 500, \"createdAtMs\": 1000}"))
        .modified(1_000, Some(1_000));
    assert_eq!(world.decide(), (Action::Report, vec!["orphan-self-pid"]));
}

fn ours() -> OwnerId {
    process(OWNER, ticks(70))
}

fn with_unique(unique: u64) -> OwnerId {
    OwnerId { unique: Some(unique), ..ours() }
}

fn seen_unique(unique: u64) -> Observed {
    Observed { unique: Some(unique), ..seen(Process::Running, ticks(70)) }
}

/// Records of ours, without a claim on the kernel lock.
#[rstest]
#[case::same(ours(), seen(Process::Running, ticks(70)), Action::Wait, &[])]
#[case::recycled(ours(), seen(Process::Running, ticks(71)), Action::Reclaim, &["recycled-pid"])]
#[case::dead(ours(), seen(Process::Gone, None), Action::Reclaim, &["dead-pid"])]
#[case::start_not_recorded(process(OWNER, None), seen(Process::Running, ticks(71)), Action::Wait, &[])]
#[case::start_not_seen(ours(), seen(Process::Running, None), Action::Wait, &[])]
#[case::same_unique_id(with_unique(1), seen_unique(1), Action::Wait, &[])]
#[case::other_unique_id(with_unique(1), seen_unique(2), Action::Reclaim, &["recycled-pid"])]
#[case::unique_id_on_one_side(with_unique(1), seen(Process::Running, ticks(70)), Action::Wait, &[])]
#[case::no_boot_id(OwnerId { boot: BootId::Unknown, ..ours() }, seen(Process::Gone, None), Action::Wait, &[])]
#[case::doubtful_boot_id(OwnerId { boot: BootId::Doubtful("x".into()), ..ours() }, seen(Process::Gone, None), Action::Wait, &[])]
#[case::no_namespace(OwnerId { namespace: None, ..ours() }, seen(Process::Gone, None), Action::Wait, &[])]
#[case::other_namespace(
    OwnerId { namespace: Some(lock_core::identity::PidNamespace { inode: 1, id: None }), ..ours() },
    seen(Process::Gone, None), Action::Wait, &[])]
#[case::other_time_namespace(OwnerId { time_offset: None, ..ours() }, seen(Process::Running, ticks(71)), Action::Wait, &[])]
fn of_ours(
    #[case] owner: OwnerId,
    #[case] seen: Observed,
    #[case] action: Action,
    #[case] reasons: &[&str],
) {
    let world = World::at(5_000_000).seeing(seen).with_ours(owner, |_| {});
    assert_eq!(world.decide(), (action, reasons.to_vec()));
}

/// A record of ours from the previous boot goes where only one kernel can have written it.
#[test]
fn of_the_previous_boot() {
    let owner = OwnerId { boot: BootId::Kernel(OTHER_BOOT.to_owned()), ..ours() };
    let world = World::at(0).seeing(seen(Process::Running, ticks(70))).with_ours(owner, |_| {});
    if world.is_local() {
        assert_eq!(world.decide(), (Action::Reclaim, vec!["boot-id-mismatch"]));
    } else {
        assert_eq!(world.decide().0, Action::Wait);
    }
}

/// The owner claims the owner byte of this very file, and nobody holds it: it let go, though
/// its process lives on. Not so when it speaks of another file.
#[rstest]
#[case::this_file(0, Action::Reclaim, &["lock-released"])]
#[case::another_file(1, Action::Wait, &[])]
fn with_a_claim_on_the_kernel_lock(
    #[case] off: u64,
    #[case] action: Action,
    #[case] reasons: &[&str],
) {
    let world = World::at(0).seeing(seen(Process::Running, ticks(70))).with_ours(ours(), |_| {});
    let file = crate::os::facts(&world.owner_file());
    let mut record =
        lock_core::record::LockRecord::parse(&std::fs::read(world.owner_file()).unwrap()).unwrap();
    record.kernel_lock = Some(KernelLockClaim { device: file.device, inode: file.inode + off });
    let bytes = record.to_bytes(lock_core::record::Dialect::RuntimeDeps);
    std::fs::write(world.owner_file(), bytes).unwrap();
    assert_eq!(world.decide(), (action, reasons.to_vec()));
}

/// No age, ever, for a live owner: at the end of time, with the oldest of files.
#[rstest]
#[case::confirmed(Some("{\"pid\": 777, \"starttime\": 70, \"createdAtMs\": 0}"), ticks(70))]
#[case::unconfirmed(Some("{\"pid\": 777, \"createdAtMs\": 0}"), None)]
#[case::without_a_time(Some("{\"pid\": 777}"), None)]
#[case::ours(None, ticks(70))]
fn a_live_owner_at_the_end_of_time(#[case] origin: Option<&str>, #[case] start: Option<StartTime>) {
    let world = World::at_the_end_of_time().seeing(seen(Process::Running, start));
    let world = match origin {
        Some(record) => world.with_record(Some(record)),
        None => world.with_ours(ours(), |_| {}),
    };
    assert_eq!(world.modified(0, Some(0)).decide(), (Action::Wait, vec![]));
}
