//! `lockctl … doctor`: sweeping directories.

use std::path::{Path, PathBuf};

use lock_core::{State, Sweep, Swept, plain_path};
use serde::Serialize;
use session_lock::{SessionOptions, sweep};

use crate::args::SessionDoctor;
use crate::exit;
use crate::inspect::{deps_lock_of, print, print_json};
use crate::report::{Report, text};

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    locks: Vec<Report>,
    removed: usize,
    /// What crashes left beside the locks; removed with `--fix`.
    litter: Vec<String>,
    /// Leftovers that hold files which are not ours: left alone, for a human to look at.
    obstructed: Vec<String>,
}

pub(crate) fn session(args: &SessionDoctor) -> u8 {
    let mut options = SessionOptions::default();
    if let Some(stale_after) = args.stale_after {
        options = options.stale_after(stale_after);
    }
    tend(&args.directories, args.fix, args.json, |directory| {
        Ok(sweep(directory, &options, args.fix)?)
    })
}

pub(crate) fn deps(roots: &[PathBuf], fix: bool, json: bool) -> u8 {
    tend(roots, fix, json, |root| match deps_lock_of(root)? {
        Some(lock) => Ok(lock.sweep(fix)?),
        None => Ok(Sweep::default()),
    })
}

fn tend(
    paths: &[PathBuf],
    fix: bool,
    json: bool,
    sweep: impl Fn(&Path) -> Result<Sweep, anyhow::Error>,
) -> u8 {
    let mut total = Sweep::default();
    let mut readable = true;
    for path in paths {
        match sweep(path) {
            Ok(sweep) => total.merge(sweep),
            Err(error) => {
                say!("lockctl: {error}");
                readable = false;
            }
        }
    }
    conclude(&total, fix, json, readable)
}

fn conclude(total: &Sweep, fix: bool, json: bool, mut readable: bool) -> u8 {
    for swept in &total.locks {
        readable &= swept.inspection.was_readable();
        if let Some(obstacle) = &swept.obstacle {
            say!("lockctl: cannot remove {}: {obstacle}", plain_path(&swept.inspection.path));
            readable = false;
        }
    }
    let removed = total.locks.iter().filter(|l| l.removed).count();
    let stale = total.locks.iter().filter(|l| l.inspection.state() == State::Stale).count();
    let litter = &total.litter.swept;
    let printed = if json {
        let locks =
            total.locks.iter().map(|l| Report::new(&l.inspection).removed(l.removed)).collect();
        let shown = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect();
        let (litter, obstructed) = (shown(litter), shown(&total.litter.obstructed));
        print_json(&Document { schema: 1, locks, removed, litter, obstructed })
    } else {
        let mut out: String = total.locks.iter().map(told).collect();
        for path in litter {
            let done = if fix { "removed" } else { "left over from a crash" };
            out += &format!("{}: {done}\n", plain_path(path));
        }
        for path in &total.litter.obstructed {
            out += &format!("{}: holds files that are not ours; left alone\n", plain_path(path));
        }
        let seen = total.locks.len();
        out += &format!("{seen} locks, {stale} stale, {removed} removed\n");
        print(&out)
    };
    match (printed && readable, fix) {
        (false, _) => exit::FAILED,
        (true, false) if stale > 0 || !litter.is_empty() => exit::FOUND,
        (true, _) => 0,
    }
}

/// One lock for people: one that was removed has no outlook any more.
fn told(swept: &Swept) -> String {
    match &swept.inspection.found {
        Some((assessment, decision)) if swept.removed => {
            let reasons: Vec<_> = decision.reasons.iter().map(|r| r.as_str()).collect();
            let path = plain_path(&swept.inspection.path);
            format!("{path}: removed ({})\n  {}.\n", reasons.join(", "), assessment.headline())
        }
        _ => text(&swept.inspection),
    }
}
