//! A directory to play in, and short names for what the tests do.

use std::fs::File;
use std::path::{Path, PathBuf};

use lock_core::lockfile::sys::{Access, Facts, Native, Place, Sys};

pub(crate) struct Playground {
    dir: tempfile::TempDir,
}

impl Playground {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in the directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn at(path: &Path) -> Place<'_, <Native as Sys>::Dir> {
    Place::absolute(path)
}

pub(crate) fn create(path: &Path) -> File {
    let file = Native.create_new(at(path)).unwrap();
    Native.write(&file, 0, b"record").unwrap();
    file
}

pub(crate) fn open(path: &Path, access: Access) -> (File, Facts) {
    Native.open(at(path), access).unwrap()
}
