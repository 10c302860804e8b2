//! A place with its case: made ready for a victim, looked at after its death.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::cases::{Before, CASES, Case, Operation};
use super::place::{FENCED_LINE, FIRST_LINE, Place};
use super::victim::{Aftermath, SHORT_HOLD};
use crate::prove::actors::Orders;

/// What the next acquisition may take on a loaded machine, without a single pause of its own. It
/// takes a few milliseconds otherwise, and the shortest grace is five seconds.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A place that is ready for a victim.
pub(super) struct Scene {
    number: usize,
    pub(super) case: &'static Case,
    place: Place,
    /// The living owner, where there is one. Killed and reaped in the end.
    owner: Option<Owner>,
    _dir: tempfile::TempDir,
}

struct Owner(Child);

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    pub(super) fn prepare(number: usize) -> Result<Self> {
        let case = &CASES[number];
        let dir = tempfile::tempdir()?;
        let place = Place::make(case.layout, dir.path())?;
        place.plant(case)?;
        let mut scene = Self { number, case, place, owner: None, _dir: dir };
        match case.before {
            Before::Dead | Before::Litter => {
                let status = scene.orders("crash-dead").command()?.status()?;
                ensure!(status.code().is_none(), "an owner that kills itself ends with {status}");
            }
            Before::Overdue => {
                let owner = Owner(scene.orders("crash-overdue").command()?.spawn()?);
                let stopped = waitpid(Some(Pid::from_child(&owner.0)), WaitOptions::UNTRACED)?;
                ensure!(stopped.is_some_and(|(_, status)| status.stopped()), "it is not stopped");
                std::thread::sleep(SHORT_HOLD);
                scene.owner = Some(owner);
            }
            Before::Nothing | Before::Nameless | Before::Broken | Before::Dangling => {}
        }
        Ok(scene)
    }

    pub(super) fn orders(&self, role: &'static str) -> Orders {
        Orders::new(role).with("case", self.number).path("dir", self.place.dir())
    }

    /// Whoever comes next is not to wait where everybody has to.
    pub(super) fn let_graces_pass(&self) -> Result<()> {
        if self.place.is_ownerless() { self.place.age() } else { Ok(()) }
    }

    /// Lets the next process come, and looks at what is left after it.
    pub(super) fn check(&self) -> Result<(Aftermath, Line)> {
        let mut next = self.orders("crash-next").command()?;
        let output = next.stderr(Stdio::piped()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the next one: {}: {}", output.status, said.trim());
        let after: Aftermath = serde_json::from_slice(&output.stdout)?;
        ensure!(after.pauses == 0 && after.waited < AT_ONCE, "the next one waited: {after:?}");
        ensure!(
            !after.graced || self.case.may_leave_an_ownerless_directory(),
            "it left a directory that names no owner: {after:?}"
        );
        let expected: &[_] = if after.graced { &["unverifiable"] } else { &["stale", "unlocked"] };
        ensure!(expected.contains(&&*after.state), "a dead owner's lock is {after:?}");
        ensure!(after.left.is_empty(), "a sweep leaves {after:?}");
        let content = std::fs::read_to_string(self.place.protected())?;
        let line = match content.strip_prefix(FIRST_LINE) {
            Some("") => Line::Absent,
            Some(FENCED_LINE) if self.case.operation == Operation::Append => Line::Whole,
            _ => bail!("the protected file holds {content:?}"),
        };
        Ok((after, line))
    }
}

/// What became of the line of a fenced write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Absent,
    Whole,
}
