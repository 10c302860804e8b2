//! What `run` says while it waits.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lock_core::policy::Decision;
use lock_core::verdict::{Life, Verdict};
use lock_core::{Assessment, plain, plain_path, rough};

use crate::names;

/// Tells about a wait: one live line on a terminal, else one line at each end.
#[derive(Debug)]
pub(crate) struct Status {
    quiet: bool,
    started: Instant,
    bar: Option<ProgressBar>,
    told: bool,
}

impl Status {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, started: Instant::now(), bar: None, told: false }
    }

    /// The lock is held by somebody else.
    pub(crate) fn waiting(
        &mut self,
        assessment: &Assessment,
        decision: &Decision,
        left: Option<Duration>,
    ) {
        // The first call is the only one for as long as a second: events end a wait, not polls.
        if self.quiet {
            return;
        }
        let mut line =
            format!("waiting for {}: {}", plain_path(&assessment.path), assessment.headline());
        if let Some(held) = assessment.ages.held {
            line += &format!(", for {}", rough(held));
        }
        if let Some(limit) = decision.reclaimable_in {
            line += &format!("; reclaimable in {}", rough(limit));
        }
        if let Some(left) = left {
            line += &format!("; giving up in {}", rough(left));
        }
        if !io::stderr().is_terminal() {
            if !std::mem::replace(&mut self.told, true) {
                say!("lockctl: {line}");
            }
            return;
        }
        self.told = true;
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{wide_msg}").expect("a constant template");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        bar.set_message(short(assessment, decision, left));
        bar.tick();
    }

    /// The wait is over. A failure tells its own story.
    pub(crate) fn done(self, acquired: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.told && acquired {
            say!("lockctl: got the lock after {}", rough(self.started.elapsed()));
        }
    }
}

/// The same for a terminal of 80 columns, where a longer line is cut: what changes what one does
/// comes first.
fn short(assessment: &Assessment, decision: &Decision, left: Option<Duration>) -> String {
    let who = assessment.owner().map_or_else(
        || "nobody known".to_owned(),
        |owner| match names::of_owner(assessment) {
            Some(name) => format!("pid {} ({})", owner.pid, plain(&name)),
            None => format!("pid {}", owner.pid),
        },
    );
    let evidence = match assessment.verdict {
        Verdict::Alive(Life::KernelLock) => "kernel lock",
        Verdict::Alive(Life::Inherited) => "inherited",
        Verdict::Alive(_) => "alive",
        Verdict::Dead(_) => "dead",
        Verdict::Unverifiable(_) => "unverifiable",
    };
    let wait = left.map_or_else(|| "waiting".to_owned(), |left| format!("{} left", rough(left)));
    let held = assessment.ages.held.map(|time| format!("held {}", rough(time)));
    let stale = decision.reclaimable_in.map(|time| format!("stale in {}", rough(time)));
    let parts = [Some(wait), Some(who), Some(evidence.to_owned()), held, stale];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
