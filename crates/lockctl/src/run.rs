//! `lockctl … run`: holds the lock for one command.

use std::ffi::OsString;
use std::process::Command;

use lock_core::{Guard, LockError, ReleaseOutcome, plain_path};
use runtime_deps_lock::{DepsLock, DepsLockError, DepsOptions};
use session_lock::{SessionLock, SessionLockError, SessionOptions};

use crate::args::{DepsRun, SessionRun, Timeout};
use crate::exit;
use crate::inspect::is_default_lock;
use crate::status::Status;
use crate::supervise::{self, Ended};

pub(crate) fn session(args: SessionRun) -> u8 {
    // The command inherits the owner byte: should this process be killed while the command
    // still writes, the lock stays held until the command is gone too.
    let mut options = SessionOptions::default().inheritable(true);
    options = match args.wait.timeout {
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
    if let Some(label) = args.wait.label {
        options = options.label(label);
    }
    let mut status = Status::new(args.wait.quiet);
    let acquired = SessionLock::new(&args.file, options)
        .and_then(|lock| lock.acquire_telling(|a, d, left| status.waiting(a, d, left)));
    status.done(acquired.is_ok());
    match acquired {
        Ok(guard) => hold_for(guard.into(), &args.command),
        Err(error) => {
            say!("lockctl: {error}");
            match error {
                SessionLockError::Timeout(_) | SessionLockError::Stale(_) => exit::TIMED_OUT,
                SessionLockError::NotAFile { .. } => exit::USAGE,
                SessionLockError::Lock(ref error) if is_usage(error) => exit::USAGE,
                _ => exit::CANNOT_CREATE,
            }
        }
    }
}

pub(crate) fn deps(args: DepsRun) -> u8 {
    let mut options = DepsOptions::default().inheritable(true);
    options = match args.wait.timeout {
        Some(Timeout::Within(timeout)) => options.timeout(timeout),
        Some(Timeout::Forever) => options.wait_forever(),
        None => options,
    };
    if let Some(label) = args.wait.label {
        options = options.label(label);
    }
    let mut status = Status::new(args.wait.quiet);
    if is_default_lock(&args.root) {
        say!("lockctl: {} is a lock, not an install root", plain_path(&args.root));
        return exit::USAGE;
    }
    // `run` alone makes a missing root.
    match std::fs::create_dir_all(&args.root) {
        // Something else is in its place: opening it says so.
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            say!("lockctl: cannot make the install root {}: {error}", plain_path(&args.root));
            return exit::CANNOT_CREATE;
        }
        _ => {}
    }
    let acquired = DepsLock::new(&args.root, options)
        .and_then(|lock| lock.acquire_telling(|a, d, left| status.waiting(a, d, left)));
    status.done(acquired.is_ok());
    match acquired {
        Ok(guard) => hold_for(guard, &args.command),
        Err(error) => {
            say!("lockctl: {error}");
            match error {
                DepsLockError::Timeout(_) => exit::TIMED_OUT,
                DepsLockError::Lock(ref error) if is_usage(error) => exit::USAGE,
                _ => exit::CANNOT_CREATE,
            }
        }
    }
}

/// Whether what was asked for cannot be written into a record: a label that is too long.
fn is_usage(error: &LockError) -> bool {
    matches!(error, LockError::Io { source, .. } if source.kind() == std::io::ErrorKind::InvalidInput)
}

/// Runs `command` under the lock, releases, and says how both ended.
fn hold_for(guard: Guard, command_line: &[OsString]) -> u8 {
    let max_hold = guard.record().max_hold;
    let mut command = Command::new(&command_line[0]);
    command.args(&command_line[1..]);
    command.env("LOCKCTL_LOCK", guard.path());
    command.env("LOCKCTL_ID", guard.record().id.as_deref().unwrap_or_default());
    let program = command_line[0].to_string_lossy();
    let path = plain_path(guard.path());
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
    // A command that was stopped at its maximum is gone: nobody wrote under a lost lock, even if
    // the watchdog let go of it before this thread did.
    if lost && !matches!(ended, Ok(Ended::Overdue)) {
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
