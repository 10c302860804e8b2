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
    let (mut reader, writer) = io::pipe()?;
    // A handler must never block. A full pipe means that enough wake-ups are on their way.
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK)?;
    for signal in [SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        // What `nohup` and shells made us ignore stays ignored, here and in the command. But a
        // parent that ignores SIGCHLD must not keep us from the command's exit status: where
        // that is ignored, the kernel reaps for us.
        if signal == SIGCHLD || !sys::is_ignored(signal)? {
            sys::report(signal, writer.try_clone()?)?;
        }
    }
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() {
            let event = match i32::from(byte[0]) {
                SIGCHLD => Event::Child,
                signal if !TELLS_SENDER && is_from_keyboard(signal) => continue,
                signal => Event::Forward(signal),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Whether `si_code` tells a terminal's signal from one that a process sent. Linux gives the
/// kernel's own signals a positive code (`sigaction(2)`). XNU gives both zero, and FreeBSD gives
/// both a positive one.
const TELLS_SENDER: bool = cfg!(target_os = "linux");

/// A guess, where nothing tells: what a key can send comes from a key, if we are what the
/// terminal sends it to. Then the whole foreground group, the command included, got it already,
/// and a second one could make the command skip its own clean-up.
fn is_from_keyboard(signal: i32) -> bool {
    matches!(signal, SIGINT | SIGQUIT) && sys::is_in_foreground()
}

mod sys {
    //! Signal handlers.
    #![allow(unsafe_code, reason = "what runs in a signal handler is for the author to vouch for")]

    use std::fs::File;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::AsRawFd;

    use super::{PipeWriter, TELLS_SENDER};

    /// Writes the signal's number to `to` each time it arrives, unless it is known that a
    /// terminal sent it: then the whole foreground group, the command included, got it already.
    pub(super) fn report(signal: i32, to: PipeWriter) -> io::Result<()> {
        let number = u8::try_from(signal).map_err(io::Error::other)?;
        let handler = move |info: &libc::siginfo_t| {
            // For SIGCHLD it always is the kernel's own.
            if !TELLS_SENDER || info.si_code <= 0 || signal == libc::SIGCHLD {
                let _ = rustix::io::write(&to, &[number]);
            }
        };
        // SAFETY: the handler only reads its captures and calls write(2), which is
        // async-signal-safe; it neither allocates nor locks.
        unsafe { signal_hook_registry::register_sigaction(signal, handler) }?;
        Ok(())
    }

    pub(super) fn is_ignored(signal: i32) -> io::Result<bool> {
        let mut current = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: a null new action only asks; `current` has room for the answer.
        let done = unsafe { libc::sigaction(signal, std::ptr::null(), current.as_mut_ptr()) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded and filled it in.
        let current = unsafe { current.assume_init() };
        Ok(current.sa_sigaction == libc::SIG_IGN)
    }

    /// Whether this process is in the foreground group of its terminal, if it has one.
    pub(super) fn is_in_foreground() -> bool {
        let Ok(terminal) = File::open("/dev/tty") else { return false };
        // SAFETY: the descriptor is open.
        let foreground = unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) };
        // SAFETY: getpgrp has no preconditions.
        foreground == unsafe { libc::getpgrp() }
    }
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
