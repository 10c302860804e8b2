//! Where there are no signals to forward.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::Sender;

use super::Event;

pub(super) fn watch_signals(_events: Sender<Event>) -> io::Result<()> {
    Ok(())
}

pub(super) fn terminate(_child: &Child) {}

pub(crate) fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
