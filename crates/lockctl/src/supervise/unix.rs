//! Signals and exit statuses on Unix.

use std::io::{self, PipeWriter, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use libc::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use rustix::process::{Pid, Signal, kill_process};

use super::Event;

/// How long the command gets between SIGTERM and SIGKILL, at most.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Starts reporting signals. From here on they no longer end this process.
pub(super) fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let ignored = ignored_signals();
    let (mut reader, writer) = io::pipe()?;
    // A handler must never block. A full pipe means that enough wake-ups are on their way.
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK)?;
    for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        // What `nohup` and shells made us ignore stays ignored, here and in the command. But a
        // parent that ignores SIGCHLD must not keep us from the command's exit status: where
        // that is ignored, the kernel reaps for us.
        if signal == SIGCHLD || (ignored >> (signal - 1)) & 1 == 0 {
            sys::report(signal, writer.try_clone()?)?;
        }
    }
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() {
            let event = match i32::from(byte[0]) {
                SIGCHLD => Event::Child,
                signal => Event::Forward(signal),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

mod sys {
    //! Signal handlers.
    #![allow(unsafe_code, reason = "what runs in a signal handler is for the author to vouch for")]

    use std::io;

    use super::PipeWriter;

    /// Writes the signal's number to `to` each time it arrives, unless a terminal sent it: then
    /// the whole foreground group, the command included, got it already.
    pub(super) fn report(signal: i32, to: PipeWriter) -> io::Result<()> {
        let number = u8::try_from(signal).map_err(io::Error::other)?;
        let handler = move |info: &libc::siginfo_t| {
            // Positive codes are the kernel's own (`sigaction(2)`), for SIGCHLD always.
            if info.si_code <= 0 || signal == libc::SIGCHLD {
                let _ = rustix::io::write(&to, &[number]);
            }
        };
        // SAFETY: the handler only reads its captures and calls write(2), which is
        // async-signal-safe; it neither allocates nor locks.
        unsafe { signal_hook_registry::register_sigaction(signal, handler) }?;
        Ok(())
    }
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

/// The command.
#[derive(Debug)]
pub(super) struct Supervised(Child);

impl Supervised {
    /// Starts it. That it ends is told by SIGCHLD.
    pub(super) fn start(command: &mut Command, _events: &Sender<Event>) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        self.forward(SIGTERM);
    }

    /// Signals the command. It is not reaped yet, so its pid is still its own.
    pub(super) fn forward(&self, signal: i32) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
            // ESRCH: it just ended.
            let _ = kill_process(pid, signal);
        }
    }

    pub(super) fn kill(&mut self) {
        // Fails for what is reaped.
        let _ = self.0.kill();
    }

    pub(super) fn wait(&mut self) {
        let _ = self.0.wait();
    }
}

/// The command's own status; 128+N for signal N, as shells say it.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|n| 128 + n)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
