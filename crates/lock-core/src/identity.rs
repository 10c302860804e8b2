//! Who owns a lock: the identity of one process incarnation, and the trait that observes it.
//!
//! A pid alone names nobody: it is reused, it repeats in every container, it repeats after a
//! reboot. An [`OwnerId`] adds what tells incarnations apart, each piece optional, because a
//! process does not always know all of it. An [`OwnerIdentity`] reports what it sees of a
//! recorded owner; it never decides. Deciding is [`crate::verdict`] and [`crate::policy`].

use std::fmt;

/// The operating system family that gave an owner its identity. Never compared across kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// `/proc`, pidfd, pid namespaces.
    Linux,
    /// sysctl, libproc, boot session.
    Macos,
    /// `GetProcessTimes` and friends.
    Windows,
    /// Anything this version does not know; the spelling is kept as it was read.
    Other(String),
}

impl OwnerKind {
    /// The spelling used in lock records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Linux => "linux",
            Self::Macos => "macos",
            Self::Windows => "windows",
            Self::Other(name) => name,
        }
    }

    /// The inverse of [`as_str`](Self::as_str); unknown spellings are kept, not guessed at.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "linux" => Self::Linux,
            "macos" => Self::Macos,
            "windows" => Self::Windows,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A process start time. Only equal units compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartTime {
    /// Linux: clock ticks since boot (`proc_pid_stat(5)` field 22), on `CLOCK_BOOTTIME`.
    Ticks {
        /// The value of field 22, as the reader's time namespace shows it.
        ticks: u64,
        /// `sysconf(_SC_CLK_TCK)`: 100 nearly everywhere, 1024 on some architectures.
        per_second: u32,
    },
    /// macOS: microseconds since the epoch, stamped once at fork.
    UnixMicros(u64),
    /// Windows: 100 ns steps since 1601, from `GetProcessTimes`.
    FileTime(u64),
}

/// Which boot of which kernel, and how far that can be believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum BootId {
    /// The kernel's own word: procfs on Linux, `kern.bootsessionuuid` on macOS.
    Kernel(String),
    /// Something answered, but it is not the kernel's procfs: LXC and nspawn mount a random
    /// file over it, gVisor makes one up per procfs instance. Proves nothing either way.
    Doubtful(String),
    /// Not to be had here.
    #[default]
    Unknown,
}

impl BootId {
    /// The id, when it is the kernel's own word.
    #[must_use]
    pub fn kernel(&self) -> Option<&str> {
        match self {
            Self::Kernel(id) => Some(id),
            Self::Doubtful(_) | Self::Unknown => None,
        }
    }

    /// Compares two boot ids; anything but two of the kernel's own words is [`Comparison::Unknown`].
    #[must_use]
    pub fn compare(&self, other: &Self) -> Comparison {
        Comparison::of(self.kernel(), other.kernel())
    }
}

/// A Linux pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PidNamespace {
    /// Inode of `/proc/self/ns/pid`. Two *live* namespaces never share one; after a
    /// namespace died its number is recycled, which is harmless: its processes are dead too.
    pub inode: u64,
    /// `NS_GET_ID` (Linux 6.18): never reused within a boot.
    pub id: Option<u64>,
}

impl PidNamespace {
    /// Compares two namespaces: by unique id where both have one, else by inode.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Comparison {
        let same = match (self.id, other.id) {
            (Some(a), Some(b)) => a == b,
            _ => self.inode == other.inode,
        };
        if same { Comparison::Same } else { Comparison::Different }
    }
}

/// How far a time namespace shifts this process's clocks (`time_namespaces(7)`), in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeOffset {
    /// Shift of `CLOCK_MONOTONIC`.
    pub monotonic_ns: i64,
    /// Shift of `CLOCK_BOOTTIME`, and so of every start time read under it.
    pub boottime_ns: i64,
}

/// One process incarnation, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerId {
    /// Which operating system's terms the rest is in.
    pub kind: OwnerKind,
    /// The process id, in the owner's own pid namespace.
    pub pid: u32,
    /// When the process started.
    pub start: Option<StartTime>,
    /// An id that is never reused within a boot: Linux pidfs inode (6.9 and later), macOS
    /// `p_uniqueid`, Windows process sequence number.
    pub unique: Option<u64>,
    /// The boot in which `pid`, `start` and `unique` mean something.
    pub boot: BootId,
    /// The pid space in which `pid` means something: a Linux pid namespace, a Windows
    /// installation; `None` where a system has one for all.
    pub namespace: Option<PidNamespace>,
    /// The time namespace under which `start` was read; `None` when it could not be told.
    pub time_offset: Option<TimeOffset>,
    /// The program's name, for people. Never part of a decision.
    pub name: Option<String>,
}

impl OwnerId {
    /// An owner of whom nothing but the pid is known.
    #[must_use]
    pub fn bare(kind: OwnerKind, pid: u32) -> Self {
        Self {
            kind,
            pid,
            start: None,
            unique: None,
            boot: BootId::Unknown,
            namespace: None,
            time_offset: None,
            name: None,
        }
    }

    /// Whether the recorded owner and what `seen` found under its pid are one incarnation.
    ///
    /// The unique id decides where both sides have it (no clock and no time namespace moves
    /// it). Otherwise start times decide, but only in the same unit and under the same
    /// `CLOCK_BOOTTIME` offset: a time namespace shifts every start time that is read in it.
    #[must_use]
    pub fn compare_incarnation(&self, seen: &Observed) -> Comparison {
        let unique = Comparison::of(self.unique, seen.unique);
        if unique != Comparison::Unknown {
            return unique;
        }
        match (self.start, seen.start) {
            (
                Some(StartTime::Ticks { ticks: a, per_second: hz_a }),
                Some(StartTime::Ticks { ticks: b, per_second: hz_b }),
            ) => {
                let boottime = |offset: Option<TimeOffset>| offset.map(|o| o.boottime_ns);
                let clocks = Comparison::of(boottime(self.time_offset), boottime(seen.time_offset));
                if clocks == Comparison::Same && hz_a == hz_b {
                    Comparison::of(Some(a), Some(b))
                } else {
                    Comparison::Unknown
                }
            }
            (Some(StartTime::UnixMicros(a)), Some(StartTime::UnixMicros(b)))
            | (Some(StartTime::FileTime(a)), Some(StartTime::FileTime(b))) => {
                Comparison::of(Some(a), Some(b))
            }
            _ => Comparison::Unknown,
        }
    }
}

/// The outcome of comparing two facts, either of which may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Both are known and equal.
    Same,
    /// Both are known and differ.
    Different,
    /// At least one is not known, or they are of different kinds.
    Unknown,
}

impl Comparison {
    /// Compares two optional facts.
    #[must_use]
    pub fn of<T: PartialEq>(a: Option<T>, b: Option<T>) -> Self {
        match (a, b) {
            (Some(a), Some(b)) if a == b => Self::Same,
            (Some(_), Some(_)) => Self::Different,
            _ => Self::Unknown,
        }
    }
}

/// What the operating system shows under a recorded pid, right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    /// No process and no thread has this pid.
    Gone,
    /// It has exited and only waits to be reaped; no thread of it lives.
    Exited,
    /// The number now names a thread of some other process.
    Thread,
    /// A process with this pid is there: running, sleeping, stopped, or an exited leader whose
    /// other threads live on. Also when it is somebody else's (`EPERM`).
    Running,
    /// The system would not say.
    Unknown,
}

/// What an [`OwnerIdentity`] found out about a recorded owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What is there under the recorded pid.
    pub process: Process,
    /// The unique id of what is there.
    pub unique: Option<u64>,
    /// The start time of what is there.
    pub start: Option<StartTime>,
    /// The time namespace under which `start` was read.
    pub time_offset: Option<TimeOffset>,
    /// The recorded incarnation itself was found and lives, by a handle that does not go
    /// through its pid (Linux: pidfs file handle). `false` proves nothing.
    pub found_by_handle: bool,
    /// How long ago, on a clock that excludes no suspend, the process under the pid started.
    pub age: Option<std::time::Duration>,
    /// Why something above is missing, for people.
    pub gaps: Vec<String>,
}

impl Observed {
    /// Nothing is known, for the given reason.
    #[must_use]
    pub fn nothing(why: impl Into<String>) -> Self {
        Self {
            process: Process::Unknown,
            unique: None,
            start: None,
            time_offset: None,
            found_by_handle: false,
            age: None,
            gaps: vec![why.into()],
        }
    }
}

/// A strategy that identifies processes: this one, and recorded owners of locks.
///
/// Implementations report facts. They never decide whether a lock is stale, never block for
/// long (no network: see the async strategy of `session-lock` for that), and never panic on
/// a hostile record: a pid that no process can have is [`Process::Unknown`].
///
/// The trait is dyn-compatible; everything takes `&dyn OwnerIdentity`.
pub trait OwnerIdentity: fmt::Debug + Send + Sync {
    /// Identifies the calling process. Called at each acquisition, so it should be cheap, but
    /// it must notice that the process is a forked child of the one that asked before.
    fn this_process(&self) -> OwnerId;

    /// Observes what the system shows of `recorded`. `here` is [`this_process`](Self::this_process).
    fn observe(&self, recorded: &OwnerId, here: &OwnerId) -> Observed;

    /// The pids, as this process sees them, that hold an open file description with a lock on
    /// the byte at `offset` of the file (`device`, `inode`). For people: an incomplete answer,
    /// even an empty one, is allowed and proves nothing.
    fn lock_holders(&self, _device: u64, _inode: u64, _offset: u64) -> Vec<u32> {
        Vec::new()
    }
}

/// The portable fallback: knows its own pid, and about others nothing at all.
///
/// With it, only kernel locks, grace periods and recorded limits free a lock; every question
/// about a process is answered "unverifiable", which never removes anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnverifiedIdentity;

impl OwnerIdentity for UnverifiedIdentity {
    fn this_process(&self) -> OwnerId {
        OwnerId::bare(OwnerKind::from_name(std::env::consts::OS), std::process::id())
    }

    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        Observed::nothing("no way to identify processes on this platform")
    }
}

/// This machine's way to identify processes, as an `Arc<dyn OwnerIdentity>`.
///
/// A macro, because the crate that uses it must depend on the identity crates (each on its own
/// `cfg(target_os)`): this crate, which they depend on, cannot.
#[macro_export]
macro_rules! native_identity {
    () => {{
        #[cfg(target_os = "linux")]
        let identity = ::identity_linux::LinuxIdentity::new();
        #[cfg(target_os = "macos")]
        let identity = ::identity_macos::MacosIdentity;
        #[cfg(windows)]
        let identity = ::identity_windows::WindowsIdentity;
        #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
        let identity = $crate::UnverifiedIdentity;
        ::std::sync::Arc::new(identity) as ::std::sync::Arc<dyn $crate::OwnerIdentity>
    }};
}

#[cfg(test)]
mod tests;
