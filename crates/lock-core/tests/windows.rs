//! The seam over Windows: what the protocol relies on there. Run on Windows and under Wine; where
//! the two differ, the test says what either may do.
#![cfg(windows)]

#[path = "windows/bytes.rs"]
mod bytes;
#[path = "windows/directories.rs"]
mod directories;
#[path = "windows/names.rs"]
mod names;
#[path = "windows/paths.rs"]
mod paths;
#[path = "windows/processes.rs"]
mod processes;
#[path = "windows/storm.rs"]
mod storm;
#[path = "windows/support.rs"]
mod support;
#[path = "windows/waiting.rs"]
mod waiting;
