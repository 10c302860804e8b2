//! The questions to the kernel. Thin: what the answers mean is in [`crate::parse`] and, one
//! argument per errno, in the module that asks.

mod boot;
mod capture;
mod clocks;
mod holders;
mod observe;
mod pidfd;
mod procfs;
mod sys;

use lock_core::identity::{Observed, OwnerId, OwnerIdentity};

/// Identifies processes on Linux; see the [crate documentation](crate) for what each fact
/// proves.
///
/// It holds nothing, so any number of values may exist: the identity of the calling process is
/// captured once per process, whoever asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinuxIdentity;

impl LinuxIdentity {
    /// The identity strategy for this system. Asks nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl OwnerIdentity for LinuxIdentity {
    fn this_process(&self) -> OwnerId {
        capture::this_process()
    }

    fn observe(&self, recorded: &OwnerId, here: &OwnerId) -> Observed {
        observe::observe(recorded, here)
    }

    fn lock_holders(&self, device: u64, inode: u64, offset: u64) -> Vec<u32> {
        holders::lock_holders(device, inode, offset)
    }
}
