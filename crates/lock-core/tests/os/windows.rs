//! The helpers on Windows, and under Wine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use windows_sys::Win32::Foundation::{FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessHandleCount, GetProcessTimes, OpenProcess, PROCESS_SUSPEND_RESUME,
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};

#[link(name = "ntdll")]
unsafe extern "system" {
    /// Not documented, and what debuggers use: there is no other way to stop a whole process.
    fn NtSuspendProcess(process: HANDLE) -> i32;
    fn NtResumeProcess(process: HANDLE) -> i32;
}

/// Reaches a process that may be gone: its pid stays its own while this lives.
pub(crate) struct Process(Option<OwnedHandle>);

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        let rights = PROCESS_SUSPEND_RESUME | PROCESS_SYNCHRONIZE | PROCESS_TERMINATE;
        // SAFETY: numbers only.
        let handle = unsafe { OpenProcess(rights, 0, pid) };
        // SAFETY: the handle is new, and nobody else's.
        Self((!handle.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(handle) }))
    }

    fn with(&self, call: impl FnOnce(HANDLE) -> bool) -> bool {
        self.0.as_ref().is_some_and(|handle| call(handle.as_raw_handle()))
    }

    /// Keeps it from running, with all its threads. `false`: it is gone.
    pub(crate) fn stop(&self) -> bool {
        // SAFETY: the handle is open.
        self.with(|handle| !self.ends(Duration::ZERO) && unsafe { NtSuspendProcess(handle) } >= 0)
    }

    /// Lets it run again.
    pub(crate) fn go_on(&self) -> bool {
        // SAFETY: the handle is open.
        self.with(|handle| unsafe { NtResumeProcess(handle) } >= 0)
    }

    /// Ends it without a chance to tidy up.
    pub(crate) fn kill(&self) -> bool {
        // SAFETY: the handle is open. The status is what Unix shells show of SIGKILL.
        self.with(|handle| unsafe { TerminateProcess(handle, 137) } != 0)
    }

    /// Whether it ends within `time`. One that is not there has ended.
    pub(crate) fn ends(&self, time: Duration) -> bool {
        let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open.
        let waited = |handle| unsafe { WaitForSingleObject(handle, millis) };
        self.0.as_ref().is_none_or(|handle| waited(handle.as_raw_handle()) == WAIT_OBJECT_0)
    }
}

fn this_process() -> HANDLE {
    // SAFETY: it answers a constant.
    unsafe { GetCurrentProcess() }
}

/// The processor time that this process took so far.
pub(crate) fn cpu_time() -> Duration {
    let [mut created, mut exited, mut kernel, mut user] = [FILETIME::default(); 4];
    let this = this_process();
    // SAFETY: the pseudo handle is always valid, and so are the places.
    let done = unsafe {
        GetProcessTimes(this, &raw mut created, &raw mut exited, &raw mut kernel, &raw mut user)
    };
    assert_ne!(done, 0, "{}", io::Error::last_os_error());
    let ticks =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos((ticks(kernel) + ticks(user)) * 100)
}

/// How many handles this process has open.
pub(crate) fn open_files() -> usize {
    let (this, mut count) = (this_process(), 0);
    // SAFETY: the pseudo handle is always valid, and so is the place.
    let done = unsafe { GetProcessHandleCount(this, &raw mut count) };
    assert_ne!(done, 0, "{}", io::Error::last_os_error());
    count as usize
}

/// Removes a file as a human would whose system lets the name go at once. Older ones, and Wine,
/// keep the name of a deleted file until its last handle is closed, so it gets another name first,
/// outside of the directory that tests look at.
#[expect(clippy::disallowed_methods, reason = "a test plays the part of everybody else")]
pub(crate) fn remove(path: &Path) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("removed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let beside = path.parent().and_then(Path::parent).expect("a directory in a directory");
    let aside = beside.join(name);
    patiently(|| std::fs::rename(path, &aside))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let _ = std::fs::remove_file(aside);
}

/// Removes a directory and the files in it, as a human would.
pub(crate) fn remove_tree(path: &Path) {
    let entries = std::fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    entries.flatten().for_each(|entry| remove(&entry.path()));
    patiently(|| std::fs::remove_dir(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Puts a file in another's place as an editor would.
#[expect(clippy::disallowed_methods, reason = "a test plays the part of everybody else")]
pub(crate) fn rename_over(from: &Path, to: &Path) {
    if to.is_file() {
        remove(to);
    }
    patiently(|| std::fs::rename(from, to)).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// Gives a directory another name, if that is free: no system call here replaces a directory.
#[expect(clippy::disallowed_methods, reason = "a test plays the part of everybody else")]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// Sets when a file or a directory was last changed.
pub(crate) fn set_modified(path: &Path, time: SystemTime) -> io::Result<()> {
    const FILE_WRITE_ATTRIBUTES: u32 = 0x100;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    let mut options = OpenOptions::new();
    options.access_mode(FILE_WRITE_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    options.open(path)?.set_modified(time)
}

/// Whether a process waits for a file to change, where that can be seen.
pub(crate) fn watches_files(_pid: u32) -> Option<bool> {
    None
}

/// How many threads of this process have this name, where that can be seen.
pub(crate) fn threads_named(_name: &str) -> Option<usize> {
    None
}

/// Appends a line that others append to as well. Wine finds the end of the file and writes there
/// in two steps, so writers take turns, by a lock that ends with them.
#[allow(clippy::incompatible_msrv, reason = "tests are run with a newer Rust")]
pub(crate) fn append(mut file: &File, path: &Path, line: &[u8]) {
    use std::io::Write;
    let name = path.to_string_lossy().replace(['\\', '/', ':', '?'], "-");
    let turn = std::env::temp_dir().join(format!("turn{name}"));
    let turn = File::options().create(true).append(true).open(turn).expect("a file to lock");
    turn.lock().expect("a turn");
    let written = file.write(line).expect("the file takes a line");
    assert_eq!(written, line.len(), "a line was split");
    // Wine's std answers with an error, and unlocks; the end of the handle does in any case.
    let _ = turn.unlock();
}

/// Whoever looks at a file at this very moment may be in the way.
fn patiently(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..50 {
        match call() {
            Err(e) if matches!(e.raw_os_error(), Some(5 | 32)) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
    call()
}
