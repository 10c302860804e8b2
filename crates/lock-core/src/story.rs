//! Telling people: the verdict, the evidence and what happens next, as short sentences.
//!
//! Shared by every domain's errors and by `inspect`, so that the same facts read the same
//! everywhere.

mod findings;
mod owner;

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

pub use findings::{Finding, Source};

use crate::acquire::Contention;
use crate::assess::Assessment;
use crate::identity::OwnerKind;
use crate::lockfile::Layout;
use crate::policy::{Action, Decision};
use crate::record::LockRecord;
use crate::verdict::{DeathProof, Doubt, Life, Verdict};

impl Assessment {
    /// The verdict in a sentence.
    #[must_use]
    pub fn headline(&self) -> String {
        let who = self.who();
        match self.verdict {
            Verdict::Alive(life) => match life {
                Life::HeldHere => "this very process holds it".to_owned(),
                Life::KernelLock => format!("held by {who}: the kernel says that its lock is held"),
                Life::Inherited => format!(
                    "held: {who} is dead, but a process that inherited its open file is alive"
                ),
                Life::FoundByHandle => {
                    format!("held by {who}, which is alive in another pid namespace")
                }
                Life::SameProcess => format!("held by {who}, which is alive"),
                Life::Unconfirmed => format!(
                    "held by {who}: a process with that pid is alive, and nothing tells whether it \
                     is still the same one"
                ),
                Life::Attested => format!("held by {who}, which is alive, says its home"),
            },
            Verdict::Dead(proof) => match proof {
                DeathProof::LockReleased => {
                    format!("{who} let go of it or died: nobody holds the kernel lock")
                }
                DeathProof::Rebooted if self.names_machines() => {
                    format!(
                        "{who} is gone: it was on another machine, and one at a time has this file"
                    )
                }
                DeathProof::Rebooted => format!("{who} is gone: the machine was booted since"),
                DeathProof::NoSuchProcess => format!("{who} is dead: there is no such process"),
                DeathProof::Exited => {
                    format!("{who} is dead: it has exited and only waits to be reaped")
                }
                DeathProof::PidReused => {
                    format!("{who} is dead: its pid belongs to another process now")
                }
                DeathProof::OrphanSelf | DeathProof::OrphanSelfByAge => {
                    format!("{who} has our own pid, and this process does not hold it")
                }
                DeathProof::Attested => format!("{who} is gone, says its home"),
            },
            Verdict::Unverifiable(doubt) => match doubt {
                Doubt::NoOwner => match &self.unreadable {
                    Some(why) if self.is_opaque() => format!("it may be anybody's: {why}"),
                    Some(why) => format!("it names no owner: {why}"),
                    None => "it names no owner: there is no usable pid in it".to_owned(),
                },
                Doubt::OtherPlatform if self.is_of_another_system() => format!(
                    "{who} is, or was, on another kind of system ({}), and cannot be judged here",
                    plain(self.owner().map_or("unknown", |o| o.kind.as_str()))
                ),
                Doubt::OtherPlatform => match self.record.as_ref().and_then(|r| r.version) {
                    Some(version) => format!(
                        "{who} cannot be judged here: its record is of version {version}, which \
                         this program does not know"
                    ),
                    None => {
                        format!("{who} cannot be judged here: its record does not say its version")
                    }
                },
                Doubt::BootUnknown if self.names_machines() => {
                    format!("{who} cannot be verified: the id of the machine is not known")
                }
                Doubt::BootUnknown => format!(
                    "{who} cannot be verified: a boot id is missing or is not the kernel's own"
                ),
                Doubt::OtherHost if self.names_machines() => format!(
                    "{who} belongs to another machine, which may be using this file system too"
                ),
                Doubt::OtherHost => format!(
                    "{who} belongs to another boot, and other machines may be using this file system"
                ),
                Doubt::NamespaceUnknown => {
                    format!("{who} cannot be verified: its {} is not known", self.pid_space())
                }
                Doubt::OtherPidNamespace => {
                    format!("{who} lives, or lived, in another {}", self.pid_space())
                }
                Doubt::ProcessUnknown => {
                    format!("{who} cannot be verified: the system does not show its process")
                }
            },
        }
    }

    /// The owner in a few words.
    fn who(&self) -> String {
        let Some(owner) = self.owner() else { return "nobody known".to_owned() };
        let mut who = format!("pid {}", owner.pid);
        let label = self.record.as_ref().and_then(|r| r.label.as_deref());
        match (owner.name.as_deref(), label) {
            (Some(name), Some(label)) => write!(who, " ({}, \"{}\")", plain(name), plain(label)),
            (Some(name), None) => write!(who, " ({})", plain(name)),
            (None, Some(label)) => write!(who, " (\"{}\")", plain(label)),
            (None, None) => Ok(()),
        }
        .expect("writing to a String");
        who
    }

    /// What happens next, and what can be done, in a sentence or two.
    #[must_use]
    pub fn outlook(&self, decision: &Decision) -> String {
        let mut text = match decision.action {
            Action::Reclaim => "The next process that wants the lock removes it and goes on.".to_owned(),
            Action::Wait | Action::Report => match self.verdict {
                Verdict::Alive(Life::HeldHere) => {
                    "It goes when its guard in this process does; taking it again needs re-entrancy, \
                     which is opt-in."
                        .to_owned()
                }
                Verdict::Alive(Life::Inherited) => {
                    "It is free as soon as the last process that inherited it is gone.".to_owned()
                }
                Verdict::Alive(_) => "It is free as soon as the owner lets go or dies.".to_owned(),
                Verdict::Dead(_) => "It is only reported, as the policy says.".to_owned(),
                Verdict::Unverifiable(Doubt::NoOwner) if self.is_opaque() => {
                    "It is respected: what cannot be read may well be somebody's live lock.".to_owned()
                }
                Verdict::Unverifiable(Doubt::NoOwner) => {
                    "Without an owner it is left alone for a grace period.".to_owned()
                }
                Verdict::Unverifiable(_) => {
                    "It is respected, because nothing proves that the owner is gone.".to_owned()
                }
            },
        };
        if let Some(limit) = decision.reclaimable_in {
            let _ = write!(text, " It can be reclaimed in {}.", rough(limit));
        }
        let doubt = match self.verdict {
            _ if decision.action == Action::Reclaim => None,
            Verdict::Unverifiable(Doubt::NoOwner) | Verdict::Dead(_) => None,
            Verdict::Unverifiable(_) => Some("If you know that it is, remove"),
            Verdict::Alive(Life::Unconfirmed) => Some("If you know that it is another one, remove"),
            Verdict::Alive(_) if decision.distrusts_owner() => {
                Some("If it is stuck, end it or remove")
            }
            Verdict::Alive(_) => None,
        };
        if let Some(doubt) = doubt {
            let _ = write!(text, " {doubt} exactly this lock with {}.", self.remedy());
        }
        text
    }
}

impl Assessment {
    /// Whether the owner is on another kind of system, so that nothing in its record but its
    /// promise means anything here.
    fn is_of_another_system(&self) -> bool {
        self.owner().is_some()
            && !self.evidence.interpretable
            && self.record.as_ref().is_some_and(LockRecord::is_understood)
    }

    /// Whether what stands for a boot id names a machine instead, as on Windows.
    fn names_machines(&self) -> bool {
        self.owner().is_some_and(|owner| owner.kind == OwnerKind::Windows)
    }

    /// What the owner's pid means something in.
    fn pid_space(&self) -> &'static str {
        match self.owner().map(|owner| &owner.kind) {
            Some(OwnerKind::Windows) => "Windows installation or container",
            _ => "pid namespace",
        }
    }

    /// Whether the lock, or its record, is there but could not be opened.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.unreadable.is_some() && self.ages.file.is_none()
    }

    /// What removes exactly this lock: of its own path, for an install root may have locks of
    /// several names.
    pub(crate) fn remedy(&self) -> String {
        let command = match self.layout {
            Layout::File => "lockctl session break",
            Layout::Directory if self.path.extension().is_some_and(|e| e == "lock") => {
                "lockctl deps break"
            }
            // The tool would take it for an install root.
            Layout::Directory => "rm -r",
        };
        format!("`{command} {}`", plain_path(&self.path))
    }
}

impl Contention {
    /// Who stood in the way, on what evidence, and what can be done, one fact a line. Domains
    /// put their own first line before it.
    ///
    /// # Errors
    /// Those of the formatter.
    pub fn fmt_story(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { assessment, decision, .. } = self;
        writeln!(f, "  {}.", assessment.headline())?;
        if let Some(since) = assessment.record.as_ref().and_then(|r| r.created_at) {
            writeln!(f, "    since: {since:.3}")?;
        }
        for Finding { source, finding, detail } in assessment.findings() {
            writeln!(f, "    {}: {finding} ({detail})", source.as_str())?;
        }
        match &self.obstacle {
            Some(obstacle) => write!(f, "  It could be reclaimed, but {obstacle}."),
            None => write!(f, "  {}", assessment.outlook(decision)),
        }
    }
}

/// A duration for people: two units at most.
#[must_use]
pub fn rough(time: Duration) -> String {
    let (ms, s) = (time.as_millis(), time.as_secs());
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", s, ms % 1000 / 100),
        60..3600 => format!("{}m{}s", s / 60, s % 60),
        3600..86400 => format!("{}h{}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{}h", s / 86400, s % 86400 / 3600),
    }
}

/// Names, labels and paths may come from anybody: nothing in them reaches a terminal as a
/// command, or changes the direction in which a line is read.
#[must_use]
pub fn plain(text: &str) -> String {
    const LONGEST: usize = 4096;
    let harmless = |c: char| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(LONGEST).map(harmless).collect()
}

/// Whether a terminal may take it for a command, or for another direction of reading.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    let reorders =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders
}

/// A path for people, as harmless.
#[must_use]
pub fn plain_path(path: &Path) -> String {
    plain(&path.to_string_lossy())
}
