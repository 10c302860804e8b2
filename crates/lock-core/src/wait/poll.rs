//! No file events on this system: waiters poll.

use std::path::Path;
use std::sync::Arc;

use super::Signal;

#[derive(Debug)]
pub(super) struct Registration;

pub(super) type ProcessEnd = Registration;

pub(super) fn watch(_path: &Path, _signal: &Arc<Signal>) -> Option<Registration> {
    None
}

pub(super) fn watch_process(_pid: u32, _signal: &Arc<Signal>) -> Option<ProcessEnd> {
    None
}

#[cfg(unix)]
pub(super) fn keep() -> crate::fork::Kept {
    Box::new(())
}
