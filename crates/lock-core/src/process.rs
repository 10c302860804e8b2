//! Noticing that this process is a forked child.
//!
//! A pid does not tell: the child of a container's pid 1, forked into a new pid namespace, is
//! pid 1 as well. So a `pthread_atfork` hook counts generations, and the pid is compared too,
//! for children of a raw `clone`, which runs no hooks.

use std::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Names this process among its forked relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessMark {
    pid: u32,
    generation: u64,
}

impl ProcessMark {
    /// The calling process.
    #[must_use]
    pub fn current() -> Self {
        sys::install_hook();
        Self { pid: std::process::id(), generation: GENERATION.load(Ordering::Relaxed) }
    }

    /// Whether the calling process is the one this mark was taken in.
    #[must_use]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

mod sys {
    #![allow(unsafe_code, reason = "pthread_atfork takes a C function")]

    #[cfg(target_os = "linux")]
    pub(super) fn install_hook() {
        use std::sync::Once;
        use std::sync::atomic::Ordering;
        extern "C" fn before() {
            crate::fork::before();
        }
        extern "C" fn in_parent() {
            crate::fork::after();
        }
        extern "C" fn in_child() {
            super::GENERATION.fetch_add(1, Ordering::Relaxed);
            crate::fork::after();
        }
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the hooks are plain functions that live for ever. In the child there is
            // one atomic add and the unlocking of mutexes that the same thread locked before
            // the fork. A failure (ENOMEM) leaves the pid comparison.
            unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        });
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn install_hook() {}
}
