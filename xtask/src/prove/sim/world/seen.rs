//! What other processes could notice.

use std::path::Path;

use super::{Body, Description, Inode, LOCK, Process, ROOT, World, maker};

impl World {
    /// Whether a file that is open here can be seen by nobody else.
    pub(crate) fn is_private(&self, description: Description) -> bool {
        let inode = self.inodes.get(&self.inode_of(description));
        inode.is_some_and(|inode| inode.names == 0 && inode.pins == 1)
    }

    fn is_open_elsewhere(&self, process: Process, number: u64) -> bool {
        self.open.iter().any(|(&(by, _), &inode)| by != process && inode == number)
    }

    /// Whether another process has the directory open, to sweep it.
    pub(crate) fn is_swept_by_another(&self, process: Process) -> bool {
        self.is_open_elsewhere(process, ROOT)
    }

    /// Whether a process made an inode, and nobody else can get at it but by a sweep.
    pub(crate) fn is_known_to(&self, process: Process, number: u64) -> bool {
        let others_have =
            |number| Some(number) == self.lock() || self.is_open_elsewhere(process, number);
        let leads_there = |(directory, inode): (&u64, &Inode)| {
            *directory != ROOT
                && matches!(&inode.body, Body::Directory(entries)
                    if entries.values().any(|&below| below == number))
                && others_have(*directory)
        };
        maker(number) == process && !others_have(number) && !self.inodes.iter().any(leads_there)
    }

    /// Whether nobody else can notice that a process makes something at a name, nor change what
    /// number it gets.
    pub(crate) fn makes_unseen(
        &self,
        process: Process,
        directory: Option<u64>,
        name: &Path,
    ) -> bool {
        let Ok((directory, name)) = self.parent(directory, name) else { return false };
        let there =
            if directory == ROOT { name != LOCK } else { self.is_known_to(process, directory) };
        let stays = |&number: &u64| {
            let opened =
                |(&(by, _), &inode): (&Description, &u64)| by == process && inode == number;
            self.open.iter().any(opened) || self.is_known_to(process, number)
        };
        there && self.inodes.keys().filter(|&&number| maker(number) == process).all(stays)
    }

    /// Whether closing it would be seen: it has locks, or keeps a removed file's number in use.
    pub(crate) fn closes_visibly(&self, description: Description) -> bool {
        let Some(inode) = self.inodes.get(&self.inode_of(description)) else { return false };
        inode.names == 0 && inode.pins == 1
            || matches!(&inode.body, Body::File { locks, .. }
                if locks.values().any(|holder| *holder == description))
    }
}
