//! Noticing that this process is a forked child.
//!
//! A pid does not tell: the child of a container's pid 1, forked into a new pid namespace, is
//! pid 1 as well. So a `pthread_atfork` hook counts generations, and the pid is compared too,
//! for children of a raw `clone`, which runs no hooks.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between the first mark and this process.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Names this process among its forked relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessMark {
    pid: u32,
    generation: u32,
}

impl ProcessMark {
    /// The calling process.
    #[must_use]
    pub fn current() -> Self {
        sys::forks_are_counted();
        Self { pid: std::process::id(), generation: GENERATION.load(Ordering::Acquire) }
    }

    /// A process of a simulated system.
    #[must_use]
    pub fn simulated(pid: u32) -> Self {
        Self { pid, generation: u32::MAX }
    }

    /// Whether the calling process is the one this mark was taken in.
    #[must_use]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }

    /// Whether equal marks rule out any fork between them, and not only a change of pid.
    #[must_use]
    pub fn forks_are_counted() -> bool {
        sys::forks_are_counted()
    }
}

mod sys {
    #![allow(unsafe_code, reason = "pthread_atfork takes a C function")]

    /// Whether the fork hook is in place; registers it on the first call.
    ///
    /// Not a `Once`: a child forked in the middle of the registration would wait for a thread
    /// that it does not have. Here it finds "busy" for ever.
    #[cfg(unix)]
    pub(super) fn forks_are_counted() -> bool {
        use std::sync::atomic::{AtomicU8, Ordering};

        type Hook = unsafe extern "C" fn();
        const UNREGISTERED: u8 = 0;
        const BUSY: u8 = 1;
        const REGISTERED: u8 = 2;
        const FAILED: u8 = 3;
        static STATE: AtomicU8 = AtomicU8::new(UNREGISTERED);

        extern "C" fn before() {
            crate::fork::before();
        }
        extern "C" fn in_parent() {
            crate::fork::after();
        }
        extern "C" fn in_child() {
            super::GENERATION.fetch_add(1, Ordering::AcqRel);
            crate::fork::after();
        }

        match STATE.compare_exchange(UNREGISTERED, BUSY, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                let hooks = (Some(before as Hook), Some(in_parent as Hook), Some(in_child as Hook));
                // SAFETY: the hooks are functions of this program, which stays loaded as long as
                // its own code runs. In the child there is one atomic add and the unlocking of
                // mutexes that the same thread locked before the fork.
                let done = unsafe { libc::pthread_atfork(hooks.0, hooks.1, hooks.2) } == 0;
                STATE.store(if done { REGISTERED } else { FAILED }, Ordering::Release);
                done
            }
            Err(state) => state == REGISTERED,
        }
    }

    #[cfg(not(unix))]
    pub(super) fn forks_are_counted() -> bool {
        false
    }
}
