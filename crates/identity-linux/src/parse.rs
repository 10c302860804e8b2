//! What the kernel's text files say, from bytes to facts: pure, so every host tests it.
//!
//! Bytes, not text: a process chooses its own name, and that name stands unescaped in the
//! middle of `/proc/<pid>/stat`. Whatever does not have the expected shape is `None`, never a
//! guess: a missing fact makes no lock reclaimable, a wrong one might.

mod kernel;
mod locks;
mod process;

pub use kernel::{boot_id, time_offsets};
pub use locks::{ByteRangeLock, byte_range_locks};
pub use process::{Stat, Status, stat, status};

/// A decimal number without sign, blanks or anything else around it.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    // `FromStr` would take a leading `+`, which the kernel never writes.
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The non-empty words of `line`.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The lines of `text`, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}
