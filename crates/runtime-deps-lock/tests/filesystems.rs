//! Roots on file systems that take no lock: full, out of inodes, read-only. The library's errors
//! say which, in bounded time, and nothing is left behind.
//!
//! Where nothing can be mounted these are listed as ignored, with the reason on standard error.

#[path = "../../lock-core/tests/os/mod.rs"]
mod os;

#[cfg(target_os = "linux")]
#[path = "filesystems/linux.rs"]
mod linux;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    let trials = linux::trials();
    #[cfg(not(target_os = "linux"))]
    let trials = Vec::new();
    libtest_mimic::run(&libtest_mimic::Arguments::from_args(), trials).exit_code()
}
