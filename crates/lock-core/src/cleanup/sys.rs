//! Signal handlers, exit handlers and the fork hook.
//!
//! What runs in a handler calls only async-signal-safe functions (`signal-safety(7)`): fcntl,
//! fstatat, unlink, rename, rmdir, dup2, getpid, nanosleep, sigaction, raise. It takes no lock
//! (a busy cell of the table is tried for 20 ms) and allocates nothing.
#![allow(unsafe_code, reason = "signal handlers are C")]

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use libc::c_int;

use super::table::{Slot, TABLE};
use crate::lockfile::sys::{Byte, Facts, TAKE, byte_range, set_lock};

const SIGNALS: [c_int; 5] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGABRT, libc::SIGHUP];

/// The read end of a pipe that nobody writes to, to put in the place of a parent's lock
/// descriptor.
static PLACEHOLDER: AtomicI32 = AtomicI32::new(-1);

/// Everything a handler needs to remove one lock file.
#[derive(Debug)]
pub(super) struct Entry {
    /// The description with the owner byte, and with the binding byte unless there is `binding`.
    file: RawFd,
    /// A second description for the binding byte.
    binding: Option<RawFd>,
    device: u64,
    inode: u64,
    /// The record's path.
    record: CString,
    /// For the directory layout: the lock's path and a unique name to move it to.
    directory: Option<(CString, CString)>,
    /// Children inherited it: it is theirs too.
    inherited: bool,
    /// The process that holds it, for children of a raw `clone`, which runs no hooks.
    pid: i32,
}

/// The paths of a lock, for its removal in a handler.
pub(crate) struct Paths {
    /// The record file.
    pub(crate) record: CString,
    /// For the directory layout: the lock directory and a unique tombstone beside it.
    pub(crate) directory: Option<(CString, CString)>,
}

impl Slot {
    /// Enters a held lock, whose descriptors stay open for as long as the slot lives.
    pub(crate) fn hold(
        file: &impl AsRawFd,
        binding: Option<&impl AsRawFd>,
        facts: &Facts,
        paths: Paths,
        inherited: bool,
    ) -> Option<Self> {
        prepare_for_forks();
        let Paths { record, directory } = paths;
        Self::enter(Entry {
            file: file.as_raw_fd(),
            binding: binding.map(AsRawFd::as_raw_fd),
            device: facts.device,
            inode: facts.inode,
            record,
            directory,
            inherited,
            pid: this_process(),
        })
    }
}

fn this_process() -> c_int {
    // SAFETY: getpid has no preconditions.
    unsafe { libc::getpid() }
}

/// Frees an entry that was swapped out of its cell while that was claimed.
pub(super) fn free(entry: *mut Entry) {
    if !entry.is_null() {
        // SAFETY: it came from `Box::into_raw` in `Slot::enter`, was swapped out of the table by
        // the one slot that owned it, and walkers only look at entries of cells they claimed.
        drop(unsafe { Box::from_raw(entry) });
    }
}

pub(super) fn install() -> io::Result<()> {
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: `at_exit` is a plain function that lives for ever. A failure (no memory)
        // leaves the locks to the next contender.
        unsafe { libc::atexit(at_exit) };
    });
    SIGNALS.into_iter().try_for_each(handle_by_default)
}

/// Installs the handler where the signal has its default course, and only there.
fn handle_by_default(signal: c_int) -> io::Result<()> {
    if disposition(signal)? != libc::SIG_DFL {
        return Ok(());
    }
    let mut action = zeroed_action();
    action.sa_sigaction = on_signal as *const () as usize;
    // SAFETY: `action` is a valid sigaction with a handler that lives for ever.
    let done = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn zeroed_action() -> libc::sigaction {
    // SAFETY: all zeroes is a valid sigaction: default handler, empty mask, no flags.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn disposition(signal: c_int) -> io::Result<usize> {
    let mut current = zeroed_action();
    // SAFETY: a null new action only asks; `current` outlives the call.
    let done = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut current) };
    if done == 0 { Ok(current.sa_sigaction) } else { Err(io::Error::last_os_error()) }
}

extern "C" fn on_signal(signal: c_int) {
    // A handler that was installed after ours, and passes on to it, is the program's own: the
    // program decides whether it ends, and it may still be writing.
    if disposition(signal).ok() != Some(on_signal as *const () as usize) {
        return;
    }
    // The first process of a pid namespace (a container's) has another default course: such
    // signals do nothing to it. It lives on, and so keeps its locks.
    if this_process() == 1 {
        return;
    }
    remove_all();
    let action = zeroed_action();
    // SAFETY: sigaction and raise are async-signal-safe. The signal is blocked in its own
    // handler and is delivered, with its default course, when this returns.
    unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    // SAFETY: as above.
    unsafe { libc::raise(signal) };
}

extern "C" fn at_exit() {
    remove_all();
}

/// How often, a millisecond apart, a handler tries what somebody is at work on.
const TRIES: usize = 20;

/// Removes every lock file of this process that is still its own. A lock under which a thread
/// is writing just now is left to the kernel: that thread may be the one this interrupted, and
/// if it is another, it may go on until the process has ended.
fn remove_all() {
    for cell in &TABLE {
        if cell.armed().is_null() {
            continue;
        }
        let Some(_claim) = (0..TRIES).find_map(|_| cell.try_claim().or_else(nap)) else { continue };
        // SAFETY: an entry is not freed while its cell is claimed, see `Slot::drop`.
        if let Some(entry) = unsafe { cell.armed().as_ref() }
            && !entry.inherited
            && entry.pid == this_process()
        {
            remove(entry);
        }
    }
}

/// The protocol's release in plain system calls: binding byte, still ours?, unlink.
fn remove(entry: &Entry) {
    let file = entry.binding.unwrap_or(entry.file);
    let locked = || lock_binding_byte(file).then_some(());
    if (0..TRIES).find_map(|_| locked().or_else(nap)).is_none() || !is_current(entry) {
        return;
    }
    match &entry.directory {
        None => {
            // SAFETY: a valid C string.
            unsafe { libc::unlink(entry.record.as_ptr()) };
        }
        Some((directory, tombstone)) => {
            // SAFETY: two valid C strings. The tombstone's name is unique.
            if unsafe { libc::rename(directory.as_ptr(), tombstone.as_ptr()) } != 0 {
                return;
            }
            let mut inside = [0_u8; libc::PATH_MAX as usize];
            let parts = [tombstone.as_bytes(), b"/owner.json\0"];
            if parts[0].len() + parts[1].len() <= inside.len() {
                inside[..parts[0].len()].copy_from_slice(parts[0]);
                inside[parts[0].len()..][..parts[1].len()].copy_from_slice(parts[1]);
                // SAFETY: a C string, terminated above.
                unsafe { libc::unlink(inside.as_ptr().cast()) };
            }
            // SAFETY: a valid C string. Refuses if foreign files are in it.
            unsafe { libc::rmdir(tombstone.as_ptr()) };
        }
    }
}

fn lock_binding_byte(file: c_int) -> bool {
    set_lock(file, &mut byte_range(TAKE, Byte::Binding))
}

/// Waits a little. `None`, so that the search goes on.
fn nap<T>() -> Option<T> {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: `time` is valid; the remainder is not asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    None
}

fn is_current(entry: &Entry) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a valid C string, and room for the answer.
    let found = unsafe {
        libc::fstatat(
            libc::AT_FDCWD,
            entry.record.as_ptr(),
            stat.as_mut_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    if found != 0 {
        return false;
    }
    // SAFETY: fstatat succeeded and filled it in.
    let stat = unsafe { stat.assume_init() };
    #[allow(clippy::unnecessary_cast, reason = "the widths of the fields differ between targets")]
    let (device, inode) = (stat.st_dev as u64, stat.st_ino as u64);
    (device, inode) == (entry.device, entry.inode)
}

/// A child that is forked without exec shares its parent's open files, and with them the owner
/// byte: it would pin a dead parent's lock. So the child gets an empty pipe in their place, under
/// the same numbers, which the child's copies of the guards may then close without harm.
fn prepare_for_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the hook is a plain function that lives for ever and is async-signal-safe. A
        // failure (ENOMEM) leaves children as they are.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    // Out of descriptors: the next lock tries again.
    if PLACEHOLDER.load(SeqCst) < 0
        && let Ok((read, _)) = io::pipe()
    {
        let fd = read.into_raw_fd();
        if PLACEHOLDER.compare_exchange(-1, fd, SeqCst, SeqCst).is_err() {
            // SAFETY: another thread's is in place already; this one is nobody's.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

/// Gives up everything in the table: should the child take locks and clean up after itself,
/// its parent's are none of them.
extern "C" fn in_child() {
    let placeholder = PLACEHOLDER.load(SeqCst);
    for cell in &TABLE {
        // SAFETY: the child has a single thread, and the entries are its own copies, which
        // nobody frees.
        if let Some(entry) = unsafe { cell.disown().as_ref() } {
            let private = [entry.binding, (!entry.inherited).then_some(entry.file)];
            for fd in private.into_iter().flatten() {
                // In two steps, as macOS has no dup3. Between them nobody can exec: this is
                // the child's only thread.
                // SAFETY: both are open descriptors; what `fd` was is closed in the child only.
                if unsafe { libc::dup2(placeholder, fd) } >= 0 {
                    // SAFETY: as above.
                    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
                }
            }
        }
    }
}
