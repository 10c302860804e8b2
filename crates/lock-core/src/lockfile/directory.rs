//! The directory layout: the lock is a directory, the record a file in it.

/// The record's name inside a lock directory.
pub(super) const OWNER_FILE: &str = "owner.json";

/// Where the record is, relative to the lock's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The lock is one file.
    File,
    /// The lock is a directory that holds `owner.json`.
    Directory,
}
