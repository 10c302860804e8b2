//! The command in a job, and the console's control events.
//!
//! No child inherits the owner byte on Windows. Instead the command and whatever it starts are in
//! a job that ends with this process: nobody writes on under a lock whose holder was killed.

mod sys;

use std::io;
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use super::Event;
use sys::Job;

/// A command cannot be asked to end: Windows has no SIGTERM. So it is not asked, and what is not
/// spent on waiting for an answer is its own.
pub(super) const LAST_WORDS: Duration = Duration::ZERO;

/// From here on Ctrl-C and Ctrl-Break do not end this process. They reach the command by
/// themselves, as everything on the same console; this process releases when the command ends.
pub(super) fn watch_signals(_events: Sender<Event>) -> io::Result<()> {
    sys::outlive_the_command()
}

/// The command and its job.
#[derive(Debug)]
pub(super) struct Supervised {
    child: Child,
    job: Job,
}

impl Supervised {
    /// Starts it inside its job: it runs only once it is in there, so that nothing it starts can
    /// be outside.
    pub(super) fn start(command: &mut Command, events: &Sender<Event>) -> io::Result<Self> {
        let job = Job::new()?;
        let mut child = command.creation_flags(sys::SUSPENDED).spawn()?;
        let running = job.adopt(&child).and_then(|()| sys::resume(child.id()));
        let watched = running.and_then(|()| tell_the_end(&child, events.clone()));
        if let Err(error) = watched {
            let _ = child.kill();
            return Err(error);
        }
        Ok(Self { child, job })
    }

    /// How it ended, if it has. What it has left running is its own from then on.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let ended = self.child.try_wait()?;
        if ended.is_some() {
            self.job.let_go();
        }
        Ok(ended)
    }

    /// Does nothing: there is no way to ask. See [`LAST_WORDS`].
    #[expect(clippy::unused_self, reason = "as on systems that have a way")]
    pub(super) fn terminate(&self) {}

    /// Ends it, and with it all that it has started.
    pub(super) fn kill(&mut self) {
        self.job.terminate();
    }

    pub(super) fn wait(&mut self) {
        let _ = self.child.wait();
    }
}

fn tell_the_end(child: &Child, events: Sender<Event>) -> io::Result<()> {
    let process = child.as_handle().try_clone_to_owned()?;
    thread::Builder::new().name("command".to_owned()).spawn(move || {
        sys::wait(&process);
        // Nobody is left to tell when this process is at its end, too.
        let _ = events.send(Event::Child);
    })?;
    Ok(())
}

/// What a process ends with that Ctrl-C ended.
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// The command's own status; 130 for Ctrl-C, as shells say it. What does not fit is 1.
pub(crate) fn code_of(status: ExitStatus) -> u8 {
    match status.code().map(i32::cast_unsigned) {
        Some(CONTROL_C_EXIT) => 130,
        code => code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
    }
}
