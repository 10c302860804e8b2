//! The table of evidence → verdict, one named case per row and per cell of a tie-break; the
//! walk through the whole space is in [`walk`].

mod walk;

use super::*;
use crate::identity::Comparison::{Different, Same, Unknown};
use rstest::rstest;

use DeathProof::{
    Exited, LockReleased, NoSuchProcess, OrphanSelf, OrphanSelfByAge, PidReused, Rebooted,
};
use Doubt::*;
use FsClass::{GuestLocal, Local, Network, Volatile};
use KernelLock::{Free, Held};

/// A record of ours whose process runs, of this boot and this pid namespace, on a disk. No
/// kernel lock is claimed.
const OURS: Evidence = Evidence {
    form: Some(Form::Ours),
    interpretable: true,
    kernel_lock: Free,
    claimed: false,
    same_file: false,
    fs: Local,
    single_host: false,
    boot: Same,
    namespace: Same,
    found_by_handle: false,
    process: Process::Running,
    incarnation: Same,
    own: Own::Other,
    attested: None,
};
/// The same by OpenClaw.
const ORIGIN: Evidence = Evidence { form: Some(Form::Origin), ..OURS };
/// A record of ours that claims the owner byte, which nobody holds.
const LET_GO: Evidence = Evidence { claimed: true, same_file: true, ..OURS };
/// The same, with the byte held.
const HELD: Evidence = Evidence { kernel_lock: Held, ..LET_GO };
/// The same in a file system whose free bytes only break ties.
const GUEST: Evidence = Evidence { fs: GuestLocal, ..LET_GO };
/// A record of an earlier boot.
const BOOTED: Evidence = Evidence { boot: Different, process: Process::Unknown, ..OURS };
/// What a file that names no owner amounts to.
const NAMELESS: Evidence = Evidence {
    form: None,
    interpretable: false,
    boot: Unknown,
    namespace: Unknown,
    process: Process::Unknown,
    incarnation: Unknown,
    ..OURS
};
/// Our own pid, and no guard of this process.
const LEFT: Own = Own::NotHeldHere { older_than_process: false };
const LEFT_BEFORE_US: Own = Own::NotHeldHere { older_than_process: true };

const fn alive(life: Life) -> Verdict {
    Verdict::Alive(life)
}

const fn dead(proof: DeathProof) -> Verdict {
    Verdict::Dead(proof)
}

const fn unsure(doubt: Doubt) -> Verdict {
    Verdict::Unverifiable(doubt)
}

/// Row 1: somebody alive holds the byte, whatever else is seen.
#[rstest]
#[case::held(HELD, alive(Life::KernelLock))]
#[case::unclaimed(Evidence { claimed: false, same_file: false, ..HELD }, alive(Life::KernelLock))]
#[case::by_an_owner_nobody_can_verify(Evidence { boot: Unknown, ..HELD }, alive(Life::KernelLock))]
#[case::of_a_nameless_file(Evidence { kernel_lock: Held, ..NAMELESS }, alive(Life::KernelLock))]
#[case::on_a_network(Evidence { fs: Network, ..HELD }, alive(Life::KernelLock))]
#[case::inherited_from_the_gone(Evidence { process: Process::Gone, ..HELD }, alive(Life::Inherited))]
#[case::inherited_from_the_exited(Evidence { process: Process::Exited, ..HELD }, alive(Life::Inherited))]
#[case::inherited_from_the_recycled(Evidence { incarnation: Different, ..HELD }, alive(Life::Inherited))]
#[case::inherited_from_an_earlier_boot(Evidence { boot: Different, ..HELD }, alive(Life::Inherited))]
#[case::inherited_from_ourselves(Evidence { own: LEFT, ..HELD }, alive(Life::Inherited))]
#[case::whatever_its_home_says(Evidence { attested: Some(Attested::Gone), boot: Unknown, ..HELD }, alive(Life::KernelLock))]
#[case::held_here(Evidence { own: Own::HeldHere, ..HELD }, alive(Life::HeldHere))]
#[case::held_here_though_the_byte_is_free(Evidence { own: Own::HeldHere, ..LET_GO }, alive(Life::HeldHere))]
fn a_held_byte_is_life(#[case] evidence: Evidence, #[case] verdict: Verdict) {
    assert_eq!(judge(&evidence), verdict);
}

/// Row 1: a free byte, by file system class, boot, claim and identity of the file.
#[rstest]
#[case::local_over_a_living_pid(LET_GO, dead(LockReleased))]
#[case::local_boot_unknown(Evidence { boot: Unknown, ..LET_GO }, dead(LockReleased))]
#[case::local_foreign_namespace(Evidence { namespace: Different, ..LET_GO }, dead(LockReleased))]
#[case::local_namespace_unknown(Evidence { namespace: Unknown, ..LET_GO }, dead(LockReleased))]
#[case::local_unknown_kind(Evidence { interpretable: false, ..LET_GO }, dead(LockReleased))]
#[case::local_before_the_pid(Evidence { process: Process::Gone, ..LET_GO }, dead(LockReleased))]
#[case::local_over_its_home(Evidence { attested: Some(Attested::Alive), namespace: Different, ..LET_GO }, dead(LockReleased))]
#[case::local_over_a_handle(Evidence { found_by_handle: true, namespace: Different, ..LET_GO }, dead(LockReleased))]
#[case::local_unclaimed(Evidence { claimed: false, ..LET_GO }, alive(Life::SameProcess))]
#[case::local_other_file(Evidence { same_file: false, ..LET_GO }, alive(Life::SameProcess))]
#[case::local_probe_failed(Evidence { kernel_lock: KernelLock::Unknown, ..LET_GO }, alive(Life::SameProcess))]
#[case::local_boot_differs(Evidence { boot: Different, ..LET_GO }, dead(Rebooted))]
#[case::local_boot_differs_unknown_kind(Evidence { boot: Different, interpretable: false, ..LET_GO }, unsure(OtherPlatform))]
#[case::volatile(Evidence { fs: Volatile, ..LET_GO }, dead(LockReleased))]
#[case::volatile_boot_unknown(Evidence { fs: Volatile, boot: Unknown, ..LET_GO }, dead(LockReleased))]
#[case::volatile_boot_differs(Evidence { fs: Volatile, boot: Different, ..LET_GO }, unsure(OtherHost))]
#[case::guest_never_over_a_living_pid(GUEST, alive(Life::SameProcess))]
#[case::guest_never_over_an_unconfirmed_pid(Evidence { incarnation: Unknown, ..GUEST }, alive(Life::Unconfirmed))]
#[case::guest_never_over_a_handle(Evidence { namespace: Different, found_by_handle: true, ..GUEST }, alive(Life::FoundByHandle))]
#[case::guest_foreign_namespace(Evidence { namespace: Different, ..GUEST }, dead(LockReleased))]
#[case::guest_namespace_unknown(Evidence { namespace: Unknown, process: Process::Unknown, ..GUEST }, dead(LockReleased))]
#[case::guest_namespace_unknown_but_gone(Evidence { namespace: Unknown, process: Process::Gone, ..GUEST }, dead(LockReleased))]
#[case::guest_never_over_a_pid_that_may_be_the_owner(Evidence { namespace: Unknown, ..GUEST }, unsure(NamespaceUnknown))]
#[case::guest_never_over_a_newer_record_of_a_living_pid(Evidence { interpretable: false, ..GUEST }, unsure(OtherPlatform))]
#[case::guest_process_unknown(Evidence { process: Process::Unknown, ..GUEST }, dead(LockReleased))]
#[case::guest_over_its_home(Evidence { namespace: Different, attested: Some(Attested::Alive), ..GUEST }, dead(LockReleased))]
#[case::guest_boot_unknown(Evidence { boot: Unknown, ..GUEST }, unsure(BootUnknown))]
#[case::guest_boot_differs(Evidence { boot: Different, ..GUEST }, unsure(OtherHost))]
#[case::guest_unclaimed(Evidence { namespace: Different, claimed: false, ..GUEST }, unsure(OtherPidNamespace))]
#[case::guest_other_file(Evidence { namespace: Different, same_file: false, ..GUEST }, unsure(OtherPidNamespace))]
#[case::guest_probe_failed(Evidence { namespace: Different, kernel_lock: KernelLock::Unknown, ..GUEST }, unsure(OtherPidNamespace))]
#[case::network(Evidence { fs: Network, namespace: Different, ..LET_GO }, unsure(OtherPidNamespace))]
#[case::network_living_pid(Evidence { fs: Network, ..LET_GO }, alive(Life::SameProcess))]
#[case::unlisted(Evidence { fs: FsClass::Unknown, namespace: Different, ..LET_GO }, unsure(OtherPidNamespace))]
#[case::unlisted_living_pid(Evidence { fs: FsClass::Unknown, ..LET_GO }, alive(Life::SameProcess))]
fn a_free_byte_is_believed_where_it_can_be(#[case] evidence: Evidence, #[case] verdict: Verdict) {
    assert_eq!(judge(&evidence), verdict);
}

/// Rows 2 to 4: what must be known before a pid means anything.
#[rstest]
#[case::nameless(NAMELESS, unsure(NoOwner))]
#[case::unknown_kind(Evidence { interpretable: false, ..OURS }, unsure(OtherPlatform))]
#[case::unknown_kind_of_another_boot(Evidence { interpretable: false, ..BOOTED }, unsure(OtherPlatform))]
#[case::boot_unknown(Evidence { boot: Unknown, process: Process::Gone, ..OURS }, unsure(BootUnknown))]
#[case::boot_unknown_despite_a_handle(Evidence { boot: Unknown, found_by_handle: true, ..OURS }, unsure(BootUnknown))]
#[case::boot_unknown_single_host(Evidence { boot: Unknown, single_host: true, ..OURS }, unsure(BootUnknown))]
#[case::rebooted_local(BOOTED, dead(Rebooted))]
#[case::rebooted_before_the_namespace(Evidence { namespace: Unknown, ..BOOTED }, dead(Rebooted))]
#[case::rebooted_before_the_pid(Evidence { process: Process::Running, ..BOOTED }, dead(Rebooted))]
#[case::rebooted_though_the_pid_is_ours(Evidence { own: LEFT, ..BOOTED }, dead(Rebooted))]
#[case::rebooted_origin_with_boot_id(Evidence { form: Some(Form::Origin), ..BOOTED }, dead(Rebooted))]
#[case::other_host_volatile(Evidence { fs: Volatile, ..BOOTED }, unsure(OtherHost))]
#[case::other_host_network(Evidence { fs: Network, ..BOOTED }, unsure(OtherHost))]
#[case::other_host_guest(Evidence { fs: GuestLocal, ..BOOTED }, unsure(OtherHost))]
#[case::other_host_unlisted(Evidence { fs: FsClass::Unknown, ..BOOTED }, unsure(OtherHost))]
#[case::single_host_volatile(Evidence { fs: Volatile, single_host: true, ..BOOTED }, dead(Rebooted))]
#[case::single_host_network(Evidence { fs: Network, single_host: true, ..BOOTED }, dead(Rebooted))]
#[case::single_host_guest(Evidence { fs: GuestLocal, single_host: true, ..BOOTED }, dead(Rebooted))]
#[case::single_host_unlisted(Evidence { fs: FsClass::Unknown, single_host: true, ..BOOTED }, dead(Rebooted))]
#[case::single_host_same_boot(Evidence { single_host: true, ..OURS }, alive(Life::SameProcess))]
#[case::namespace_unknown(Evidence { namespace: Unknown, process: Process::Gone, ..OURS }, unsure(NamespaceUnknown))]
#[case::foreign_namespace(Evidence { namespace: Different, process: Process::Gone, ..OURS }, unsure(OtherPidNamespace))]
#[case::foreign_namespace_with_our_pid(Evidence { namespace: Different, own: LEFT_BEFORE_US, ..OURS }, unsure(OtherPidNamespace))]
#[case::foreign_namespace_found(Evidence { namespace: Different, found_by_handle: true, ..OURS }, alive(Life::FoundByHandle))]
#[case::namespace_unknown_found(Evidence { namespace: Unknown, found_by_handle: true, ..OURS }, alive(Life::FoundByHandle))]
fn a_pid_means_nothing_without_boot_and_namespace(
    #[case] evidence: Evidence,
    #[case] verdict: Verdict,
) {
    assert_eq!(judge(&evidence), verdict);
}

/// Row 5: what is under the pid × whether it is the recorded incarnation, for both forms.
#[rstest]
#[case::gone(Process::Gone, Unknown, dead(NoSuchProcess))]
#[case::gone_same(Process::Gone, Same, dead(NoSuchProcess))]
#[case::gone_different(Process::Gone, Different, dead(NoSuchProcess))]
#[case::thread(Process::Thread, Unknown, dead(PidReused))]
#[case::thread_same(Process::Thread, Same, dead(PidReused))]
#[case::thread_different(Process::Thread, Different, dead(PidReused))]
#[case::exited(Process::Exited, Unknown, dead(Exited))]
#[case::exited_same(Process::Exited, Same, dead(Exited))]
#[case::exited_different(Process::Exited, Different, dead(PidReused))]
#[case::running_same(Process::Running, Same, alive(Life::SameProcess))]
#[case::running_different(Process::Running, Different, dead(PidReused))]
#[case::running_unknown(Process::Running, Unknown, alive(Life::Unconfirmed))]
#[case::unknown(Process::Unknown, Unknown, unsure(ProcessUnknown))]
#[case::unknown_same(Process::Unknown, Same, unsure(ProcessUnknown))]
#[case::unknown_different(Process::Unknown, Different, unsure(ProcessUnknown))]
fn a_pid_of_this_boot_and_namespace(
    #[case] process: Process,
    #[case] incarnation: Comparison,
    #[case] verdict: Verdict,
) {
    for base in [OURS, ORIGIN] {
        assert_eq!(judge(&Evidence { process, incarnation, ..base }), verdict);
    }
}

/// Row 6: our own pid, which no guard of this process holds.
#[rstest]
#[case::ours_same(OURS, Same, LEFT, dead(LockReleased))]
#[case::ours_unknown(OURS, Unknown, LEFT, dead(LockReleased))]
#[case::ours_different(OURS, Different, LEFT, dead(PidReused))]
#[case::origin_same(ORIGIN, Same, LEFT, dead(OrphanSelf))]
#[case::origin_different(ORIGIN, Different, LEFT, dead(PidReused))]
#[case::origin_different_older(ORIGIN, Different, LEFT_BEFORE_US, dead(PidReused))]
#[case::origin_unknown(ORIGIN, Unknown, LEFT, alive(Life::Unconfirmed))]
#[case::origin_unknown_older(ORIGIN, Unknown, LEFT_BEFORE_US, dead(OrphanSelfByAge))]
#[case::origin_same_older(ORIGIN, Same, LEFT_BEFORE_US, dead(OrphanSelf))]
fn our_own_pid(
    #[case] base: Evidence,
    #[case] incarnation: Comparison,
    #[case] own: Own,
    #[case] verdict: Verdict,
) {
    assert_eq!(judge(&Evidence { incarnation, own, ..base }), verdict);
}

/// The owner's home is heard where this kernel has nothing to say, and only there.
#[rstest]
#[case::gone(Attested::Gone, dead(DeathProof::Attested))]
#[case::alive(Attested::Alive, alive(Life::Attested))]
fn an_attestation_fills_gaps_and_overrules_nothing(
    #[case] answer: Attested,
    #[case] verdict: Verdict,
) {
    let attested = Some(answer);
    let unseen = Evidence { process: Process::Unknown, incarnation: Unknown, ..OURS };
    for unverifiable in [
        Evidence { interpretable: false, ..unseen },
        Evidence { boot: Unknown, ..unseen },
        Evidence { boot: Unknown, process: Process::Gone, ..OURS },
        Evidence { boot: Unknown, incarnation: Different, ..OURS },
        Evidence { fs: Network, ..BOOTED },
        Evidence { namespace: Unknown, ..unseen },
        Evidence { namespace: Different, ..OURS },
        Evidence { process: Process::Unknown, ..OURS },
        Evidence { boot: Unknown, own: LEFT, ..OURS },
    ] {
        assert_eq!(judge(&Evidence { attested, ..unverifiable }), verdict, "{unverifiable:?}");
    }
    for settled in [OURS, ORIGIN, HELD, LET_GO, GUEST, BOOTED] {
        assert_eq!(judge(&Evidence { attested, ..settled }), judge(&settled), "{settled:?}");
    }
}

/// A process runs that would be respected if boot or namespace were known: the owner's home is
/// believed that it is alive, not that it is gone.
#[rstest]
#[case::boot_unknown(Evidence { boot: Unknown, ..OURS }, BootUnknown)]
#[case::boot_unknown_and_unconfirmed(Evidence { boot: Unknown, incarnation: Unknown, ..OURS }, BootUnknown)]
#[case::namespace_unknown(Evidence { namespace: Unknown, ..OURS }, NamespaceUnknown)]
#[case::newer_record(Evidence { interpretable: false, ..OURS }, OtherPlatform)]
#[case::found_by_handle(Evidence { boot: Unknown, namespace: Different, found_by_handle: true, ..OURS }, BootUnknown)]
#[case::our_own_pid_of_the_origin(Evidence { boot: Unknown, own: LEFT, ..ORIGIN }, BootUnknown)]
fn nobody_attests_the_end_of_who_may_live_here(#[case] evidence: Evidence, #[case] doubt: Doubt) {
    let attested = |answer| judge(&Evidence { attested: Some(answer), ..evidence });
    assert_eq!(attested(Attested::Gone), unsure(doubt));
    assert_eq!(attested(Attested::Alive), alive(Life::Attested));
}

/// There is no owner of whom it could be said that it is gone.
#[test]
fn nobody_attests_the_end_of_a_nameless_owner() {
    let attested = |answer| judge(&Evidence { attested: Some(answer), ..NAMELESS });
    assert_eq!(attested(Attested::Gone), unsure(NoOwner));
    assert_eq!(attested(Attested::Alive), alive(Life::Attested));
}
