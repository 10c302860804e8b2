//! What the system answers, from raw values to facts: pure, so every host tests it.
//!
//! Whatever does not have the expected shape is `None`, never a guess: a missing fact makes no
//! lock reclaimable, a wrong one might.

mod machine;
mod observed;

pub use machine::{Machine, firmware_uuid};
pub use observed::{Answer, End, Handle, file_time, observed, start_time};
