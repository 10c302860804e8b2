//! Owner-verified lock files.
pub mod identity;
