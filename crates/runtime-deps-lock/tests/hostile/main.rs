//! Roots and lock directories that are not what they should be: typed errors, in bounded time,
//! and nothing foreign is ever deleted.

mod foreign;
#[path = "../../../lock-core/tests/os/mod.rs"]
mod os;
mod roots;
mod support;
