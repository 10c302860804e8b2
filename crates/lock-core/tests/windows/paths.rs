//! Paths that mean something else, or are too long, for programs that do not take care.

use std::io;

use lock_core::filesystem::FsClass;
use lock_core::lockfile::sys::{Access, Native, Sys};

use crate::support::{Playground, at, create, open};

#[test]
fn long_paths_work() {
    let here = Playground::new();
    let mut deep = here.path().to_owned();
    for _ in 0..3 {
        deep.push("d".repeat(120));
        Native.create_dir(at(&deep)).unwrap();
    }
    let (stage, path) = (deep.join("stage"), deep.join("s".repeat(200)));
    assert!(path.as_os_str().len() > 500);
    let file = create(&stage);
    Native.rename_file_new(&file, at(&stage), at(&path)).unwrap();
    assert_eq!(Native.list(&Native.open_dir(at(&deep)).unwrap(), 10).unwrap().len(), 1);
    Native.remove(at(&path), &file).unwrap();
    drop(file);
    assert_eq!(Native.list(&Native.open_dir(at(&deep)).unwrap(), 10).unwrap().len(), 0);
}

/// As for every other program on Windows, trailing dots and blanks are no part of a name, and a
/// slash separates.
#[test]
fn one_file_however_it_is_spelt() {
    let here = Playground::new();
    let file = create(&here.at("s.lock"));
    let facts = Native.facts(&file).unwrap();
    for spelt in ["s.lock.", "s.lock ", "./s.lock", "S.LOCK", "x/../s.lock"] {
        let path = format!("{}/{spelt}", here.path().display());
        let (_, seen) = open(path.as_ref(), Access::Read);
        assert!(seen.same_file(&facts), "{spelt}");
    }
}

#[test]
fn devices_are_no_files() {
    for path in [r"C:\NUL", r"C:\windows\con", r"\\.\C:", "NUL"] {
        let refused = Native.open(at(path.as_ref()), Access::Read).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path}: {refused}");
        let refused = Native.create_new(at(path.as_ref())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{path}: {refused}");
    }
}

#[test]
fn the_disk_of_the_tests_is_a_local_one() {
    let here = Playground::new();
    let file = create(&here.at("s.lock"));
    let filesystem = Native.filesystem(&file);
    assert!(matches!(filesystem.class, FsClass::Local | FsClass::Volatile), "{filesystem:?}");
    let dir = Native.open_dir(at(here.path())).unwrap();
    assert_eq!(Native.dir_filesystem(&dir), filesystem);
}
