//! Process identity on Windows: not there yet.
//!
//! [`WindowsIdentity`] knows the calling process's pid and answers every question about another
//! process with "unknown". Verdicts that rest on it are unverifiable, which removes nothing.

use lock_core::identity::{Observed, OwnerId, OwnerIdentity, OwnerKind};

/// Identifies processes on Windows, one day.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowsIdentity;

impl OwnerIdentity for WindowsIdentity {
    fn this_process(&self) -> OwnerId {
        OwnerId::bare(OwnerKind::Windows, std::process::id())
    }

    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        Observed::nothing("processes cannot be identified on Windows yet")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::identity::Process;

    #[test]
    fn it_does_not_pretend() {
        let me = WindowsIdentity.this_process();
        assert_eq!((me.pid, me.start, me.unique), (std::process::id(), None, None));
        assert_eq!(WindowsIdentity.observe(&me, &me).process, Process::Unknown);
    }
}
