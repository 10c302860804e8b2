//! The simulated machine: inodes, names, open files, byte locks and a clock. What a call does,
//! and nothing about when: every function here is one step that happens at once.
//!
//! Inode numbers are reused at once, as on tmpfs and ext4: the lowest that is free in the range
//! of the process that creates the file. (A range per process, so that who creates first does not
//! matter to who creates next: fewer states that differ in nothing else.)

mod digests;
mod names;
mod seen;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lock_core::lockfile::sys::{Byte, Facts, FileKind};

/// The only device.
pub(crate) const DEVICE: u64 = 7;
/// The directory that holds the lock.
pub(crate) const DIRECTORY: &str = "/sim";
/// The lock's name in it.
pub(crate) const LOCK: &str = "lock";
const ROOT: u64 = 1;

/// A process, by its place in the scenario.
pub(crate) type Process = usize;

/// An open file: the process that opened it, and the lowest number that was free there.
pub(crate) type Description = (Process, u64);

#[derive(Debug, Clone, Hash)]
enum Body {
    File { bytes: Opaque, locks: BTreeMap<u64, Description> },
    Directory(BTreeMap<OsString, u64>),
    Symlink,
}

/// Bytes, told apart by who wrote them when: an acquisition's random id is in them.
#[derive(Debug, Clone, Default)]
struct Opaque {
    bytes: Vec<u8>,
    tag: u64,
}

impl Hash for Opaque {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tag.hash(state);
    }
}

#[derive(Debug, Clone, Hash)]
struct Inode {
    body: Body,
    names: u32,
    /// Open files.
    pins: u32,
    modified: Duration,
}

/// The files and the clock.
#[derive(Debug)]
pub(crate) struct World {
    inodes: BTreeMap<u64, Inode>,
    open: BTreeMap<Description, u64>,
    /// Time since boot. Moves only when the scheduler says so.
    pub(crate) now: Duration,
}

/// The first number of the inodes that a process makes.
fn first_inode(of: Process) -> u64 {
    (of as u64 + 1) * 1000
}

/// The process that made an inode; none has so high a number as what the root's says.
pub(crate) fn maker(number: u64) -> Process {
    (number / 1000).wrapping_sub(1) as Process
}

fn error<T>(kind: io::ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

impl World {
    pub(crate) fn new() -> Self {
        let root = Inode {
            body: Body::Directory(BTreeMap::new()),
            names: 1,
            pins: 0,
            modified: Duration::ZERO,
        };
        Self {
            inodes: BTreeMap::from([(ROOT, root)]),
            open: BTreeMap::new(),
            now: Duration::from_secs(1_000_000),
        }
    }

    /// Wall-clock time at `then` since boot.
    pub(crate) fn wall(then: Duration) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::try_from(then).unwrap_or_default()
    }

    fn inode(&self, number: u64) -> io::Result<&Inode> {
        self.inodes.get(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn entries(&self, directory: u64) -> io::Result<&BTreeMap<OsString, u64>> {
        match &self.inode(directory)?.body {
            Body::Directory(entries) => Ok(entries),
            _ => error(io::ErrorKind::NotADirectory),
        }
    }

    fn entries_mut(&mut self, directory: u64) -> io::Result<&mut BTreeMap<OsString, u64>> {
        let now = self.now;
        match self.inodes.get_mut(&directory) {
            Some(Inode { body: Body::Directory(entries), modified, names: 1.., .. }) => {
                *modified = now;
                Ok(entries)
            }
            // Nothing new appears in a directory that was removed.
            _ => error(io::ErrorKind::NotFound),
        }
    }

    pub(crate) fn facts(&self, number: u64) -> io::Result<Facts> {
        let inode = self.inode(number)?;
        let kind = match inode.body {
            Body::File { .. } => FileKind::Regular,
            Body::Directory(_) => FileKind::Directory,
            Body::Symlink => FileKind::Symlink,
        };
        let modified = Some(Self::wall(inode.modified));
        Ok(Facts { kind, device: DEVICE, inode: number, modified })
    }

    fn create(&mut self, by: Process, body: Body) -> u64 {
        let first = first_inode(by);
        let number = (first..).find(|number| !self.inodes.contains_key(number)).unwrap_or(u64::MAX);
        let inode = Inode { body, names: 0, pins: 0, modified: self.now };
        self.inodes.insert(number, inode);
        number
    }

    fn forget_unused(&mut self, number: u64) {
        if self.inodes.get(&number).is_some_and(|inode| inode.names == 0 && inode.pins == 0) {
            self.inodes.remove(&number);
        }
    }

    fn pin(&mut self, by: Process, number: u64) -> Description {
        let mut numbers = (1..).map(|number| (by, number));
        let free = numbers.find(|description| !self.open.contains_key(description));
        let description = free.unwrap_or((by, u64::MAX));
        self.open.insert(description, number);
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.pins += 1;
        }
        description
    }

    pub(crate) fn create_unnamed(&mut self, by: Process) -> Description {
        let number =
            self.create(by, Body::File { bytes: Opaque::default(), locks: BTreeMap::new() });
        self.pin(by, number)
    }

    pub(crate) fn create_new(
        &mut self,
        by: Process,
        directory: Option<u64>,
        name: &Path,
    ) -> io::Result<Description> {
        let (directory, name) = self.parent(directory, name)?;
        let description = self.create_unnamed(by);
        let bound = self.bind(directory, name, self.open[&description]);
        if bound.is_err() {
            self.close(description);
        }
        bound.map(|()| description)
    }

    /// Opens a regular file or, if `directory_wanted`, a directory.
    pub(crate) fn open(
        &mut self,
        by: Process,
        directory: Option<u64>,
        name: &Path,
        directory_wanted: bool,
    ) -> io::Result<(Description, Facts)> {
        let facts = self.facts(self.resolve(directory, name)?)?;
        match (facts.kind, directory_wanted) {
            (FileKind::Regular, false) | (FileKind::Directory, true) => {
                Ok((self.pin(by, facts.inode), facts))
            }
            _ => error(io::ErrorKind::InvalidInput),
        }
    }

    /// Closes an open file, and drops its locks.
    pub(crate) fn close(&mut self, description: Description) {
        let Some(number) = self.open.remove(&description) else { return };
        let Some(inode) = self.inodes.get_mut(&number) else { return };
        inode.pins -= 1;
        if let Body::File { locks, .. } = &mut inode.body {
            locks.retain(|_, holder| *holder != description);
        }
        self.forget_unused(number);
    }

    /// What a process has open, and which file each is.
    pub(crate) fn opened_by(&self, process: Process) -> Vec<(Description, u64)> {
        let mine = self.open.range((process, 0)..=(process, u64::MAX));
        mine.map(|(description, inode)| (*description, *inode)).collect()
    }

    /// Closes everything that a process has open.
    pub(crate) fn close_all(&mut self, of: Process) {
        self.opened_by(of).into_iter().for_each(|(description, _)| self.close(description));
    }

    pub(crate) fn inode_of(&self, description: Description) -> u64 {
        self.open.get(&description).copied().unwrap_or_default()
    }

    /// The content of a file, and what tells it from others.
    pub(crate) fn content(&self, number: u64) -> (&[u8], u64) {
        match self.inodes.get(&number).map(|inode| &inode.body) {
            Some(Body::File { bytes, .. }) => (&bytes.bytes, bytes.tag),
            _ => (&[], 0),
        }
    }

    pub(crate) fn write(&mut self, number: u64, offset: usize, new: &[u8], tag: u64) {
        let now = self.now;
        let Some(inode) = self.inodes.get_mut(&number) else { return };
        inode.modified = now;
        if let Body::File { bytes, .. } = &mut inode.body {
            bytes.bytes.resize(bytes.bytes.len().max(offset), 0);
            bytes.bytes.truncate(offset);
            bytes.bytes.extend_from_slice(new);
            bytes.tag = tag;
        }
    }

    fn locks(&mut self, number: u64) -> Option<&mut BTreeMap<u64, Description>> {
        match &mut self.inodes.get_mut(&number)?.body {
            Body::File { locks, .. } => Some(locks),
            _ => None,
        }
    }

    pub(crate) fn try_lock(&mut self, description: Description, byte: Byte) -> bool {
        let number = self.inode_of(description);
        self.locks(number)
            .is_some_and(|locks| *locks.entry(byte.offset()).or_insert(description) == description)
    }

    pub(crate) fn unlock(&mut self, description: Description, byte: Byte) {
        let number = self.inode_of(description);
        if let Some(locks) = self.locks(number)
            && locks.get(&byte.offset()) == Some(&description)
        {
            locks.remove(&byte.offset());
        }
    }

    /// Who holds a byte of a file.
    pub(crate) fn holder(&self, number: u64, byte: Byte) -> Option<Description> {
        match &self.inodes.get(&number)?.body {
            Body::File { locks, .. } => locks.get(&byte.offset()).copied(),
            _ => None,
        }
    }
}
