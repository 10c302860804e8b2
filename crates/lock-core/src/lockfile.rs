//! The lock-file protocol, over the small seam [`sys`].
//!
//! One lock file is one inode X bound to one path P, with two advisory byte locks on X. The
//! *owner byte* is taken before X becomes visible at P and held until the owner lets go. The
//! *binding byte* is held by whoever is about to change what P is bound to. Hence:
//!
//! - a new X appears at P only where nothing was (publication never clobbers);
//! - X disappears from P only under X's binding byte, after checking that P is still X;
//! - so whoever holds X's binding byte and finds P bound to X knows that it stays so.
//!
//! Lock order: the guard's fence, its cell in the clean-up table, then the binding byte. Nobody waits for an owner byte.

mod append;
mod binding;
mod bound;
mod directory;
mod end;
mod fence;
mod guard;
pub(crate) mod held;
mod litter;
mod look;
mod publish;
mod reclaim;
mod stage;
pub mod sys;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use append::{AppendError, Appender};
pub use directory::Layout;
pub use end::End;
pub use fence::Gate;
pub use guard::{Guard, LostSignal, ReleaseOutcome, SectionError};
pub use litter::Litter;
pub use look::Look;
pub use publish::{Attempt, Stamp};
pub use reclaim::Reclaimed;
pub(crate) use reclaim::Unbound;

use crate::clock::{Clock, SystemClock};
use crate::error::LockError;
use crate::identity::OwnerIdentity;
use crate::wait::{WATCHES_NAMES, Watch};
use sys::{Native, Place, Sys};

/// One lock: a path, a layout, and what is needed to judge who holds it.
///
/// Cheap to clone. Holds nothing open.
#[derive(Clone, Debug)]
pub struct LockFile<S: Sys = Native> {
    inner: Arc<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S: Sys> {
    sys: S,
    path: PathBuf,
    layout: Layout,
    identity: Arc<dyn OwnerIdentity>,
    clock: Arc<dyn Clock>,
    single_host: bool,
}

impl LockFile<Native> {
    /// The lock at an absolute `path`, on this machine's own files and clocks.
    #[must_use]
    pub fn new(path: PathBuf, layout: Layout, identity: Arc<dyn OwnerIdentity>) -> Self {
        Self::over(Native, path, layout, identity, Arc::new(SystemClock))
    }
}

impl<S: Sys> LockFile<S> {
    /// The lock at an absolute `path` over any system and clock.
    #[must_use]
    pub fn over(
        sys: S,
        path: PathBuf,
        layout: Layout,
        identity: Arc<dyn OwnerIdentity>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner: Arc::new(Inner { sys, path, layout, identity, clock, single_host: false }) }
    }

    /// Declares that the directory is only ever used by one machine, so that another boot id
    /// means an earlier boot, whatever the file system.
    #[must_use]
    pub fn single_host(self, declared: bool) -> Self {
        let Inner { sys, path, layout, identity, clock, .. } = &*self.inner;
        let (sys, path, layout) = (sys.clone(), path.clone(), *layout);
        let (identity, clock) = (Arc::clone(identity), Arc::clone(clock));
        let single_host = declared;
        Self { inner: Arc::new(Inner { sys, path, layout, identity, clock, single_host }) }
    }

    /// The lock's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The strategy that identifies owners.
    #[must_use]
    pub fn identity(&self) -> &dyn OwnerIdentity {
        &*self.inner.identity
    }

    /// The clocks.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    /// Sweeps the litter that crashes left beside this lock.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn sweep_litter(&self, remove: bool) -> Result<Litter, LockError> {
        let directory = self.path().parent().unwrap_or(Path::new("/"));
        litter::sweep(self.sys(), directory, remove)
            .map_err(LockError::io("look for litter in", directory))
    }

    /// Watches the lock for changes. `None`: no events can be had.
    ///
    /// Nothing is kept open: an open file would keep its own deletion from being reported.
    pub fn watch(&self) -> Option<Watch> {
        let inside = self.inner.layout == Layout::Directory && !WATCHES_NAMES;
        let record =
            if inside { self.sys().watch(&self.path().join(directory::OWNER_FILE)) } else { None };
        // An ownerless lock directory is watched itself.
        record.or_else(|| self.sys().watch(self.path()))
    }

    pub(crate) fn sys(&self) -> &S {
        &self.inner.sys
    }

    fn place(&self) -> Place<'_, S::Dir> {
        self.at(self.path())
    }

    fn at<'a>(&'a self, path: &'a Path) -> Place<'a, S::Dir> {
        Place { dir: self.inner.sys.root(), name: path }
    }
}
