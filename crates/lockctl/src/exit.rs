//! Exit statuses, as documented.

/// Something could not be read, written or removed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// `doctor` found something to fix; `break` found no lock, or another one than it showed.
pub(crate) const FOUND: u8 = 3;
/// The lock was lost while the command ran.
pub(crate) const LOST: u8 = 70;
/// The lock file could not be created.
pub(crate) const CANNOT_CREATE: u8 = 73;
/// The lock was not had in time.
pub(crate) const TIMED_OUT: u8 = 75;
/// The command was stopped at max-hold.
pub(crate) const OVERDUE: u8 = 124;
/// The command cannot be run.
pub(crate) const CANNOT_RUN: u8 = 126;
/// The command was not found.
pub(crate) const NOT_FOUND: u8 = 127;
