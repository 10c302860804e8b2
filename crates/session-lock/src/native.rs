//! The only file that names an operating system: picks the identity.

use std::sync::Arc;

use lock_core::OwnerIdentity;

/// This machine's way to identify processes.
pub(crate) fn identity() -> Arc<dyn OwnerIdentity> {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            Arc::new(identity_linux::LinuxIdentity::new())
        } else {
            Arc::new(lock_core::UnverifiedIdentity)
        }
    }
}
