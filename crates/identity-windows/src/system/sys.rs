//! The calls. All of this crate's `unsafe` is here.
#![allow(unsafe_code, reason = "the one module that calls the Windows API directly")]

use crate::parse::{Answer, file_time};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use windows_sys::Wdk::System::Threading::NtQueryInformationProcess;
use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SUCCESS, FILETIME, HANDLE};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RRF_SUBKEY_WOW6464KEY, RegGetValueW,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemFirmwareTable, RSMB};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetExitCodeProcess, GetProcessId, GetProcessTimes, OpenProcess,
    PROCESS_ACCESS_RIGHTS, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

/// Permits every question but waiting, and is granted where more would not be.
pub(super) const QUERY: PROCESS_ACCESS_RIGHTS = PROCESS_QUERY_LIMITED_INFORMATION;
/// Permits waiting.
pub(super) const WAIT: PROCESS_ACCESS_RIGHTS = PROCESS_SYNCHRONIZE;
/// The error for a process that is there and does not grant the access.
pub(super) const ACCESS_DENIED: u32 = ERROR_ACCESS_DENIED;

/// `ProcessSequenceNumber`, which `windows-sys` does not name: no documentation does.
const SEQUENCE_NUMBER: i32 = 92;

/// The last call's error.
fn last_error() -> u32 {
    std::io::Error::last_os_error().raw_os_error().map_or(0, i32::cast_unsigned)
}

fn raw(process: impl AsHandle) -> HANDLE {
    process.as_handle().as_raw_handle()
}

/// The calling process.
pub(super) fn this_process() -> BorrowedHandle<'static> {
    // SAFETY: takes nothing and returns a constant.
    let handle = unsafe { GetCurrentProcess() };
    // SAFETY: the constant names the calling process as long as there is one.
    unsafe { BorrowedHandle::borrow_raw(handle) }
}

/// Opens the process with this pid, or that of its next lower multiple of four.
pub(super) fn open(pid: u32, access: PROCESS_ACCESS_RIGHTS) -> Answer<OwnedHandle> {
    // SAFETY: takes three numbers.
    let handle = unsafe { OpenProcess(access, 0, pid) };
    if handle.is_null() {
        return Err(last_error());
    }
    // SAFETY: the handle is new, and nobody else knows of it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// The pid of an open process.
pub(super) fn process_id(process: impl AsHandle) -> Answer<u32> {
    // SAFETY: the handle is open.
    match unsafe { GetProcessId(raw(process)) } {
        0 => Err(last_error()),
        pid => Ok(pid),
    }
}

/// When it was created, in 100 ns steps since 1601.
pub(super) fn created(process: impl AsHandle) -> Answer<u64> {
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut created, mut rest) = (zero, [zero; 3]);
    let [exited, kernel, user] = &mut rest;
    // SAFETY: the handle is open, and the four places are valid to write to.
    let done = unsafe { GetProcessTimes(raw(process), &raw mut created, exited, kernel, user) };
    if done == 0 {
        return Err(last_error());
    }
    Ok(file_time(created.dwHighDateTime, created.dwLowDateTime))
}

/// A number that no other process of this boot has, from Windows 10 on.
pub(super) fn sequence_number(process: impl AsHandle) -> Option<u64> {
    let mut number = 0u64;
    let mut written = 0u32;
    // SAFETY: the handle is open; `number` is the eight bytes that may be written to, and
    // `written` a valid place, too.
    let status = unsafe {
        NtQueryInformationProcess(
            raw(process),
            SEQUENCE_NUMBER,
            (&raw mut number).cast(),
            8,
            &raw mut written,
        )
    };
    // An answer of another length is one to another question.
    (status == 0 && written == 8 && number != 0).then_some(number)
}

/// Waits for no time at all for its end: `WAIT_OBJECT_0`, `WAIT_TIMEOUT`, or a failure.
pub(super) fn poll(process: impl AsHandle) -> u32 {
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(raw(process), 0) }
}

/// Its exit code; 259 while it runs.
pub(super) fn exit_code(process: impl AsHandle) -> Answer<u32> {
    let mut code = 0;
    // SAFETY: the handle is open, and `code` is a valid place to write to.
    let done = unsafe { GetExitCodeProcess(raw(process), &raw mut code) };
    if done == 0 { Err(last_error()) } else { Ok(code) }
}

/// The text in `HKEY_LOCAL_MACHINE\key`, at `value`, as a 64-bit program sees it: 32-bit ones
/// would find another branch, without `MachineGuid`.
pub(super) fn registry_text(key: &str, value: &str) -> Option<String> {
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (key, value) = (wide(key), wide(value));
    let mut text = [0u16; 256];
    let mut len = u32::try_from(size_of_val(&text)).ok()?;
    // SAFETY: both names end with a zero; `text` is `len` bytes of writable memory; the kind of
    // the value is not asked for.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY,
            std::ptr::null_mut(),
            text.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    let text = text.split(|unit| *unit == 0).next().filter(|_| error == ERROR_SUCCESS)?;
    String::from_utf16(text).ok()
}

/// The SMBIOS table, with the header that Windows puts before it.
pub(super) fn firmware_table() -> Option<Vec<u8>> {
    // SAFETY: with no room at all, nothing is written; the length is returned.
    let len = unsafe { GetSystemFirmwareTable(RSMB, 0, std::ptr::null_mut(), 0) };
    let mut table = vec![0u8; usize::try_from(len).ok()?];
    // SAFETY: `table` is `len` bytes of writable memory.
    let written = unsafe { GetSystemFirmwareTable(RSMB, 0, table.as_mut_ptr(), len) };
    (len > 0 && written == len).then_some(table)
}

/// The id of the calling thread, which is in the same space of numbers as pids.
#[cfg(test)]
pub(super) fn this_thread() -> u32 {
    // SAFETY: takes nothing and returns a number.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }
}
