//! The identity of the calling process, captured once and dropped at `fork`.

use super::pidfd::Pidfd;
use super::procfs::{NoProcfs, Procfs};
use super::{boot, clocks, sys};
use lock_core::ProcessMark;
use lock_core::identity::{OwnerId, OwnerKind, PidNamespace};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FsWord, Mode, OFlags, fstat, fstatfs, openat, readlink};
use rustix::io::Errno;
use std::ffi::CString;
use std::path::Path;
use std::sync::RwLock;

/// `NSFS_MAGIC`, from `linux/magic.h`.
const NSFS_MAGIC: FsWord = 0x6e73_6673;

/// The last capture. Never waited for: a child may have been forked while another thread of
/// its parent held it, and then nobody will ever let it go. Who does not get it captures anew.
static CACHE: RwLock<Option<Captured>> = RwLock::new(None);

/// A capture, and what must be equal for it to be still true of the calling process.
struct Captured {
    /// A forked child is another process.
    mark: ProcessMark,
    /// `setns(2)` moves even a running process to other clocks, and its start time with it.
    time_namespace: Option<Vec<u8>>,
    /// But only one that has a single thread (`timens_install` in the kernel's
    /// `kernel/time/namespace.c`: EUSERS). As long as the second thread is the same one, the link
    /// need not be read, which costs as much as two other calls.
    second_thread: Option<u64>,
    owner: OwnerId,
}

/// The identity of the calling process.
pub(super) fn this_process() -> OwnerId {
    if !ProcessMark::forks_are_counted() {
        return Capture::default().owner();
    }
    // Taken before the capture, so that whatever changes meanwhile outdates it.
    let mark = ProcessMark::current();
    let second_thread = lock_core::second_thread(mark);
    let cached = |is_true: &dyn Fn(&Captured) -> bool| {
        let cache = CACHE.try_read().ok()?;
        cache.as_ref().filter(|c| c.mark == mark && is_true(c)).map(|c| c.owner.clone())
    };
    let accompanied = |c: &Captured| second_thread.is_some() && c.second_thread == second_thread;
    if let Some(owner) = cached(&accompanied) {
        return owner;
    }
    let link = readlink("/proc/self/ns/time", Vec::new());
    let time_namespace = link.ok().map(CString::into_bytes);
    let unmoved = |c: &Captured| c.time_namespace == time_namespace;
    let owner = match cached(&unmoved) {
        Some(owner) => owner,
        None => {
            let mut capture = Capture::default();
            let owner = capture.owner();
            if capture.starved {
                return owner;
            }
            owner
        }
    };
    if let Ok(mut cache) = CACHE.try_write() {
        *cache = Some(Captured { mark, time_namespace, second_thread, owner: owner.clone() });
    }
    owner
}

/// One look at the calling process.
#[derive(Default)]
struct Capture {
    /// Something is missing only because descriptors or memory ran out just now; a later look
    /// may find it, so this one must not be kept.
    starved: bool,
}

impl Capture {
    fn owner(&mut self) -> OwnerId {
        let pid = rustix::process::getpid();
        let pidfd = self.keep(Pidfd::open(pid));
        let procfs = match Procfs::open() {
            Err(NoProcfs::Unreadable(errno)) => self.keep(Err(errno)),
            other => other.ok(),
        };
        let start = procfs.as_ref().and_then(|procfs| match procfs.own_stat() {
            Err(NoProcfs::Unreadable(errno)) => self.keep(Err(errno)),
            other => other.ok(),
        });
        // `/proc/self` is this process in the procfs of any namespace, or it is not there.
        let own = procfs.as_ref().and_then(|procfs| self.keep(procfs.own()));
        OwnerId {
            kind: OwnerKind::Linux,
            pid: pid.as_raw_pid().cast_unsigned(),
            start: start.and_then(|stat| clocks::start_time(stat.start_ticks)),
            unique: pidfd.as_ref().and_then(|pidfd| self.keep(pidfd.unique())).flatten(),
            boot: self.keep(boot::boot_id()).unwrap_or_default(),
            namespace: self.namespace(pidfd.as_ref(), own.as_ref()),
            time_offset: own.as_ref().and_then(|own| self.keep(clocks::time_offset(own))).flatten(),
            name: program_name(),
        }
    }

    /// The pid namespace: the kernel's word through the pidfd, which no mount can fake, else
    /// what procfs shows.
    fn namespace(&mut self, pidfd: Option<&Pidfd>, own: Option<&OwnedFd>) -> Option<PidNamespace> {
        let namespace = pidfd.and_then(|pidfd| self.keep(pidfd.namespace())).or_else(|| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = self.keep(openat(own?, "ns/pid", flags, Mode::empty()))?;
            let magic = self.keep(fstatfs(&file))?.f_type;
            (magic == NSFS_MAGIC).then_some(file)
        })?;
        Some(PidNamespace {
            inode: self.keep(fstat(namespace.as_fd()))?.st_ino,
            // Before Linux 6.18 there is none, and ENOTTY says so.
            id: sys::namespace_id(namespace.as_fd()).ok(),
        })
    }

    fn keep<T>(&mut self, result: Result<T, Errno>) -> Option<T> {
        let passing = |errno| matches!(errno, Errno::MFILE | Errno::NFILE | Errno::NOMEM);
        self.starved |= result.as_ref().err().copied().is_some_and(passing);
        result.ok()
    }
}

/// What the program was called as.
fn program_name() -> Option<String> {
    let called = std::env::args_os().next()?;
    Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned())
}
