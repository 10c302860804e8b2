//! No file events on this system yet: waiters poll.

use std::path::Path;
use std::sync::Arc;

use super::Signal;

#[derive(Debug)]
pub(super) struct Registration;

pub(super) fn watch(_path: &Path, _signal: &Arc<Signal>) -> Option<Registration> {
    None
}
