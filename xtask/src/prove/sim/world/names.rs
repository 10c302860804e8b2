//! Names: what leads where, and changing it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use super::{Body, DIRECTORY, LOCK, Process, ROOT, World, error};

impl World {
    /// The directory of a name, which may be an absolute path, and its last part.
    pub(super) fn parent<'a>(
        &self,
        directory: Option<u64>,
        name: &'a Path,
    ) -> io::Result<(u64, &'a OsStr)> {
        if let Some(directory) = directory {
            return Ok((directory, name.as_os_str()));
        }
        let text = name.to_str().ok_or(io::ErrorKind::NotFound)?;
        let below = text.strip_prefix(DIRECTORY).ok_or(io::ErrorKind::NotFound)?;
        let mut parts = below.strip_prefix('/').unwrap_or(below).split('/');
        let last = parts.next_back().unwrap_or_default();
        let mut directory = ROOT;
        for part in parts {
            directory = self.entry(directory, part.as_ref())?;
        }
        Ok((directory, last.as_ref()))
    }

    fn entry(&self, directory: u64, name: &OsStr) -> io::Result<u64> {
        self.entries(directory)?.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What the lock's name leads to.
    pub(crate) fn lock(&self) -> Option<u64> {
        self.entry(ROOT, LOCK.as_ref()).ok()
    }

    /// What a lock directory's record leads to.
    pub(crate) fn record_in(&self, directory: u64) -> Option<u64> {
        self.entry(directory, "owner.json".as_ref()).ok()
    }

    /// The inode at a name.
    pub(crate) fn resolve(&self, directory: Option<u64>, name: &Path) -> io::Result<u64> {
        let (directory, name) = self.parent(directory, name)?;
        if name.is_empty() { Ok(directory) } else { self.entry(directory, name) }
    }

    pub(super) fn bind(&mut self, directory: u64, name: &OsStr, number: u64) -> io::Result<()> {
        let entries = self.entries_mut(directory)?;
        if entries.contains_key(name) {
            return error(io::ErrorKind::AlreadyExists);
        }
        entries.insert(name.to_owned(), number);
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.names += 1;
        }
        Ok(())
    }

    fn unbind(&mut self, directory: u64, name: &OsStr) -> io::Result<u64> {
        let number = self.entries_mut(directory)?.remove(name).ok_or(io::ErrorKind::NotFound)?;
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.names -= 1;
        }
        self.forget_unused(number);
        Ok(number)
    }

    /// Gives an open file, or what is at a name, one more name.
    pub(crate) fn link(
        &mut self,
        number: u64,
        directory: Option<u64>,
        name: &Path,
    ) -> io::Result<()> {
        let (directory, name) = self.parent(directory, name)?;
        self.bind(directory, name, number)
    }

    /// Renames; where `replace` is not set, not over anything.
    pub(crate) fn rename(
        &mut self,
        from: (Option<u64>, &Path),
        to: (Option<u64>, &Path),
        replace: bool,
    ) -> io::Result<()> {
        let number = self.resolve(from.0, from.1)?;
        let (old, old_name) = self.parent(from.0, from.1)?;
        let (new, new_name) = self.parent(to.0, to.1)?;
        if let Some(&there) = self.entries(new)?.get(new_name) {
            if !replace {
                return error(io::ErrorKind::AlreadyExists);
            }
            if matches!(&self.inode(there)?.body, Body::Directory(entries) if !entries.is_empty()) {
                return error(io::ErrorKind::DirectoryNotEmpty);
            }
            self.unbind(new, new_name)?;
        }
        self.bind(new, new_name, number)?;
        self.unbind(old, old_name).map(|_| ())
    }

    pub(crate) fn remove(&mut self, directory: Option<u64>, name: &Path) -> io::Result<()> {
        let number = self.resolve(directory, name)?;
        if let Body::Directory(_) = self.inode(number)?.body {
            return error(io::ErrorKind::IsADirectory);
        }
        let (directory, name) = self.parent(directory, name)?;
        self.unbind(directory, name).map(|_| ())
    }

    pub(crate) fn create_dir(
        &mut self,
        by: Process,
        directory: Option<u64>,
        name: &Path,
    ) -> io::Result<()> {
        let (directory, name) = self.parent(directory, name)?;
        let number = self.create(by, Body::Directory(BTreeMap::new()));
        let bound = self.bind(directory, name, number);
        self.forget_unused(number);
        bound
    }

    pub(crate) fn remove_dir(&mut self, directory: Option<u64>, name: &Path) -> io::Result<()> {
        let number = self.resolve(directory, name)?;
        if !self.entries(number)?.is_empty() {
            return error(io::ErrorKind::DirectoryNotEmpty);
        }
        let (directory, name) = self.parent(directory, name)?;
        self.unbind(directory, name).map(|_| ())
    }

    /// Whether something beside the lock is named by these random bits.
    pub(crate) fn is_name(&self, random: u64) -> bool {
        let bits = format!("{random:016x}");
        let names = self.entries(ROOT).into_iter().flat_map(BTreeMap::keys);
        names.filter_map(|name| name.to_str()).any(|name| name.contains(&bits))
    }

    /// A link that leads nowhere.
    pub(crate) fn dangle(&mut self, by: Process, name: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(None, name)?;
        let number = self.create(by, Body::Symlink);
        self.bind(directory, name, number)
    }

    pub(crate) fn list(&self, directory: u64, limit: usize) -> io::Result<Vec<OsString>> {
        Ok(self.entries(directory)?.keys().take(limit).cloned().collect())
    }

    /// Every path below the lock's directory, for people.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![(PathBuf::from(DIRECTORY), ROOT)];
        while let Some((path, number)) = pending.pop() {
            for (name, &below) in self.entries(number).into_iter().flatten() {
                found.push(path.join(name));
                if matches!(self.inodes[&below].body, Body::Directory(_)) {
                    pending.push((path.join(name), below));
                }
            }
        }
        found
    }
}
