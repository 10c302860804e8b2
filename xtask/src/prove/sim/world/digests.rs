//! What is there, as one number.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};

use lock_core::lockfile::Layout;

use super::{Body, World};

impl World {
    /// Everything that a call can show, as one number.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.inodes, self.now).hash(&mut hasher);
        hasher.finish()
    }

    /// What there is, but for when it was made and what it is called at random: each inode with
    /// what leads there, and whether anything is in it.
    pub(crate) fn outcome(&self) -> u64 {
        let ending = |name: &OsString| {
            name.to_str().and_then(|name| name.rsplit('.').next()).map(str::to_owned)
        };
        let mut links: Vec<_> = Vec::new();
        let mut filled = Vec::new();
        for (number, inode) in &self.inodes {
            match &inode.body {
                Body::Directory(entries) => {
                    links.extend(
                        entries.iter().map(|(name, below)| (*number, *below, ending(name))),
                    );
                }
                Body::File { bytes, .. } => filled.push((*number, !bytes.bytes.is_empty())),
                Body::Symlink => {}
            }
        }
        links.sort();
        let mut hasher = DefaultHasher::new();
        (self.inodes.keys().collect::<Vec<_>>(), links, filled).hash(&mut hasher);
        hasher.finish()
    }

    /// What file events tell of the lock, and the locks on it, as one number.
    pub(crate) fn lock_digest(&self, layout: Layout) -> u64 {
        let top = self.lock();
        let record = match layout {
            Layout::File => top,
            Layout::Directory => top.and_then(|top| self.record_in(top)),
        };
        let body = record.and_then(|record| Some(&self.inodes.get(&record)?.body));
        let mut hasher = DefaultHasher::new();
        (top, record, body).hash(&mut hasher);
        hasher.finish()
    }
}
