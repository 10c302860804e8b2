//! Signals and exit statuses on Unix.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use super::Event;

/// Starts reporting signals. From here on they no longer end this process.
pub(super) fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let ignored = ignored_signals();
    let wanted = [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT]
        .into_iter()
        // What `nohup` and shells made us ignore stays ignored, here and in the command. But a
        // parent that ignores SIGCHLD must not keep us from the command's exit status: where
        // that is ignored, the kernel reaps for us.
        .filter(|&signal| signal == SIGCHLD || ignored >> (signal - 1) & 1 == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(wanted)?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for origin in &mut signals {
            let event = match origin.signal {
                SIGCHLD => Event::Child,
                // A terminal signals its whole foreground group: the command got it already.
                _ if matches!(origin.cause, Cause::Kernel) => continue,
                signal => Event::Forward(signal),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// The set of ignored signals, from `/proc/self/status`; empty where that is not to be had.
fn ignored_signals() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0)
}

pub(super) fn terminate(child: &Child) {
    forward(child, SIGTERM);
}

/// Signals the command. It is not reaped yet, so its pid is still its own.
pub(super) fn forward(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        // ESRCH: it just ended.
        let _ = kill_process(pid, signal);
    }
}

/// The command's own status; 128+N for signal N, as shells say it.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
