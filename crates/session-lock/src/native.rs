//! The only file that names an operating system: picks the identity.

use std::sync::Arc;

use lock_core::OwnerIdentity;

/// This machine's way to identify processes.
pub(crate) fn identity() -> Arc<dyn OwnerIdentity> {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            Arc::new(identity_linux::LinuxIdentity::new())
        } else if #[cfg(target_os = "macos")] {
            Arc::new(identity_macos::MacosIdentity)
        } else if #[cfg(windows)] {
            Arc::new(identity_windows::WindowsIdentity)
        } else {
            Arc::new(lock_core::UnverifiedIdentity)
        }
    }
}
