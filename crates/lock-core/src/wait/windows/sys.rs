//! The calls: a completion port, directories whose changes are reported to it, and processes
//! whose end is.
#![allow(
    unsafe_code,
    reason = "the Windows API takes pointers, and memory that it writes to later"
)]

use std::ffi::{OsString, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::offset_of;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OVERLAPPED, FILE_LIST_DIRECTORY,
    FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME, FILE_NOTIFY_INFORMATION,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, ReadDirectoryChangesW,
};
use windows_sys::Win32::System::IO::{
    CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED,
};
use windows_sys::Win32::System::Threading::{
    INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, RegisterWaitForSingleObject, UnregisterWaitEx,
    WT_EXECUTEONLYONCE,
};

use crate::wait::Signal;

fn check(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A completion port.
#[derive(Debug)]
pub(super) struct Port(OwnedHandle);

/// What came back of a request.
#[derive(Debug)]
pub(super) struct Completion {
    number: usize,
    /// How many bytes were reported; or why nothing ever will be.
    reported: io::Result<u32>,
}

impl Completion {
    /// Whose request it was.
    pub(super) fn number(&self) -> usize {
        self.number
    }
}

impl Port {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no file yet, no port yet: makes a port.
        let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 1) };
        if port.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else knows of it.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(port) }))
    }

    /// Sleeps until a request comes back.
    pub(super) fn wait(&self) -> io::Result<Completion> {
        let (mut bytes, mut number, mut request) = (0, 0, ptr::null_mut());
        // SAFETY: the port is open, and the three places are valid to write to.
        let done = check(unsafe {
            GetQueuedCompletionStatus(
                self.0.as_raw_handle(),
                &raw mut bytes,
                &raw mut number,
                &raw mut request,
                INFINITE,
            )
        });
        match done {
            // Without a request it is the port that failed.
            Err(e) if request.is_null() => Err(e),
            done => Ok(Completion { number, reported: done.map(|()| bytes) }),
        }
    }
}

/// What the system writes to while a request is on its way.
#[repr(C)]
struct Request {
    overlapped: OVERLAPPED,
    /// Aligned as the reports in it need to be.
    reports: [u32; 1024],
}

/// A directory whose changed names are reported, one request at a time.
pub(super) struct Directory {
    handle: File,
    request: *mut Request,
    on_its_way: bool,
}

// SAFETY: the pointer is to memory of its own, which only methods with `&mut self` look at.
unsafe impl Send for Directory {}

impl Directory {
    /// Opens a directory and asks for its changes, which come to `port` under `number`.
    pub(super) fn open(path: &Path, port: &Port, number: usize) -> io::Result<Self> {
        let handle = OpenOptions::new()
            .access_mode(FILE_LIST_DIRECTORY)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OVERLAPPED)
            .open(path)?;
        // SAFETY: both handles are open. The port's is given back, or null.
        let bound = unsafe {
            CreateIoCompletionPort(handle.as_raw_handle(), port.0.as_raw_handle(), number, 0)
        };
        if bound.is_null() {
            return Err(io::Error::last_os_error());
        }
        let overlapped = OVERLAPPED::default();
        let request = Box::into_raw(Box::new(Request { overlapped, reports: [0; 1024] }));
        let mut directory = Self { handle, request, on_its_way: false };
        directory.ask()?;
        Ok(directory)
    }

    /// Sends the request, which is not on its way.
    pub(super) fn ask(&mut self) -> io::Result<()> {
        let filter = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME;
        // SAFETY: the request is allocated, and nobody else refers to it.
        let request = unsafe { &mut *self.request };
        request.overlapped = OVERLAPPED::default();
        // SAFETY: the handle is open and overlapped; the memory lasts until the request is back,
        // see `drop`.
        check(unsafe {
            ReadDirectoryChangesW(
                self.handle.as_raw_handle(),
                request.reports.as_mut_ptr().cast(),
                size_of_val(&request.reports) as u32,
                0,
                filter,
                ptr::null_mut(),
                &raw mut request.overlapped,
                None,
            )
        })?;
        self.on_its_way = true;
        Ok(())
    }

    /// The names that changed, now that the request is back. None: too many to tell.
    pub(super) fn complete(&mut self, completion: &Completion) -> io::Result<Vec<OsString>> {
        self.on_its_way = false;
        let reported = match &completion.reported {
            Ok(bytes) => *bytes as usize,
            Err(e) => return Err(e.kind().into()),
        };
        // SAFETY: the request is back: nobody else refers to the memory.
        let reports = unsafe { &(*self.request).reports };
        // 16-bit units, as the names in it are; the rest is pairs of them.
        let units: Vec<u16> =
            reports.iter().flat_map(|word| [*word as u16, (*word >> 16) as u16]).collect();
        Ok(names(&units[..units.len().min(reported / 2)]))
    }

    /// Calls the request back.
    pub(super) fn cancel(&self) {
        // SAFETY: the handle is open; no request means all of them. A failure means that there
        // was none, or that it is coming back anyway.
        unsafe { CancelIoEx(self.handle.as_raw_handle(), ptr::null()) };
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The system may still write to what is on its way: rather leaked than freed.
        if !self.on_its_way {
            // SAFETY: it came from `Box::into_raw`, and the request is back.
            drop(unsafe { Box::from_raw(self.request) });
        }
    }
}

/// The names in a chain of `FILE_NOTIFY_INFORMATION`.
fn names(units: &[u16]) -> Vec<OsString> {
    const NEXT: usize = offset_of!(FILE_NOTIFY_INFORMATION, NextEntryOffset) / 2;
    const LENGTH: usize = offset_of!(FILE_NOTIFY_INFORMATION, FileNameLength) / 2;
    const NAME: usize = offset_of!(FILE_NOTIFY_INFORMATION, FileName) / 2;
    let mut names = Vec::new();
    let mut rest = units;
    while rest.len() > NAME {
        let number = |at: usize| usize::from(rest[at]) | usize::from(rest[at + 1]) << 16;
        let end = NAME + number(LENGTH) / 2;
        let Some(name) = rest.get(NAME..end) else { break };
        names.push(OsString::from_wide(name));
        match number(NEXT) / 2 {
            0 => break,
            next => rest = rest.get(next..).unwrap_or_default(),
        }
    }
    names
}

/// Sets a signal when a process ends. The system's own threads wait for it.
#[derive(Debug)]
pub(in crate::wait) struct ProcessEnd {
    wait: HANDLE,
    /// Open as long as it is waited for.
    _process: OwnedHandle,
    /// What the callback is given.
    _signal: Arc<Signal>,
}

// SAFETY: a wait handle can be given back by any thread.
unsafe impl Send for ProcessEnd {}
// SAFETY: there are no methods on it.
unsafe impl Sync for ProcessEnd {}

impl ProcessEnd {
    /// `None`: it may not be waited for, or is gone.
    pub(in crate::wait) fn watch(pid: u32, signal: &Arc<Signal>) -> Option<Self> {
        // SAFETY: takes three numbers.
        let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
        if process.is_null() {
            return None;
        }
        // SAFETY: the handle is new, and nobody else knows of it.
        let process = unsafe { OwnedHandle::from_raw_handle(process) };
        let signal = Arc::clone(signal);
        let mut wait = ptr::null_mut();
        // SAFETY: `wait` is a valid place; the process is open, and the signal alive, until the
        // wait was given back: see `drop`.
        let registered = unsafe {
            RegisterWaitForSingleObject(
                &raw mut wait,
                process.as_raw_handle(),
                Some(ended),
                Arc::as_ptr(&signal).cast(),
                INFINITE,
                WT_EXECUTEONLYONCE,
            )
        };
        (registered != 0).then_some(Self { wait, _process: process, _signal: signal })
    }
}

unsafe extern "system" fn ended(signal: *mut c_void, _timed_out: bool) {
    // SAFETY: what was registered, which outlives the callback.
    let signal = unsafe { &*signal.cast_const().cast::<Signal>() };
    signal.set();
}

impl Drop for ProcessEnd {
    fn drop(&mut self) {
        // Waits for a callback that is running, so that what follows is nobody's any more.
        // SAFETY: the wait was registered, and is given back once.
        unsafe { UnregisterWaitEx(self.wait, INVALID_HANDLE_VALUE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(next: u32, name: &str) -> Vec<u16> {
        let name: Vec<u16> = name.encode_utf16().collect();
        let pair = |n: u32| [n as u16, (n >> 16) as u16];
        let head = [pair(next), pair(3), pair(name.len() as u32 * 2)].concat();
        [head, name].concat()
    }

    #[test]
    fn reports_are_chained() {
        let chain = [report(16, "ab"), report(0, "c.lock"), report(0, "past the end")].concat();
        assert_eq!(names(&chain), ["ab", "c.lock"]);
    }

    /// Nothing is read that is not there, whatever the lengths say.
    #[test]
    fn broken_reports_end_the_chain() {
        assert!(names(&[]).is_empty());
        assert!(names(&[0, 0, 0, 0, 200, 0, 65]).is_empty());
        assert_eq!(names(&report(60_000, "ab")), ["ab"]);
        assert!(names(&report(0, "ab")[..7]).is_empty());
    }
}
