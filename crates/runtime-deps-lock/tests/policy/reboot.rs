//! A reboot, by this machine's own identity: a record that the product wrote, in which nothing but
//! the boot id is changed.

use lock_core::filesystem::FsClass;
use runtime_deps_lock::{DepsLock, DepsLockError, DepsOptions};

/// The pid is alive, with the very start time that is recorded; only its boot is another.
#[test]
fn a_record_of_ours_from_the_previous_boot() {
    let root = tempfile::tempdir().unwrap();
    let options = DepsOptions::default().timeout(std::time::Duration::ZERO);
    let lock = DepsLock::new(root.path(), options).unwrap();
    let owner_file = lock.path().join("owner.json");
    let guard = lock.acquire().unwrap();
    let record = std::fs::read_to_string(&owner_file).unwrap();
    // Its inode number is not given to what is planted: the record's claim is on another file.
    let _pinned = std::fs::File::open(&owner_file).unwrap();
    drop(guard);
    let plant = |record: &str| {
        std::fs::create_dir(lock.path()).unwrap();
        std::fs::write(&owner_file, record).unwrap();
    };

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(record.contains(boot.trim()), "{record}");
    let other = record.replace(boot.trim(), "0a1b2c3d-0000-4000-8000-000000000002");
    plant(&other);
    let found = lock.inspect();
    let (assessment, decision) = found.found.as_ref().unwrap();
    if assessment.filesystem.class == FsClass::Local {
        let reasons: Vec<_> = decision.reasons.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(reasons, ["boot-id-mismatch"]);
        drop(lock.acquire().expect("the machine was booted since"));
    } else {
        assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
        crate::os::remove_tree(lock.path());
    }

    // The boot id alone made the difference.
    plant(&record);
    assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
    assert_eq!(std::fs::read_to_string(&owner_file).unwrap(), record);
}
