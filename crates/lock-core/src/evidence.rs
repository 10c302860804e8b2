//! Evidence: the observed facts about a recorded owner, each a small closed set.
//!
//! [`gather`] turns raw observations into [`Evidence`] without deciding anything. Because
//! every field has few values, the whole space can be walked by a test.

use crate::filesystem::FsClass;
use crate::identity::{Comparison, Observed, OwnerId, Process};
use crate::record::{Form, LockRecord};

/// What probing the owner byte showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelLock {
    /// Some open file description holds it, so somebody alive does.
    Held,
    /// Nobody holds it, as far as this kernel sees.
    Free,
    /// The probe failed.
    Unknown,
}

/// What the in-process registry and the pids say about the record being this process's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Own {
    /// A guard of this process holds exactly this acquisition.
    HeldHere,
    /// The recorded pid is ours, and no guard of this process has this acquisition. For records
    /// of the origin: whether the file is *proved* older than this process.
    NotHeldHere {
        /// `true` only when both the file and its `createdAt` predate the process.
        older_than_process: bool,
    },
    /// Another process's pid.
    Other,
}

/// What an owner's home (an orchestrator, a lease service) says about an owner whom this
/// kernel cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attested {
    /// It lives.
    Alive,
    /// It positively no longer exists.
    Gone,
}

/// Everything [`crate::verdict::judge`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// Whose rules apply; `None` when nothing names an owner.
    pub form: Option<Form>,
    /// The record's version and owner kind are ones this process can interpret.
    pub interpretable: bool,
    /// The owner byte.
    pub kernel_lock: KernelLock,
    /// The record claims that its owner took the owner byte, in terms of this kind of system.
    pub claimed: bool,
    /// The file we see is the (device, inode) that the owner recorded.
    pub same_file: bool,
    /// The file system; in another boot, the less local of the owner's view of it and ours.
    pub fs: FsClass,
    /// The operator declared that the directory belongs to one machine.
    pub single_host: bool,
    /// The recorded boot against this one.
    pub boot: Comparison,
    /// The recorded pid namespace against this one.
    pub namespace: Comparison,
    /// The recorded incarnation was found alive by a handle that needs no pid.
    pub found_by_handle: bool,
    /// What is under the recorded pid.
    pub process: Process,
    /// Whether that is the recorded incarnation.
    pub incarnation: Comparison,
    /// This process's own bookkeeping.
    pub own: Own,
    /// The answer of an async strategy, when one was asked.
    pub attested: Option<Attested>,
}

/// Facts about the lock file itself that [`gather`] needs.
#[derive(Clone, Copy, Debug)]
pub struct FileEvidence {
    /// The owner byte.
    pub kernel_lock: KernelLock,
    /// Device and inode as this process sees them.
    pub device_inode: (u64, u64),
    /// The file system.
    pub fs: FsClass,
    /// The operator's declaration.
    pub single_host: bool,
}

/// Combines what was read, what was observed and what this process knows.
#[must_use]
pub fn gather(
    record: Option<&LockRecord>,
    here: &OwnerId,
    observed: Option<&Observed>,
    file: FileEvidence,
    own: Own,
    attested: Option<Attested>,
) -> Evidence {
    let named = record.and_then(|r| r.owner.as_ref().map(|owner| (r, owner)));
    let mut evidence = Evidence {
        form: named.map(|(r, _)| r.form),
        interpretable: false,
        kernel_lock: file.kernel_lock,
        claimed: false,
        same_file: false,
        fs: file.fs,
        single_host: file.single_host,
        boot: Comparison::Unknown,
        namespace: Comparison::Unknown,
        found_by_handle: false,
        process: Process::Unknown,
        incarnation: Comparison::Unknown,
        own,
        attested,
    };
    let Some((record, owner)) = named else { return evidence };
    let same_kind = owner.kind == here.kind;
    evidence.interpretable = same_kind && record.is_understood();
    // Another kind of system is another kernel: its locks do not show here, and its device and
    // inode numbers are equal to ours by chance.
    evidence.claimed = same_kind && record.kernel_lock.is_some();
    evidence.same_file =
        record.kernel_lock.is_some_and(|claim| (claim.device, claim.inode) == file.device_inode);
    let namespaces = match (owner.namespace, here.namespace) {
        (Some(a), Some(b)) => a.compare(&b),
        // An operating system without pid namespaces has one for all.
        (None, None) if here.kind != crate::identity::OwnerKind::Linux => Comparison::Same,
        _ => Comparison::Unknown,
    };
    (evidence.boot, evidence.namespace) = match record.form {
        Form::Ours => (owner.boot.compare(&here.boot), namespaces),
        Form::Origin if record.names_boot => (owner.boot.compare(&here.boot), Comparison::Same),
        Form::Origin => (Comparison::Same, Comparison::Same),
    };
    if evidence.boot == Comparison::Different {
        evidence.fs = file.fs.seen_by_owner_as(record.seen_as);
    }
    if let Some(seen) = observed {
        evidence.found_by_handle = seen.found_by_handle;
        evidence.process = seen.process;
        evidence.incarnation = owner.compare_incarnation(seen);
    }
    evidence
}

#[cfg(test)]
mod tests;
