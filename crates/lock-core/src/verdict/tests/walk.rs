//! Invariant 3 over the whole space: taking one piece of evidence away never turns a decision
//! that reclaims nothing into one that reclaims.
//!
//! Every [`Evidence`] × every piece × two policies × ages at, under and over each limit. Where
//! the removed piece was itself what kept the owner alive, the change is allowed; [`ALLOWED`]
//! lists each such change exactly, so that an exception which is never needed fails as well.

mod space;

use super::*;
use crate::policy::{Action, Ages, Policy, Reason, decide};
use space::{VERDICTS, all_ages, for_all_evidence, policies, slot};
use std::collections::BTreeSet;

/// One removable piece of evidence; the order is that of [`taken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    KernelLock,
    Claim,
    SameFile,
    Filesystem,
    SingleHost,
    Boot,
    Namespace,
    Handle,
    Process,
    Incarnation,
    Attestation,
    OlderThanProcess,
}

use Piece as P;

/// The evidence without one piece of it.
fn taken(e: Evidence) -> [(Piece, Evidence); 12] {
    let own = match e.own {
        Own::NotHeldHere { .. } => LEFT,
        own => own,
    };
    [
        (P::KernelLock, Evidence { kernel_lock: KernelLock::Unknown, ..e }),
        (P::Claim, Evidence { claimed: false, ..e }),
        (P::SameFile, Evidence { same_file: false, ..e }),
        (P::Filesystem, Evidence { fs: FsClass::Unknown, ..e }),
        (P::SingleHost, Evidence { single_host: false, ..e }),
        (P::Boot, Evidence { boot: Unknown, ..e }),
        (P::Namespace, Evidence { namespace: Unknown, ..e }),
        (P::Handle, Evidence { found_by_handle: false, ..e }),
        (P::Process, Evidence { process: Process::Unknown, ..e }),
        (P::Incarnation, Evidence { incarnation: Unknown, ..e }),
        (P::Attestation, Evidence { attested: None, ..e }),
        (P::OlderThanProcess, Evidence { own, ..e }),
    ]
}

/// Why a removal may make a reclaim possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// The piece was the sign of life.
    ItWasTheLife,
    /// Known to differ, the boot id was the sign that the free byte may be another kernel's.
    ItNamedAnotherKernel,
}

/// The exceptions, each as narrow as its reason.
fn excuse(piece: Piece, e: &Evidence, before: Verdict, after: Verdict) -> Option<Why> {
    let another_witness = match after {
        Verdict::Dead(DeathProof::Attested) => e.attested == Some(Attested::Gone),
        Verdict::Dead(LockReleased) => free_breaks_tie(e),
        _ => false,
    };
    let respected = may_live_here(e) && another_witness;
    match piece {
        P::KernelLock if e.kernel_lock == Held => Some(Why::ItWasTheLife),
        P::Handle if before == alive(Life::FoundByHandle) || respected => Some(Why::ItWasTheLife),
        P::Attestation if before == alive(Life::Attested) => Some(Why::ItWasTheLife),
        P::Process if e.process == Process::Running && respected => Some(Why::ItWasTheLife),
        // On a disk, that is one of ours, an earlier boot would have been the proof.
        P::Boot
            if e.boot == Different
                && after == dead(LockReleased)
                && (e.fs == Volatile || !e.interpretable) =>
        {
            Some(Why::ItNamedAnotherKernel)
        }
        _ => None,
    }
}

const GONE: Verdict = dead(DeathProof::Attested);

/// Every change that the walk may find: the piece, the verdict with it and without it.
const ALLOWED: &[(Why, Piece, &[Verdict], &[Verdict])] = &[
    (
        Why::ItWasTheLife,
        P::KernelLock,
        &[alive(Life::Inherited)],
        &[
            dead(LockReleased),
            dead(Rebooted),
            dead(NoSuchProcess),
            dead(Exited),
            dead(PidReused),
            dead(OrphanSelf),
            dead(OrphanSelfByAge),
        ],
    ),
    // A nameless file then waits out its grace; a home is asked where nothing else is known.
    (Why::ItWasTheLife, P::KernelLock, &[alive(Life::KernelLock)], &[unsure(NoOwner), GONE]),
    (
        Why::ItWasTheLife,
        P::Handle,
        &[alive(Life::FoundByHandle)],
        &[
            dead(LockReleased),
            dead(NoSuchProcess),
            dead(Exited),
            dead(PidReused),
            dead(OrphanSelf),
            dead(OrphanSelfByAge),
            GONE,
        ],
    ),
    (Why::ItWasTheLife, P::Attestation, &[alive(Life::Attested)], &[unsure(NoOwner)]),
    (
        Why::ItWasTheLife,
        P::Process,
        &[alive(Life::SameProcess), alive(Life::Unconfirmed)],
        &[dead(LockReleased), GONE],
    ),
    // The same where a gap kept it from being confirmed: see `may_live_here`.
    (
        Why::ItWasTheLife,
        P::Handle,
        &[alive(Life::Attested), unsure(OtherPlatform)],
        &[dead(LockReleased)],
    ),
    (Why::ItWasTheLife, P::Handle, &[unsure(OtherPlatform), unsure(BootUnknown)], &[GONE]),
    (
        Why::ItWasTheLife,
        P::Process,
        &[alive(Life::Attested), unsure(OtherPlatform), unsure(NamespaceUnknown)],
        &[dead(LockReleased)],
    ),
    (
        Why::ItWasTheLife,
        P::Process,
        &[unsure(OtherPlatform), unsure(BootUnknown), unsure(NamespaceUnknown)],
        &[GONE],
    ),
    (
        Why::ItNamedAnotherKernel,
        P::Boot,
        &[alive(Life::Attested), unsure(OtherHost), unsure(OtherPlatform)],
        &[dead(LockReleased)],
    ),
];

#[test]
fn every_verdict_has_its_slot() {
    for (index, verdict) in VERDICTS.into_iter().enumerate() {
        assert_eq!(slot(verdict), index, "{verdict:?}");
    }
}

#[test]
fn taking_evidence_away_never_makes_a_reclaim_possible() {
    // Decisions depend on the verdict alone as far as the evidence goes: worked out once, as
    // the set of circumstances (policy and ages) in which a verdict leads to a reclaim.
    let circumstances: Vec<_> =
        policies().into_iter().flat_map(|p| all_ages().into_iter().map(move |a| (p, a))).collect();
    let reclaims = VERDICTS.map(|verdict| {
        let reclaim = |&(p, a): &(Policy, Ages)| decide(verdict, &a, &p).action == Action::Reclaim;
        circumstances.iter().map(reclaim).collect::<Vec<bool>>()
    });
    // With an owner named, and with none: whether dropping from one verdict to another makes
    // any circumstance reclaim that did not before.
    let turns = |named: bool, before: usize, after: usize| {
        circumstances
            .iter()
            .zip(&reclaims[before])
            .zip(&reclaims[after])
            .any(|(((_, ages), before), after)| ages.names_owner == named && !before && *after)
    };
    let turns = [false, true].map(|named| {
        let row = |before| std::array::from_fn::<bool, 22, _>(|after| turns(named, before, after));
        std::array::from_fn::<_, 22, _>(row)
    });

    let mut found = BTreeSet::new();
    let mut seen = 0_u32;
    for_all_evidence(|e| {
        seen += 1;
        let before = judge(&e);
        for (piece, less) in taken(e) {
            let after = judge(&less);
            let (from, to) = (slot(before), slot(after));
            if from == to || !turns[usize::from(e.form.is_some())][from][to] {
                continue;
            }
            let Some(why) = excuse(piece, &e, before, after) else {
                panic!("without {piece:?}: {before:?} becomes {after:?} in {e:?}");
            };
            found.insert((why, piece, from, to));
        }
    });
    assert_eq!(seen, 1_749_600, "the whole space");

    let allowed: BTreeSet<_> = ALLOWED
        .iter()
        .flat_map(|&(why, piece, before, after)| {
            before
                .iter()
                .flat_map(move |b| after.iter().map(move |a| (why, piece, slot(*b), slot(*a))))
        })
        .collect();
    let told = |(why, piece, from, to): &(Why, Piece, usize, usize)| {
        format!("{why:?} {piece:?}: {:?} → {:?}", VERDICTS[*from], VERDICTS[*to])
    };
    let unexpected: Vec<_> = found.difference(&allowed).map(told).collect();
    let never_needed: Vec<_> = allowed.difference(&found).map(told).collect();
    assert!(unexpected.is_empty(), "not allowed: {unexpected:#?}");
    assert!(never_needed.is_empty(), "exceptions that are never needed: {never_needed:#?}");
}

#[test]
fn ages_taken_away_never_make_a_reclaim_possible() {
    for policy in policies() {
        for verdict in VERDICTS {
            for ages in all_ages() {
                if decide(verdict, &ages, &policy).action == Action::Reclaim {
                    continue;
                }
                for less in [
                    Ages { held: None, ..ages },
                    Ages { file: None, ..ages },
                    Ages { max_hold: None, ..ages },
                    Ages { held_is_trusted: false, ..ages },
                    Ages { locks_exclude: false, ..ages },
                ] {
                    let action = decide(verdict, &less, &policy).action;
                    assert_ne!(action, Action::Reclaim, "{verdict:?} {ages:?} → {less:?}");
                }
            }
        }
    }
}

/// A reason that nothing leads to, or a new one that no walk meets, would be a row of the table
/// that nobody tests.
#[test]
fn every_reason_is_met() {
    use Reason::*;
    // In this order, so that a new one does not compile without its place here.
    let next = |reason| match reason {
        MissingPid => Some(DeadPid),
        DeadPid => Some(RecycledPid),
        RecycledPid => Some(BootIdMismatch),
        BootIdMismatch => Some(Reason::LockReleased),
        Reason::LockReleased => Some(OrphanSelfPid),
        OrphanSelfPid => Some(InvalidCreatedAt),
        InvalidCreatedAt => Some(TooOld),
        TooOld => Some(HoldExceeded),
        HoldExceeded => None,
    };
    let all: BTreeSet<_> =
        std::iter::successors(Some(MissingPid), |r| next(*r)).map(Reason::as_str).collect();
    let met: BTreeSet<_> = policies()
        .iter()
        .flat_map(|policy| VERDICTS.map(|verdict| (policy, verdict)))
        .flat_map(|(policy, verdict)| {
            all_ages().into_iter().flat_map(move |ages| decide(verdict, &ages, policy).reasons)
        })
        .map(Reason::as_str)
        .collect();
    assert_eq!(met, all);
}
