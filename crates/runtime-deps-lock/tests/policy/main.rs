//! The install lock's policy, row by row, through the public API: with a scripted identity, a
//! clock that stands still and file times that the test sets.

mod defaults;
mod message;
mod nameless;
#[path = "../../../lock-core/tests/os/mod.rs"]
mod os;
mod owners;
mod scripted;
