//! The calls: jobs, suspended processes, the console's control events.
#![allow(unsafe_code, reason = "the module that calls the Windows API directly")]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::process::Child;
use std::ptr;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_NO_MORE_FILES, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{
    CREATE_SUSPENDED, INFINITE, OpenThread, ResumeThread, THREAD_SUSPEND_RESUME,
    WaitForSingleObject,
};

/// For a process that does not run yet.
pub(super) const SUSPENDED: u32 = CREATE_SUSPENDED;

fn check(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: callers pass on what a call has just made for them.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A group of processes that ends with its only handle, which is this.
#[derive(Debug)]
pub(super) struct Job(OwnedHandle);

impl Job {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name; the handle is not inherited.
        let job = Self(owned(unsafe { CreateJobObjectW(ptr::null(), ptr::null()) })?);
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)?;
        Ok(job)
    }

    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the job is open; `limits` is the struct of the class, and that long.
        check(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        })
    }

    /// Puts a process in, and with it all that it starts from now on.
    pub(super) fn adopt(&self, child: &Child) -> io::Result<()> {
        // SAFETY: both handles are open.
        check(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), child.as_raw_handle()) })
    }

    /// Ends every process in it. The status is the one of a process that was killed.
    pub(super) fn terminate(&self) {
        // SAFETY: the job is open. It cannot fail for a job of our own.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) };
    }

    /// What is in it lives on when this is gone.
    pub(super) fn let_go(&self) {
        // Cannot fail for a job of our own; if it did, what was left would end.
        let _ = self.limit(0);
    }
}

/// Lets a process run that was started suspended, and so has a single thread.
pub(super) fn resume(pid: u32) -> io::Result<()> {
    // SAFETY: takes two numbers.
    let threads = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let size = size_of::<THREADENTRY32>() as u32;
    let mut entry = THREADENTRY32 { dwSize: size, ..Default::default() };
    // SAFETY: the snapshot is open, and `entry` is a place that says how long it is.
    let mut found = check(unsafe { Thread32First(threads.as_raw_handle(), &raw mut entry) });
    while found.is_ok() {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: takes three numbers.
            let thread = unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) };
            let thread = owned(thread)?;
            // SAFETY: the thread is open.
            let before = unsafe { ResumeThread(thread.as_raw_handle()) };
            return if before == u32::MAX { Err(io::Error::last_os_error()) } else { Ok(()) };
        }
        entry.dwSize = size;
        // SAFETY: as for the first.
        found = check(unsafe { Thread32Next(threads.as_raw_handle(), &raw mut entry) });
    }
    match found {
        Err(e) if e.raw_os_error() != Some(ERROR_NO_MORE_FILES.cast_signed()) => Err(e),
        _ => Err(io::Error::other("the new process has no thread")),
    }
}

/// Waits for the end of a process.
pub(super) fn wait(process: &OwnedHandle) {
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
}

/// Keeps Ctrl-C and Ctrl-Break from ending this process, and what else ends it from doing so
/// before the command has ended.
pub(super) fn outlive_the_command() -> io::Result<()> {
    // SAFETY: the handler is a plain function that lives for ever.
    check(unsafe { SetConsoleCtrlHandler(Some(on_event), 1) })
}

/// Runs on a thread of its own.
unsafe extern "system" fn on_event(event: u32) -> windows_sys::core::BOOL {
    if !matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        // The console is closed, the user logs off, the system goes down: once this returns, the
        // process is ended. It gets a few seconds if it does not return, and so does the command.
        std::thread::sleep(Duration::from_secs(60));
    }
    1
}
