//! Byte locks: who excludes whom, and what stays readable.

use lock_core::lockfile::sys::{Access, Byte, Native, Sys};

use crate::support::{Playground, create, open};

#[test]
fn two_handles_exclude_each_other_byte_by_byte() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let ours = create(&path);
    let (theirs, _) = open(&path, Access::Lock);
    assert!(Native.try_lock(&ours, Byte::Owner).unwrap());
    assert!(!Native.try_lock(&theirs, Byte::Owner).unwrap());
    assert!(Native.try_lock(&theirs, Byte::Binding).unwrap());
    assert!(!Native.try_lock(&ours, Byte::Binding).unwrap());
    Native.unlock(&ours, Byte::Owner).unwrap();
    assert!(Native.try_lock(&theirs, Byte::Owner).unwrap());
}

#[test]
fn asking_takes_nothing_and_askers_do_not_see_each_other() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let owner = create(&path);
    assert!(Native.try_lock(&owner, Byte::Owner).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (asker, _) = open(&path, Access::Read);
                for _ in 0..500 {
                    assert!(Native.is_locked(&asker, Byte::Owner).unwrap());
                    assert!(!Native.is_locked(&asker, Byte::Binding).unwrap());
                }
            });
        }
    });
    Native.unlock(&owner, Byte::Owner).unwrap();
    let (asker, _) = open(&path, Access::Read);
    assert!(!Native.is_locked(&asker, Byte::Owner).unwrap());
    assert!(Native.try_lock(&owner, Byte::Owner).unwrap());
}

/// Locks are mandatory here, and stand far behind the record.
#[test]
fn a_locked_record_can_be_read_by_anybody_and_its_owner_can_write() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let owner = create(&path);
    for byte in [Byte::Owner, Byte::Binding] {
        assert!(Native.try_lock(&owner, byte).unwrap());
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"record");
    let (reader, _) = open(&path, Access::Read);
    assert_eq!(Native.read(&reader, 64 * 1024 + 1).unwrap(), b"record");
    assert_eq!(Native.read(&reader, 3).unwrap(), b"rec");
    Native.write(&owner, 6, b"\n\n").unwrap();
    assert_eq!(Native.read(&reader, 64 * 1024 + 1).unwrap(), b"record\n\n");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 8);
}

#[test]
fn closing_gives_back() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let owner = create(&path);
    assert!(Native.try_lock(&owner, Byte::Owner).unwrap());
    drop(owner);
    let (next, _) = open(&path, Access::Lock);
    assert!(Native.try_lock(&next, Byte::Owner).unwrap());
}
