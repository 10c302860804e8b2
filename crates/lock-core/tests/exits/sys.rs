//! Calls that `std` does not have, and a callback to see whether the system makes such calls.
#![allow(unsafe_code, reason = "calls of the Windows API, and a callback of the loader")]

use std::ffi::c_void;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;

pub(crate) const SAID_AT_EXIT: &str = "called at exit";

static SPEAKS: AtomicBool = AtomicBool::new(false);

type Callback = unsafe extern "system" fn(*mut c_void, u32, *mut c_void);

// SAFETY: the section holds pointers to such functions, and this is one of them.
#[used]
#[unsafe(link_section = ".CRT$XLM")]
static AT_EXIT: Callback = at_exit;

unsafe extern "system" fn at_exit(_module: *mut c_void, reason: u32, _exiting: *mut c_void) {
    if reason == DLL_PROCESS_DETACH && SPEAKS.load(Ordering::SeqCst) {
        let _ = std::io::stdout().write_all(SAID_AT_EXIT.as_bytes());
        let _ = std::io::stdout().flush();
    }
}

/// Makes the callback heard.
pub(crate) fn speak_at_exit() {
    std::hint::black_box(&AT_EXIT);
    SPEAKS.store(true, Ordering::SeqCst);
}

/// Sends Ctrl-Break to a process group of this console. `false`: there is no console that could.
pub(crate) fn ctrl_break(group: u32) -> bool {
    // SAFETY: takes two numbers.
    unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) != 0 }
}

unsafe extern "system" fn handled(_event: u32) -> windows_sys::core::BOOL {
    1
}

/// Keeps this process running whatever the console says.
pub(crate) fn handle_events() {
    // SAFETY: the handler is a plain function that lives for ever.
    let done = unsafe { SetConsoleCtrlHandler(Some(handled), 1) };
    assert_ne!(done, 0);
}
