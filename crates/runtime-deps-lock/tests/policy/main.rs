//! The install lock's policy, row by row, through the public API: with a scripted identity, a
//! clock that stands still and file times that the test sets.
#![cfg(target_os = "linux")]

mod message;
mod nameless;
mod owners;
mod scripted;
