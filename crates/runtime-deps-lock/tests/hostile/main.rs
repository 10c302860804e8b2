//! Roots and lock directories that are not what they should be: typed errors, in bounded time,
//! and nothing foreign is ever deleted.
#![cfg(target_os = "linux")]

mod foreign;
mod roots;
mod support;
