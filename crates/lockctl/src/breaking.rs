//! `lockctl … break`: a human's override.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use lock_core::lockfile::Reclaimed;
use lock_core::policy::Policy;
use lock_core::{LockFile, plain_path};

use crate::exit;
use crate::inspect::{deps_lock_of, session_lock_of};
use crate::report::text;

pub(crate) fn session(file: &Path, yes: bool) -> u8 {
    match session_lock_of(file) {
        Ok(lock) => break_lock(lock.file(), &lock.policy(), yes),
        Err(error) => failed(&error),
    }
}

pub(crate) fn deps(root: &Path, yes: bool) -> u8 {
    match deps_lock_of(root) {
        Ok(Some(lock)) => break_lock(lock.file(), &runtime_deps_lock::POLICY, yes),
        Ok(None) => {
            say!("lockctl: {}: there is no lock", plain_path(root));
            exit::FOUND
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> u8 {
    say!("lockctl: {error}");
    exit::FAILED
}

fn break_lock(lock: &LockFile, policy: &Policy, yes: bool) -> u8 {
    let (inspection, look) = lock.inspect_pinned(policy);
    let shown = io::stderr().write_all(text(&inspection).as_bytes()).is_ok();
    let Some(look) = look else {
        return if inspection.error.is_some() { exit::FAILED } else { exit::FOUND };
    };
    if !yes {
        if !shown || !io::stdin().is_terminal() {
            say!("lockctl: nobody can be asked here; say --yes to remove it");
            return exit::USAGE;
        }
        if !confirmed() {
            say!("lockctl: left alone");
            return exit::FOUND;
        }
    }
    match lock.break_lock(&look) {
        Ok(Reclaimed::Removed) => {
            say!("lockctl: removed {}", plain_path(&inspection.path));
            0
        }
        Ok(Reclaimed::Changed) => {
            say!("lockctl: it is not the lock that was shown any more; left alone");
            exit::FOUND
        }
        Ok(Reclaimed::Busy) => {
            say!("lockctl: {}", lock.at_work());
            exit::FAILED
        }
        Ok(Reclaimed::Denied(error)) => {
            say!("lockctl: it cannot be removed: {error}");
            exit::FAILED
        }
        Err(error) => failed(&error),
    }
}

fn confirmed() -> bool {
    if write!(io::stderr(), "Remove this lock? [y/N] ").is_err() {
        return false;
    }
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
}
