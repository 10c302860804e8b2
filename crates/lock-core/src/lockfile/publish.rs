//! One attempt at the lock: stage a complete record, publish it without clobbering.

use std::io;

use super::LockFile;
use super::bound::{Bound, OpenDir};
use super::directory::{Layout, OWNER_FILE};
use super::guard::Guard;
use super::held::Held;
use super::stage::{DirStage, Stage};
use super::sys::{Access, Byte, Facts, Place, Sys};
use crate::error::LockError;
use crate::filesystem::FsClass;
use crate::record::{Dialect, KernelLockClaim, LockRecord, MAX_LEN};
use crate::registry::{self, Registration};

/// What the domain and the caller put into a record.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The domain's spelling, and its promise.
    pub dialect: Dialect,
    /// What the user calls this acquisition.
    pub label: Option<String>,
    /// Child processes started while the lock is held inherit the owner byte, and keep the lock
    /// held after this process died (Unix; without effect on Windows).
    pub inheritable: bool,
}

/// The outcome of one attempt.
#[derive(Debug)]
pub enum Attempt<S: Sys> {
    /// The lock is ours.
    Acquired(Guard<S>),
    /// Something is at the path.
    Contended,
}

/// A sweeper can take a stage for litter in the microseconds before it is locked. That this
/// happens so often in a row means that something else is wrong.
const TRIES: usize = 16;

/// How an attempt ended that did not fail.
enum Published<S: Sys> {
    Done(Box<Fresh<S>>),
    Contended,
    /// A sweeper was there first, or a way of publishing is not to be had: try again.
    Again,
}

/// A lock that was just published.
pub(super) struct Fresh<S: Sys> {
    pub(super) bound: Bound<S>,
    pub(super) written: Written,
}

/// What was written into it.
pub(super) struct Written {
    pub(super) record: LockRecord,
    pub(super) content: Vec<u8>,
    pub(super) class: FsClass,
}

/// What the file system turned out not to do.
#[derive(Clone, Copy)]
struct Ways {
    unnamed: bool,
    rename_dir: bool,
    claim: bool,
}

impl<S: Sys> Fresh<S> {
    fn new(dir: Option<OpenDir<S>>, stage: Stage<S>, written: Written) -> Self {
        Self { bound: Bound::File { dir, file: stage.file, facts: stage.facts }, written }
    }
}

impl<S: Sys> Published<S> {
    fn done(dir: Option<OpenDir<S>>, stage: Stage<S>, written: Written) -> Self {
        Self::Done(Box::new(Fresh::new(dir, stage, written)))
    }
}

impl<S: Sys> LockFile<S> {
    /// Tries once to take the lock. Never waits.
    ///
    /// # Errors
    /// The lock file cannot be created, for another reason than that it exists.
    pub fn attempt(&self, stamp: &Stamp) -> Result<Attempt<S>, LockError> {
        let mark = self.sys().process();
        let rename_dir = self.sys().renames_directories();
        let mut ways = Ways { unnamed: true, rename_dir, claim: true };
        for _ in 0..TRIES {
            let id = registry::new_id(mark);
            // Before the record can be seen: see `registry`.
            let registration = Registration::new(self.sys(), mark, &id);
            let published = match self.inner.layout {
                Layout::File => self.publish_file(stamp, id, &mut ways),
                Layout::Directory => self.publish_directory(stamp, id, &mut ways),
            };
            match published.map_err(LockError::io("create the lock", self.path()))? {
                Published::Contended => return Ok(Attempt::Contended),
                Published::Again => {}
                Published::Done(fresh) => {
                    let mut held = Held::new(self, *fresh, mark, registration);
                    if held.passes_self_test() {
                        if stamp.inheritable
                            && let Err(error) = held.make_inheritable()
                        {
                            let _ = held.release();
                            return Err(LockError::io("let children inherit", self.path())(error));
                        }
                        return Ok(Attempt::Acquired(Guard::new(held)));
                    }
                    // Our own lock cannot be seen through another open: take the file back, and
                    // publish one that claims nothing.
                    let _ = held.release();
                    ways.claim = false;
                }
            }
        }
        let error = io::Error::other("staged files keep disappearing");
        Err(LockError::io("create the lock", self.path())(error))
    }

    fn publish_file(&self, stamp: &Stamp, id: String, ways: &mut Ways) -> io::Result<Published<S>> {
        let Some(stage) = Stage::create(self, ways.unnamed)? else { return Ok(Published::Again) };
        let written =
            self.fill(&stage, stamp, id, ways.claim).inspect_err(|_| stage.discard(self))?;
        match stage.publish(self, self.place()) {
            Ok(()) => Ok(Published::done(None, stage, written)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                // A retransmitted NFS request reports EEXIST for its own success.
                if written.class != FsClass::Network {
                    return Ok(Published::Contended);
                }
                let fresh = Fresh::new(None, stage, written);
                let Written { content, class, .. } = &fresh.written;
                let ours = fresh.bound.is_current(self, content, *class)?;
                Ok(if ours { Published::Done(Box::new(fresh)) } else { Published::Contended })
            }
            Err(e) => Self::again(&stage, ways, e).map(|()| Published::Again),
        }
    }

    fn publish_directory(
        &self,
        stamp: &Stamp,
        id: String,
        ways: &mut Ways,
    ) -> io::Result<Published<S>> {
        if !ways.rename_dir {
            return self.publish_into_directory(stamp, id, ways);
        }
        let Some(stage) = DirStage::create(self)? else { return Ok(Published::Again) };
        let written =
            self.fill(&stage.record, stamp, id, ways.claim).inspect_err(|_| stage.discard(self))?;
        let Err(e) = stage.publish(self) else {
            let locked = stage.record.locked;
            let fresh = Fresh::new(Some(stage.dir), stage.record, written);
            if locked || self.is_left_alone(&fresh)? {
                return Ok(Published::Done(Box::new(fresh)));
            }
            self.withdraw(&fresh.bound);
            let _ = self.sys().remove_dir(self.place());
            return Ok(Published::Again);
        };
        stage.discard(self);
        match e.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => {
                Ok(Published::Contended)
            }
            io::ErrorKind::NotFound => Ok(Published::Again),
            io::ErrorKind::Unsupported => {
                ways.rename_dir = false;
                Ok(Published::Again)
            }
            _ => Err(e),
        }
    }

    /// Whether no sweeper is, or was, at work in a directory that was published without its owner
    /// byte, which is what keeps sweepers out of a stage. (Where locks only fail now and then: a
    /// sweeper that cannot lock either does nothing.) Who takes the byte after the probe finds
    /// that the stage has moved, and leaves it alone.
    fn is_left_alone(&self, fresh: &Fresh<S>) -> io::Result<bool> {
        let Written { content, class, .. } = &fresh.written;
        let swept = match fresh.bound.file() {
            Some((file, _)) => self.sys().is_locked(file, Byte::Owner).unwrap_or(false),
            None => true,
        };
        Ok(!swept && fresh.bound.is_current(self, content, *class)?)
    }

    /// Where directories cannot be renamed without clobbering: `mkdir`, then publish the record
    /// into the directory that this process just made. That publication is the acquisition.
    fn publish_into_directory(
        &self,
        stamp: &Stamp,
        id: String,
        ways: &mut Ways,
    ) -> io::Result<Published<S>> {
        let sys = self.sys();
        match sys.create_dir(self.place()) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(Published::Contended),
            made => made?,
        }
        let dir = match sys.open_dir(self.place()) {
            // Only a contender that waited out the grace for an ownerless directory does this.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Published::Again),
            dir => dir?,
        };
        let dir = OpenDir { facts: sys.dir_facts(&dir)?, dir };
        let (stage, written) = match self.publish_record(&dir, stamp, id, ways) {
            Ok(Some(published)) => published,
            not_done => {
                // Refuses if somebody else's content is in it.
                if sys.stat(self.place()).is_ok_and(|seen| seen.same_file(&dir.facts)) {
                    let _ = sys.remove_dir(self.place());
                }
                return not_done.map(|_| Published::Again);
            }
        };
        // If this process was held up for longer than the grace, the directory it opened is
        // another one's, who may have released it in the meantime: then the record went into a
        // tombstone. A directory that is at the path *with our record in it* stays there: it was
        // nobody's when the record was published, and from then on the binding byte decides.
        let fresh = Fresh::new(Some(dir), stage, written);
        let Written { content, class, .. } = &fresh.written;
        match fresh.bound.is_current(self, content, *class) {
            Ok(true) => Ok(Published::Done(Box::new(fresh))),
            not_current => {
                self.withdraw(&fresh.bound);
                not_current.map(|_| Published::Again)
            }
        }
    }

    /// Takes a record back that was published into a directory that is no lock.
    fn withdraw(&self, bound: &Bound<S>) {
        let at = bound.record_place(self);
        if let Some((file, facts)) = bound.file()
            && self.sys().stat(at).is_ok_and(|seen| seen.same_file(facts))
        {
            // What stays is litter: its owner byte goes with `bound`.
            let _ = self.remove_record(at, file, facts);
        }
    }

    /// `None`: not done, and to be tried again. The caller checks what was done.
    fn publish_record(
        &self,
        dir: &OpenDir<S>,
        stamp: &Stamp,
        id: String,
        ways: &mut Ways,
    ) -> io::Result<Option<(Stage<S>, Written)>> {
        let Some(stage) = Stage::create(self, ways.unnamed)? else {
            return Ok(None);
        };
        let written =
            self.fill(&stage, stamp, id, ways.claim).inspect_err(|_| stage.discard(self))?;
        match stage.publish(self, Place { dir: &dir.dir, name: OWNER_FILE.as_ref() }) {
            Ok(()) => Ok(Some((stage, written))),
            // A retransmitted NFS request reports EEXIST for its own success: the caller looks.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Ok((written.class == FsClass::Network).then_some((stage, written)))
            }
            Err(e) => Self::again(&stage, ways, e).map(|()| None),
        }
    }

    /// Another way of publishing may work where this one failed.
    fn again(stage: &Stage<S>, ways: &mut Ways, error: io::Error) -> io::Result<()> {
        if stage.is_unnamed() {
            // No /proc to link through, no permission, or a vanished directory: the named way
            // either works or says what is really the matter.
            ways.unnamed = false;
            return Ok(());
        }
        // A named stage that vanished was swept.
        if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
    }

    /// Writes the record of this attempt into the stage.
    fn fill(
        &self,
        stage: &Stage<S>,
        stamp: &Stamp,
        id: String,
        claim: bool,
    ) -> io::Result<Written> {
        let Facts { device, inode, .. } = stage.facts;
        let class = self.sys().filesystem_of_new(&stage.file, &stage.facts);
        let mut record = LockRecord::new(self.identity().this_process(), id);
        record.label.clone_from(&stamp.label);
        record.created_at = Some(self.clock().wall());
        record.monotonic = Some(self.clock().monotonic());
        record.kernel_lock = (stage.locked && claim).then_some(KernelLockClaim { device, inode });
        record.seen_as = class;
        record.max_hold = match stamp.dialect {
            Dialect::Session { max_hold } => Some(max_hold),
            Dialect::RuntimeDeps => None,
        };
        let content = record.to_bytes(stamp.dialect);
        if content.len() > MAX_LEN {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the label is too long"));
        }
        self.sys().write(&stage.file, 0, &content)?;
        Ok(Written { record, content, class })
    }

    /// Whether the owner byte of `bound` is seen through a fresh open of the path.
    pub(super) fn sees_own_lock(&self, bound: &Bound<S>) -> io::Result<bool> {
        let (fresh, _) = self.sys().open(bound.record_place(self), Access::Read)?;
        self.sys().is_locked(&fresh, Byte::Owner)
    }
}
