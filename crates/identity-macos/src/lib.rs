//! Process identity on macOS: not there yet.
//!
//! [`MacosIdentity`] knows the calling process's pid and answers every question about another
//! process with "unknown". Verdicts that rest on it are unverifiable, which removes nothing.

use lock_core::identity::{Observed, OwnerId, OwnerIdentity, OwnerKind};

/// Identifies processes on macOS, one day.
#[derive(Clone, Copy, Debug, Default)]
pub struct MacosIdentity;

impl OwnerIdentity for MacosIdentity {
    fn this_process(&self) -> OwnerId {
        OwnerId::bare(OwnerKind::Macos, std::process::id())
    }

    fn observe(&self, _recorded: &OwnerId, _here: &OwnerId) -> Observed {
        Observed::nothing("processes cannot be identified on macOS yet")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::identity::Process;

    #[test]
    fn it_does_not_pretend() {
        let me = MacosIdentity.this_process();
        assert_eq!((me.pid, me.start, me.unique), (std::process::id(), None, None));
        assert_eq!(MacosIdentity.observe(&me, &me).process, Process::Unknown);
    }
}
