//! Observing: what is at the path, and everything that can be learnt about its owner, without
//! taking, changing or disturbing anything.

use std::time::Duration;

use jiff::Timestamp;

use super::LockFile;
use super::bound::Bound;
use super::stage::Stage;
use super::sys::{Access, Byte, Sys};
use crate::assess::{AgeClock, Assessment, Now, held_for, is_shared, since};
use crate::error::LockError;
use crate::evidence::{Attested, FileEvidence, KernelLock, Own, gather};
use crate::filesystem::{Filesystem, FsClass};
use crate::identity::{Observed, OwnerId};
use crate::policy::Ages;
use crate::record::{Form, LockRecord, MAX_LEN};
use crate::registry;
use crate::verdict::judge;

/// The clock tick of process start times and the step of local file times, taken together.
const TIME_STEPS: Duration = Duration::from_millis(50);

/// One look at a lock that is there: its assessment, and the descriptors that pin what was
/// assessed, so that only exactly that can be reclaimed.
#[derive(Debug)]
pub struct Look<S: Sys> {
    pub(super) bound: Bound<S>,
    pub(super) content: Vec<u8>,
    attested: Option<(Vec<u8>, Attested)>,
    assessment: Assessment,
}

impl<S: Sys> Look<S> {
    /// What was found.
    #[must_use]
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// What was found, without the descriptors.
    #[must_use]
    pub fn into_assessment(self) -> Assessment {
        self.assessment
    }

    /// Adds what the owner's home says of the owner in exactly this record, and judges again.
    #[must_use]
    pub fn attest(mut self, answer: Attested) -> Self {
        self.assessment.evidence.attested = Some(answer);
        self.assessment.verdict = judge(&self.assessment.evidence);
        self.attested = Some((self.content.clone(), answer));
        self
    }

    pub(super) fn attestation(&self) -> Option<(Vec<u8>, Attested)> {
        self.attested.clone()
    }
}

/// Whether a look may create a file to learn the file server's clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Footprint {
    None,
    Stage,
}

impl<S: Sys> LockFile<S> {
    /// Looks at the lock. `None`: there is none. Creates nothing.
    ///
    /// # Errors
    /// What is there is no lock, or it cannot be read.
    pub fn look(&self) -> Result<Option<Look<S>>, LockError> {
        let Some(bound) = Bound::open(self, Access::Read)? else { return Ok(None) };
        self.look_at(bound, Footprint::None).map(Some)
    }

    /// Looks as a contender does, who may create a file to learn the file server's clock.
    pub(crate) fn look_as_contender(&self) -> Result<Option<Look<S>>, LockError> {
        let Some(bound) = Bound::open(self, Access::Read)? else { return Ok(None) };
        self.look_at(bound, Footprint::Stage).map(Some)
    }

    fn look_at(&self, bound: Bound<S>, footprint: Footprint) -> Result<Look<S>, LockError> {
        let (content, assessment) = self.assess(&bound, None, footprint)?;
        Ok(Look { bound, content, attested: None, assessment })
    }

    /// Reads and judges what is open in `bound`: its content, and the assessment.
    pub(super) fn assess(
        &self,
        bound: &Bound<S>,
        attested: Option<(Vec<u8>, Attested)>,
        footprint: Footprint,
    ) -> Result<(Vec<u8>, Assessment), LockError> {
        let sys = self.sys();
        let read_error = LockError::io("read", self.path());
        let (content, kernel_lock, facts, unreadable) = match bound {
            Bound::File { file, facts, .. } => {
                // Content first: a byte found free after the record was read was let go by the
                // owner that the record names, never not yet taken.
                let content = sys.read(file, MAX_LEN + 1).map_err(read_error)?;
                let kernel_lock = match sys.is_locked(file, Byte::Owner) {
                    Ok(true) => KernelLock::Held,
                    Ok(false) => KernelLock::Free,
                    Err(_) => KernelLock::Unknown,
                };
                (content, kernel_lock, Some(*facts), None)
            }
            Bound::Ownerless { link, .. } => {
                let why = if link.is_some() {
                    "owner.json is a link that leads nowhere"
                } else {
                    "there is no owner.json"
                };
                (Vec::new(), KernelLock::Free, None, Some(why.to_owned()))
            }
            Bound::Opaque { error } => (
                Vec::new(),
                KernelLock::Unknown,
                None,
                Some(format!("it cannot be opened: {error}")),
            ),
        };
        let filesystem = bound.filesystem(self);
        let record = LockRecord::parse(&content);
        let unreadable = unreadable.or_else(|| record.is_none().then(|| describe(&content)));
        let here = self.identity().this_process();
        let observed = record
            .as_ref()
            .and_then(|r| r.owner.as_ref())
            .filter(|owner| owner.kind == here.kind)
            .map(|owner| self.identity().observe(owner, &here));
        let attested = attested.filter(|(of, _)| *of == content);
        let [record_time, directory_time] = times(bound);
        let modified = record_time.max(directory_time);
        let wall = self.clock().wall();
        let device_inode = facts.map(|f| (f.device, f.inode));
        let held_here = |id: &str| registry::holds(id, self.sys().process());
        let evidence = gather(
            record.as_ref(),
            &here,
            observed.as_ref(),
            FileEvidence {
                kernel_lock,
                device_inode: device_inode.unwrap_or_default(),
                fs: filesystem.class,
                single_host: self.inner.single_host,
            },
            own(held_here, record.as_ref(), device_inode, &here, observed.as_ref(), modified, wall),
            attested.as_ref().map(|(_, answer)| *answer),
        );
        let server = (footprint == Footprint::Stage && is_shared(filesystem.class))
            .then(|| self.server_time())
            .flatten();
        let now = Now { clock: self.clock(), server };
        let spaces = (evidence.boot, evidence.namespace);
        let held = record
            .as_ref()
            .and_then(|r| held_for(r, &here, spaces, filesystem.class, modified, now));
        let age = |then| since(then, server.unwrap_or(wall));
        let ages = Ages {
            held: held.map(|(age, _)| age),
            held_is_trusted: match (&record, held) {
                (Some(r), Some((_, clock))) => r.form == Form::Origin || clock != AgeClock::Wall,
                _ => false,
            },
            file: modified.map(age),
            created_at_valid: record.as_ref().is_some_and(|r| r.created_at.is_some()),
            max_hold: record.as_ref().and_then(LockRecord::promised),
            locks_exclude: locks_exclude(&filesystem, record.as_ref(), evidence.boot),
            names_owner: record.as_ref().is_some_and(|r| r.owner.is_some()),
        };
        let assessment = Assessment {
            path: self.path().to_owned(),
            record,
            unreadable,
            evidence,
            verdict: judge(&evidence),
            ages,
            record_age: record_time.map(age),
            directory_age: directory_time.map(age),
            owner_is_link: matches!(bound, Bound::Ownerless { link: Some(_), .. }),
            layout: self.inner.layout,
            age_clock: held.map(|(_, clock)| clock),
            filesystem,
            gaps: observed.map(|o| o.gaps).unwrap_or_default(),
            holders: Vec::new(),
        };
        Ok((content, assessment))
    }

    /// What time the file system stamps right now.
    fn server_time(&self) -> Option<Timestamp> {
        let stage = Stage::create(self, true).ok()??;
        let stamped =
            self.sys().write(&stage.file, 0, b"\n").and_then(|()| self.sys().facts(&stage.file));
        stage.discard(self);
        stamped.ok()?.modified
    }

    /// The processes that hold the lock file's owner byte or binding byte, as far as the system
    /// shows them. For people: slow, and possibly incomplete.
    #[must_use]
    pub fn holders(&self, byte: Byte) -> Vec<u32> {
        let Ok(Some(bound)) = Bound::open(self, Access::Read) else { return Vec::new() };
        let Some((_, facts)) = bound.file() else { return Vec::new() };
        self.identity().lock_holders(facts.device, facts.inode, byte.offset())
    }
}

/// When the record and the directory it is in last changed. `None` too for what cannot be
/// opened: it may well be in order, and has no grace to wait out.
fn times<S: Sys>(bound: &Bound<S>) -> [Option<Timestamp>; 2] {
    match bound {
        Bound::File { dir, facts, .. } => {
            [facts.modified, dir.as_ref().and_then(|d| d.facts.modified)]
        }
        Bound::Ownerless { dir, link } => [link.and_then(|l| l.modified), dir.facts.modified],
        Bound::Opaque { .. } => [None, None],
    }
}

fn own(
    held_here: impl Fn(&str) -> bool,
    record: Option<&LockRecord>,
    file: Option<(u64, u64)>,
    here: &OwnerId,
    observed: Option<&Observed>,
    modified: Option<Timestamp>,
    wall: Timestamp,
) -> Own {
    let Some(record) = record else { return Own::Other };
    // A copy of our record in another file is not our lock.
    let is_copy = record.kernel_lock.is_some_and(|claim| Some((claim.device, claim.inode)) != file);
    if record.form == Form::Ours && !is_copy && record.id.as_deref().is_some_and(held_here) {
        return Own::HeldHere;
    }
    if record.owner.as_ref().is_none_or(|owner| owner.pid != here.pid) {
        return Own::Other;
    }
    // Both the file and what it says must predate the process: vfat rounds file times down by
    // up to two seconds, and a copied record is not as old as it claims.
    let newest = record.created_at.and_then(|c| Some(c.max(modified?)));
    let process_age = observed.and_then(|o| o.age);
    let older_than_process = match (newest, process_age) {
        (Some(newest), Some(process)) => since(newest, wall) > process + TIME_STEPS,
        _ => false,
    };
    Own::NotHeldHere { older_than_process }
}

/// Whether the binding byte keeps out everybody who may be using this lock. The locks of a
/// guest's file system do so only among the processes of that guest.
fn locks_exclude(
    fs: &Filesystem,
    record: Option<&LockRecord>,
    boot: crate::identity::Comparison,
) -> bool {
    let same_guest = boot == crate::identity::Comparison::Same
        && record.is_some_and(|r| r.kernel_lock.is_some());
    fs.locks_exclude || (fs.class == FsClass::GuestLocal && same_guest)
}

fn describe(content: &[u8]) -> String {
    if content.is_empty() {
        "it is empty".to_owned()
    } else if content.len() > MAX_LEN {
        format!("it is longer than {MAX_LEN} bytes")
    } else {
        "it is not a JSON object".to_owned()
    }
}
