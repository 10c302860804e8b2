//! What `run` says while it waits.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lock_core::policy::Decision;
use lock_core::{Assessment, rough};

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
            format!("waiting for {}: {}", assessment.path.display(), assessment.headline());
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
        bar.set_message(line);
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
