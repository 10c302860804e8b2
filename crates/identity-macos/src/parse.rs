//! What the kernel answers, from bytes to facts: pure, so every host tests it.
//!
//! Bytes, not structures: `libc` declares two of the three not at all, and an answer may be
//! shorter than declared. Whatever does not have the expected shape is `None`, never a guess: a
//! missing fact makes no lock reclaimable, a wrong one might.

mod observed;
mod records;

pub use observed::{Answer, Answers, observed};
pub use records::{
    BSD_INFO_LEN, KINFO_LEN, Snapshot, UNIQUE_INFO_LEN, boot_session, bsd_info, kinfo, unique_id,
};
