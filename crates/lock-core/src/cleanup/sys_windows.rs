//! The exit hook on Windows.
//!
//! Every way out of a process but `TerminateProcess` ends in `ExitProcess`: returning from `main`,
//! `std::process::exit`, and the console's default handler for Ctrl-C & co., which comes after the
//! program's own handlers, whenever those were installed. `ExitProcess` ends all other threads,
//! wherever they are, and then calls what the program registered for the loader: here. (Wine 8
//! makes no such calls for a program, only for its libraries.)
//!
//! So what runs here takes no lock that a thread may have died with: a cell of the table that is
//! claimed stays so, and is left to the kernel. It allocates nothing, and calls only kernel32.
#![allow(unsafe_code, reason = "a callback of the loader, and handles of other owners")]

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, RawHandle};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem::{DELETE, FILE_READ_ATTRIBUTES, OPEN_EXISTING};
use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;

use super::table::{Slot, TABLE};
use crate::lockfile::sys::windows::calls::{self, Mode, RenameTo};
use crate::lockfile::sys::windows::paths::Wide;
use crate::lockfile::sys::{Byte, Facts};

/// The paths of a lock, for its removal.
#[derive(Debug)]
pub(crate) struct Paths {
    /// The record file.
    pub(crate) record: Wide,
    /// A unique name beside the lock.
    pub(crate) tombstone: Wide,
    /// For the directory layout: the lock directory.
    pub(crate) directory: Option<Wide>,
}

/// Everything that is needed to remove one lock file.
#[derive(Debug)]
pub(super) struct Entry {
    file: RawHandle,
    identity: (u64, u64),
    paths: Paths,
    to_tombstone: RenameTo,
}

impl Slot {
    /// Enters a held lock, whose handle stays open for as long as the slot lives.
    pub(crate) fn hold(file: &impl AsRawHandle, facts: &Facts, paths: Paths) -> Option<Self> {
        Self::enter(Entry {
            file: file.as_raw_handle(),
            identity: (facts.device, facts.inode),
            to_tombstone: RenameTo::new(&paths.tombstone),
            paths,
        })
    }
}

/// Frees an entry that was swapped out of its cell while that was claimed.
pub(super) fn free(entry: *mut Entry) {
    if !entry.is_null() {
        // SAFETY: it came from `Box::into_raw` in `Slot::enter`, was swapped out of the table by
        // the one slot that owned it, and walkers only look at entries of cells they claimed.
        drop(unsafe { Box::from_raw(entry) });
    }
}

/// Whether the program wants it.
static INSTALLED: AtomicBool = AtomicBool::new(false);

type Callback = unsafe extern "system" fn(*mut c_void, u32, *mut c_void);

/// The loader calls what it finds in this section (as it does for the thread-locals of `std`).
// SAFETY: the section holds pointers to such functions, sorted by the section's last letters, and
// this is one of them.
#[used]
#[unsafe(link_section = ".CRT$XLL")]
static AT_EXIT: Callback = at_exit;

pub(super) fn install() -> std::io::Result<()> {
    // The reference keeps the linker from dropping the callback.
    std::hint::black_box(&AT_EXIT);
    INSTALLED.store(true, SeqCst);
    Ok(())
}

unsafe extern "system" fn at_exit(_module: *mut c_void, reason: u32, exiting: *mut c_void) {
    // A null pointer says that a library is unloaded, from a process that goes on.
    if reason == DLL_PROCESS_DETACH && !exiting.is_null() && INSTALLED.load(SeqCst) {
        remove_all();
    }
}

/// Removes every lock file of this process that is still its own. A lock under which a thread
/// was at work when it was ended is left to the kernel.
fn remove_all() {
    for cell in &TABLE {
        if cell.armed().is_null() {
            continue;
        }
        let Some(_claim) = cell.try_claim() else { continue };
        // SAFETY: an entry is not freed while its cell is claimed, see `Slot::drop`.
        if let Some(entry) = unsafe { cell.armed().as_ref() } {
            let _ = remove(entry);
        }
    }
}

/// How often, a millisecond apart, the binding byte is tried.
const TRIES: usize = 20;

/// The protocol's release: binding byte, still ours?, remove.
fn remove(entry: &Entry) -> std::io::Result<()> {
    // SAFETY: whoever entered the handle closes it after the slot is gone, which waits for the
    // claim; or that thread was ended, and nobody closes it.
    let file = unsafe { BorrowedHandle::borrow_raw(entry.file) };
    let mut tries = 0;
    while !calls::try_lock(&file, Byte::Binding, Mode::Exclusive)? {
        tries += 1;
        if tries == TRIES {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let Paths { record, tombstone, directory } = &entry.paths;
    let seen = calls::identity(&calls::open(record, FILE_READ_ATTRIBUTES, OPEN_EXISTING)?)?;
    if seen != entry.identity {
        return Ok(());
    }
    calls::rename_new(&file, &entry.to_tombstone)?;
    calls::delete(&calls::open(tombstone, DELETE, OPEN_EXISTING)?)?;
    if let Some(directory) = directory {
        // Refuses if foreign files are in it.
        calls::delete(&calls::open(directory, DELETE, OPEN_EXISTING)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::{Attempt, Layout, LockFile, Stamp};
    use crate::record::Dialect;
    use crate::{Guard, UnverifiedIdentity};
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    const DIR: &str = "LOCK_CORE_TEST_EXIT";

    fn take(path: &Path, layout: Layout) -> Guard {
        let lock = LockFile::new(path.to_owned(), layout, Arc::new(UnverifiedIdentity));
        let stamp = Stamp { dialect: Dialect::RuntimeDeps, label: None, inheritable: false };
        let Attempt::Acquired(guard) = lock.attempt(&stamp).unwrap() else { panic!("it is free") };
        guard
    }

    /// What the other process does: it takes locks, and calls as the loader does at its end.
    fn exit(dir: &Path) -> ! {
        let left = take(&dir.join("left"), Layout::File);
        let written = take(&dir.join("written"), Layout::File);
        let replaced = take(&dir.join("replaced"), Layout::File);
        let rest = [
            take(&dir.join("file"), Layout::File),
            take(&dir.join("directory"), Layout::Directory),
        ];
        written
            .section(Duration::ZERO, || {
                let exiting = std::ptr::dangling_mut();
                // SAFETY: the callback only compares its arguments.
                unsafe { at_exit(exiting, DLL_PROCESS_DETACH, exiting) };
                assert!(left.is_held() && rest.iter().all(Guard::is_held), "nobody asked for it");
                drop(left);
                install().unwrap();
                // SAFETY: as above.
                unsafe { at_exit(exiting, DLL_PROCESS_DETACH, std::ptr::null_mut()) };
                assert!(rest.iter().all(Guard::is_held), "the process goes on");

                let lock =
                    calls::open(&replaced_path(dir, "replaced"), DELETE, OPEN_EXISTING).unwrap();
                calls::rename_new(&lock, &RenameTo::new(&replaced_path(dir, "moved"))).unwrap();
                std::fs::write(dir.join("replaced"), "theirs").unwrap();
                // SAFETY: as above.
                unsafe { at_exit(exiting, DLL_PROCESS_DETACH, exiting) };
            })
            .unwrap();
        std::mem::forget((written, replaced, rest));
        std::process::exit(5)
    }

    fn replaced_path(dir: &Path, name: &str) -> Wide {
        Wide::of_path(&dir.join(name)).unwrap()
    }

    #[test]
    fn what_is_held_at_exit_goes_unless_it_is_written_under_or_not_ours() {
        if let Some(dir) = std::env::var_os(DIR) {
            exit(Path::new(&dir));
        }
        let dir = tempfile::tempdir().unwrap();
        let name = std::thread::current().name().unwrap().to_owned();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &name, "--nocapture"]).env(DIR, dir.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["moved", "replaced", "written"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("replaced")).unwrap(), "theirs");
    }
}
