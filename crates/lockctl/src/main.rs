//! lockctl
fn main() {}
