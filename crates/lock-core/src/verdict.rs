//! Evidence → verdict: one pure table, in the order in which evidence outranks evidence.
//!
//! Absence proves nothing. [`Verdict::Dead`] always rests on a positive proof; whatever is
//! missing, unreadable or of another kind leads to a verdict that removes less.

use crate::evidence::{Attested, Evidence, KernelLock, Own};
use crate::filesystem::FsClass;
use crate::identity::{Comparison, Process};
use crate::record::Form;

/// What the evidence proves about the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The owner, or somebody to whom it passed the lock, lives.
    Alive(Life),
    /// The owner is gone or let go.
    Dead(DeathProof),
    /// Neither can be proved.
    Unverifiable(Doubt),
}

/// Why an owner counts as alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// A guard of this very process holds it.
    HeldHere,
    /// The owner byte is held.
    KernelLock,
    /// The owner byte is held although the recorded owner is provably dead: another process
    /// inherited the open file.
    Inherited,
    /// A kernel handle that does not go through the pid finds the owner, in another namespace.
    FoundByHandle,
    /// The process under the pid is the recorded incarnation.
    SameProcess,
    /// A process is under the pid; nothing tells whether it is the recorded one.
    Unconfirmed,
    /// The owner's home says so.
    Attested,
}

/// What proves that the owner no longer holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeathProof {
    /// The kernel dropped the owner's byte lock, or this process did.
    LockReleased,
    /// The machine was booted since.
    Rebooted,
    /// No process has the pid.
    NoSuchProcess,
    /// The process has exited and is not reaped yet.
    Exited,
    /// The pid names another process, or a thread of one.
    PidReused,
    /// A record of the origin with our own pid and start time, which this process does not hold.
    OrphanSelf,
    /// The same without a start time, in a file proved older than this process.
    OrphanSelfByAge,
    /// The owner's home says that it is gone.
    Attested,
}

/// Why nothing can be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The file names no owner.
    NoOwner,
    /// The owner's kind or the record's version is not one this process can interpret.
    OtherPlatform,
    /// A boot id is missing or not the kernel's own, on one side or both.
    BootUnknown,
    /// The boot ids differ, and more than one kernel may be using this directory.
    OtherHost,
    /// A pid namespace is missing on one side.
    NamespaceUnknown,
    /// The owner lives, or lived, in another pid namespace.
    OtherPidNamespace,
    /// The system would not say what is under the pid.
    ProcessUnknown,
}

/// Judges the owner. Pure; the order is part of the contract.
#[must_use]
pub fn judge(e: &Evidence) -> Verdict {
    if e.own == Own::HeldHere {
        return Verdict::Alive(Life::HeldHere);
    }
    let by_process = judge_without_lock(e);
    match (e.kernel_lock, by_process) {
        (KernelLock::Held, Verdict::Dead(_)) => Verdict::Alive(Life::Inherited),
        (KernelLock::Held, _) => Verdict::Alive(Life::KernelLock),
        (KernelLock::Free, _) if free_proves_release(e) => Verdict::Dead(DeathProof::LockReleased),
        (KernelLock::Free, Verdict::Unverifiable(_)) if free_breaks_tie(e) && !may_live_here(e) => {
            Verdict::Dead(DeathProof::LockReleased)
        }
        // Another kind of witness is heard only where this kernel has nothing to say.
        (_, Verdict::Unverifiable(doubt)) => match e.attested {
            Some(Attested::Alive) => Verdict::Alive(Life::Attested),
            Some(Attested::Gone) if e.form.is_some() && !may_live_here(e) => {
                Verdict::Dead(DeathProof::Attested)
            }
            _ => Verdict::Unverifiable(doubt),
        },
        (_, verdict) => verdict,
    }
}

/// A free owner byte is the truth: the owner took it on this inode, in this lock domain.
fn free_proves_release(e: &Evidence) -> bool {
    e.claimed
        && e.same_file
        && e.boot != Comparison::Different
        && matches!(e.fs, FsClass::Local | FsClass::Volatile)
}

/// A free owner byte may tip an otherwise undecided case: the lock domain is this guest's.
fn free_breaks_tie(e: &Evidence) -> bool {
    e.claimed && e.same_file && e.boot == Comparison::Same && e.fs == FsClass::GuestLocal
}

/// A process that runs may be the owner, and what keeps it from being taken for it is only what
/// is not known of boot and pid namespace, or a record that cannot be interpreted. Without these
/// gaps it would be [`Alive`](Verdict::Alive), over every witness who is heard in a case of
/// doubt: a gap must not let that witness prevail.
fn may_live_here(e: &Evidence) -> bool {
    let runs = match e.own {
        // We run. A record of ours that no guard of this process holds is of the past, though.
        Own::HeldHere | Own::NotHeldHere { .. } => e.form == Some(Form::Origin),
        Own::Other => e.process == Process::Running,
    };
    let under_the_pid =
        e.namespace != Comparison::Different && e.incarnation != Comparison::Different && runs;
    e.boot != Comparison::Different && (e.found_by_handle || under_the_pid)
}

/// The verdict of everything but the owner byte.
fn judge_without_lock(e: &Evidence) -> Verdict {
    let Some(form) = e.form else { return Verdict::Unverifiable(Doubt::NoOwner) };
    if !e.interpretable {
        return Verdict::Unverifiable(Doubt::OtherPlatform);
    }
    match e.boot {
        Comparison::Unknown => return Verdict::Unverifiable(Doubt::BootUnknown),
        Comparison::Different if e.fs.outlives_only_its_kernel() || e.single_host => {
            return Verdict::Dead(DeathProof::Rebooted);
        }
        Comparison::Different => return Verdict::Unverifiable(Doubt::OtherHost),
        Comparison::Same => {}
    }
    match e.namespace {
        _ if e.found_by_handle => return Verdict::Alive(Life::FoundByHandle),
        Comparison::Unknown => return Verdict::Unverifiable(Doubt::NamespaceUnknown),
        Comparison::Different => return Verdict::Unverifiable(Doubt::OtherPidNamespace),
        Comparison::Same => {}
    }
    if let Own::NotHeldHere { older_than_process } = e.own {
        return match (form, e.incarnation) {
            (_, Comparison::Different) => Verdict::Dead(DeathProof::PidReused),
            // Our pid, our boot, our namespace: the owner is this process, which let go, or a
            // dead predecessor.
            (Form::Ours, _) => Verdict::Dead(DeathProof::LockReleased),
            (Form::Origin, Comparison::Same) => Verdict::Dead(DeathProof::OrphanSelf),
            (Form::Origin, Comparison::Unknown) if older_than_process => {
                Verdict::Dead(DeathProof::OrphanSelfByAge)
            }
            (Form::Origin, Comparison::Unknown) => Verdict::Alive(Life::Unconfirmed),
        };
    }
    match (e.process, e.incarnation) {
        (Process::Gone, _) => Verdict::Dead(DeathProof::NoSuchProcess),
        (Process::Thread, _) => Verdict::Dead(DeathProof::PidReused),
        (Process::Running | Process::Exited, Comparison::Different) => {
            Verdict::Dead(DeathProof::PidReused)
        }
        (Process::Exited, _) => Verdict::Dead(DeathProof::Exited),
        (Process::Running, Comparison::Same) => Verdict::Alive(Life::SameProcess),
        (Process::Running, Comparison::Unknown) => Verdict::Alive(Life::Unconfirmed),
        (Process::Unknown, _) => Verdict::Unverifiable(Doubt::ProcessUnknown),
    }
}

#[cfg(test)]
mod tests;
