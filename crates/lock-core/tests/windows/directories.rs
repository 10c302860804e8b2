//! Directories are made, emptied and removed, and never renamed.

use std::io;
use std::path::Path;

use lock_core::lockfile::sys::{FileKind, Native, Place, Sys};

use crate::support::{Playground, at, create};

/// Windows refuses to rename a directory with an open file inside, whatever the share modes; Wine
/// does not. So the seam does not even try, with or without one.
#[test]
fn none_is_ever_renamed() {
    let here = Playground::new();
    let (path, target) = (here.at("lock"), here.at("tombstone"));
    Native.create_dir(at(&path)).unwrap();
    assert!(!Native.renames_directories());
    let open = create(&path.join("owner.json"));
    for _ in 0..2 {
        for renamed in
            [Native.rename(at(&path), at(&target)), Native.rename_new(at(&path), at(&target))]
        {
            assert_eq!(renamed.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
        assert_eq!(here.names(), ["lock"]);
    }
    drop(open);
}

#[test]
fn it_is_made_once_and_removed_when_empty() {
    let here = Playground::new();
    let path = here.at("lock");
    Native.create_dir(at(&path)).unwrap();
    assert_eq!(Native.create_dir(at(&path)).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let dir = Native.open_dir(at(&path)).unwrap();
    let facts = Native.dir_facts(&dir).unwrap();
    assert_eq!(facts.kind, FileKind::Directory);
    assert!(Native.stat(at(&path)).unwrap().same_file(&facts));

    let owner = Place { dir: &dir, name: Path::new("owner.json") };
    let file = Native.create_new(owner).unwrap();
    assert_eq!(Native.list(&dir, 10).unwrap(), ["owner.json"]);
    let refused = Native.remove_dir(at(&path)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::DirectoryNotEmpty);
    let out = here.at("out");
    Native.rename_file_new(&file, owner, at(&out)).unwrap();
    Native.remove_dir(at(&path)).unwrap();
    // With its former content and the directory itself still open here.
    assert_eq!(Native.stat(at(&path)).unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(here.names(), ["out"]);
    Native.create_dir(at(&path)).unwrap();
}

#[test]
fn neither_is_taken_for_the_other() {
    let here = Playground::new();
    let (file, dir) = (here.at("file"), here.at("dir"));
    drop(create(&file));
    Native.create_dir(at(&dir)).unwrap();
    let kind = |e: io::Error| e.kind();
    let access = lock_core::lockfile::sys::Access::Lock;
    assert_eq!(kind(Native.open(at(&dir), access).unwrap_err()), io::ErrorKind::InvalidInput);
    assert_eq!(kind(Native.open_dir(at(&file)).unwrap_err()), io::ErrorKind::InvalidInput);
    assert!(Native.remove_link(at(&dir)).is_err());
    assert!(Native.remove_dir(at(&file)).is_err());
    assert_eq!(here.names(), ["dir", "file"]);
}
