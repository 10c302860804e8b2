//! `lockctl … run`: holds the lock for one command.

use std::process::Command;
use std::time::Duration;

use session_lock::{ReleaseOutcome, SessionGuard, SessionLock, SessionLockError, SessionOptions};

use crate::args::{SessionRun, Timeout};
use crate::exit;
use crate::status::Status;
use crate::supervise::{self, Ended};

pub(crate) fn session(args: SessionRun) -> u8 {
    // The command inherits the owner byte: should this process be killed while the command
    // still writes, the lock stays held until the command is gone too.
    let mut options = SessionOptions::default().inheritable(true);
    options = match args.timeout {
        Some(Timeout::Within(timeout)) => options.timeout(timeout),
        Some(Timeout::Forever) => options.wait_forever(),
        None => options,
    };
    if let Some(max_hold) = args.max_hold {
        options = options.max_hold(max_hold);
    }
    if let Some(stale_after) = args.stale_after {
        options = options.stale_after(stale_after);
    }
    if let Some(label) = args.label {
        options = options.label(label);
    }
    let guard = match acquire(&args.file, options, args.quiet) {
        Ok(guard) => guard,
        Err(error) => {
            say!("lockctl: {error}");
            return status_of(&error);
        }
    };
    let max_hold = guard.record().max_hold;
    let mut command = Command::new(&args.command[0]);
    command.args(&args.command[1..]);
    hold_for(guard, command, max_hold)
}

fn acquire(
    file: &std::path::Path,
    options: SessionOptions,
    quiet: bool,
) -> Result<SessionGuard, SessionLockError> {
    let lock = SessionLock::new(file, options)?;
    let mut status = Status::new(quiet);
    let acquired = lock.acquire_telling(|a, d, left| status.waiting(a, d, left));
    match acquired {
        Ok(guard) => {
            status.acquired();
            Ok(guard)
        }
        Err(error) => {
            status.clear();
            Err(error)
        }
    }
}

fn status_of(error: &SessionLockError) -> u8 {
    match error {
        SessionLockError::Timeout(_) | SessionLockError::Stale(_) => exit::TIMED_OUT,
        SessionLockError::NotAFile { .. } => exit::USAGE,
        _ => exit::CANNOT_CREATE,
    }
}

/// Runs `command` under the lock, releases, and says how both ended.
fn hold_for(guard: SessionGuard, mut command: Command, max_hold: Option<Duration>) -> u8 {
    command.env("LOCKCTL_LOCK", guard.path());
    command.env("LOCKCTL_ID", guard.record().id.as_deref().unwrap_or_default());
    let program = command.get_program().to_string_lossy().into_owned();
    let path = guard.path().display().to_string();
    let ended = supervise::run(&guard, command, max_hold);
    let noticed = matches!(ended, Ok(Ended::Lost));
    let lost = match guard.release() {
        ReleaseOutcome::Lost => true,
        ReleaseOutcome::Abandoned(error) => {
            say!(
                "lockctl: {path} was let go, but could not be removed: {error}; the next process \
                 that wants the lock removes it"
            );
            noticed
        }
        ReleaseOutcome::Released | ReleaseOutcome::StillHeld | ReleaseOutcome::Forked => noticed,
    };
    if lost {
        say!(
            "lockctl: the lock {path} was lost while the command ran: somebody else may have \
             written meanwhile"
        );
        return exit::LOST;
    }
    match ended {
        Err(error) => {
            say!("lockctl: cannot run {program}: {error}");
            if error.kind() == std::io::ErrorKind::NotFound {
                exit::NOT_FOUND
            } else {
                exit::CANNOT_RUN
            }
        }
        Ok(Ended::Lost) => exit::LOST,
        Ok(Ended::Overdue) => {
            let limit = max_hold.map(lock_core::rough).unwrap_or_default();
            say!("lockctl: the command was stopped: it may hold the lock for {limit} at most");
            exit::OVERDUE
        }
        Ok(Ended::ByItself(status)) => supervise::code_of(status),
    }
}
