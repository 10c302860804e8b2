//! `lockctl … doctor`: sweeping directories.

use std::path::{Path, PathBuf};

use lock_core::{State, Sweep};
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
                eprintln!("lockctl: {error}");
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
            eprintln!("lockctl: cannot remove {}: {obstacle}", swept.inspection.path.display());
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
        let mut out: String = total.locks.iter().map(|l| text(&l.inspection)).collect();
        for path in litter {
            let done = if fix { "removed" } else { "left over from a crash" };
            out += &format!("{}: {done}\n", path.display());
        }
        for path in &total.litter.obstructed {
            out += &format!("{}: holds files that are not ours; left alone\n", path.display());
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
