//! A reboot, by this machine's own identity: a record that another process wrote, in which nothing
//! but the boot id is changed.

use std::time::Duration;

use lock_core::filesystem::FsClass;
use runtime_deps_lock::{DepsLock, DepsLockError, DepsOptions};

use crate::actors::Actor;
use crate::os;
use crate::root::Root;

/// The recorded pid is alive, with the very start time that is recorded; only its boot is another.
pub(crate) fn previous_boot() {
    let root = Root::new();
    let owner_file = root.lock_dir().join("owner.json");
    let mut owner = Actor::start("outlives", &root.path(), 0);
    assert_eq!(owner.line(), "held\n");
    let record = std::fs::read_to_string(&owner_file).unwrap();
    // Its inode number is not given to what is planted: the record's claim is on another file.
    let _pinned = std::fs::File::open(&owner_file).unwrap();
    owner.tell("");
    assert_eq!(owner.line(), "released\n");
    let plant = |record: &str| {
        std::fs::create_dir(root.lock_dir()).unwrap();
        std::fs::write(&owner_file, record).unwrap();
    };
    let lock = DepsLock::new(root.path(), DepsOptions::default().timeout(Duration::ZERO)).unwrap();

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(record.contains(boot.trim()), "{record}");
    plant(&record.replace(boot.trim(), "0a1b2c3d-0000-4000-8000-000000000002"));
    let found = lock.inspect();
    let (assessment, decision) = found.found.as_ref().unwrap();
    if assessment.filesystem.class == FsClass::Local {
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(reasons, ["boot-id-mismatch"]);
        drop(lock.acquire().expect("the machine was booted since"));
    } else {
        assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
        os::remove_tree(&root.lock_dir());
    }

    // The boot id alone made the difference.
    plant(&record);
    assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
    assert_eq!(std::fs::read_to_string(&owner_file).unwrap(), record);
    owner.join();
}
