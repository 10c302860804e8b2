//! Names: giving them without clobbering, taking them away at once, and who is who.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::time::Duration;

use lock_core::lockfile::sys::{Access, Byte, FileKind, Native, Sys};
use windows_sys::Win32::Storage::FileSystem::{FILE_SHARE_READ, FILE_SHARE_WRITE};

use crate::support::{Playground, at, create, open};

#[test]
fn a_new_name_never_clobbers() {
    let here = Playground::new();
    let (stage, path) = (here.at("stage"), here.at("s.lock"));
    let ours = create(&stage);
    let first = create(&path);
    Native.write(&first, 0, b"theirs").unwrap();
    // What is open is not replaced anyway.
    drop(first);
    let refused = Native.rename_file_new(&ours, at(&stage), at(&path)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(here.names(), ["s.lock", "stage"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
    assert_eq!(Native.create_new(at(&path)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);

    let gone = here.at("gone").join("s.lock");
    let refused = Native.rename_file_new(&ours, at(&stage), at(&gone)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::NotFound);
}

/// Of many that want one name exactly one gets it, with its lock.
#[test]
fn one_of_many_gets_the_name() {
    let here = Playground::new();
    let path = here.at("s.lock");
    for round in 0..50 {
        let winners: usize = std::thread::scope(|scope| {
            let compete = |n| {
                let (here, path) = (&here, &path);
                scope.spawn(move || {
                    let stage = here.at(&format!("stage{n}"));
                    let file = create(&stage);
                    assert!(Native.try_lock(&file, Byte::Owner).unwrap());
                    match Native.rename_file_new(&file, at(&stage), at(path)) {
                        Ok(()) => {
                            let (seen, _) = open(path, Access::Read);
                            assert!(Native.is_locked(&seen, Byte::Owner).unwrap());
                            Some(file)
                        }
                        Err(e) => {
                            assert_eq!(e.kind(), io::ErrorKind::AlreadyExists, "{e}");
                            Native.remove_link(at(&stage)).unwrap();
                            None
                        }
                    }
                })
            };
            let threads: Vec<_> = (0..4).map(compete).collect();
            let files: Vec<_> = threads.into_iter().filter_map(|t| t.join().unwrap()).collect();
            files.iter().for_each(|file| Native.remove(at(&path), file).unwrap());
            files.len()
        });
        assert_eq!(winners, 1, "round {round}");
        assert_eq!(here.names(), Vec::<String>::new(), "round {round}");
    }
}

/// The name is free as soon as `remove` returns, whoever has the file open, and however.
#[test]
fn a_removed_name_is_free_at_once() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let first = create(&path);
    let (reader, _) = open(&path, Access::Read);
    let (contender, facts) = open(&path, Access::Lock);
    let foreign = std::fs::File::open(&path).unwrap();

    Native.remove(at(&path), &first).unwrap();
    assert_eq!(Native.stat(at(&path)).unwrap_err().kind(), io::ErrorKind::NotFound);
    let second = create(&path);
    assert!(!Native.stat(at(&path)).unwrap().same_file(&facts));
    assert!(Native.try_lock(&second, Byte::Owner).unwrap());
    // The first is another file, with other bytes.
    assert!(Native.try_lock(&contender, Byte::Owner).unwrap());
    drop((first, reader, contender, foreign));
    assert_eq!(here.names(), ["s.lock"]);
}

/// A crash between the two steps of a removal leaves what a sweep knows.
#[test]
fn a_removal_that_ends_half_way_leaves_litter() {
    let here = Playground::new();
    let path = here.at("s.lock");
    let tombstone = here.at(".0123abcd-0123456789abcdef.lock-tomb");
    let owner = create(&path);
    Native.rename_file_new(&owner, at(&path), at(&tombstone)).unwrap();
    drop(owner);
    let lock = lock_core::LockFile::new(
        path,
        lock_core::lockfile::Layout::File,
        std::sync::Arc::new(lock_core::UnverifiedIdentity),
    );
    assert_eq!(lock.sweep_litter(true).unwrap().swept, [tombstone]);
    assert_eq!(here.names(), Vec::<String>::new());
}

#[test]
fn a_file_is_itself_under_any_name_and_handle() {
    let here = Playground::new();
    let (stage, path) = (here.at("stage"), here.at("s.lock"));
    let ours = create(&stage);
    let staged = Native.facts(&ours).unwrap();
    assert_eq!(staged.kind, FileKind::Regular);
    Native.rename_file_new(&ours, at(&stage), at(&path)).unwrap();
    let (_theirs, opened) = open(&path, Access::Lock);
    let seen = Native.stat(at(&path)).unwrap();
    assert!(staged.same_file(&seen) && staged.same_file(&opened), "{staged:?} {seen:?}");
    assert!(seen.modified.is_some());
    let other = create(&stage);
    assert!(!Native.facts(&other).unwrap().same_file(&staged));
}

/// A scanner or a backup that opened the file without sharing its deletion is in the way for as
/// long as it has it open. Nothing is lost, and it is tried again for a while.
#[test]
fn who_does_not_share_deleting_is_waited_for() {
    let here = Playground::new();
    let path = here.at("s.lock");
    drop(create(&path));
    let scanner = || {
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE).open(&path).unwrap()
    };
    let lasting = scanner();
    let refused = Native.open(at(&path), Access::Lock).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    // Looking takes nothing away from anybody.
    open(&path, Access::Read);
    drop(lasting);

    let passing = scanner();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(5));
            drop(passing);
        });
        let (file, _) = open(&path, Access::Lock);
        Native.remove(at(&path), &file).unwrap();
    });
    assert_eq!(here.names(), Vec::<String>::new());
}
