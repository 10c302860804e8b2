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
    let reasons = || {
        let found = lock.inspect().found.unwrap();
        let reasons = found.1.reasons.iter().map(|reason| reason.as_str());
        (found.0.filesystem.class, reasons.collect::<Vec<_>>())
    };
    match reasons() {
        (FsClass::Local, reasons) => {
            assert_eq!(reasons, ["boot-id-mismatch"]);
            drop(lock.acquire().expect("the machine was booted since"));
        }
        (_, reasons) => {
            assert!(reasons.is_empty(), "{reasons:?}");
            assert!(matches!(lock.acquire().unwrap_err(), DepsLockError::Timeout(_)));
            crate::os::remove_tree(lock.path());
        }
    }

    // The boot id alone made the difference: in this boot, the owner is this process, which let go.
    plant(&record);
    assert_eq!(reasons().1, ["lock-released"]);
}
