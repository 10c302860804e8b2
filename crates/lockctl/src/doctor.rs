//! `lockctl … doctor`: sweeping directories.

use lock_core::State;
use serde::Serialize;
use session_lock::{SessionOptions, Sweep, sweep};

use crate::args::SessionDoctor;
use crate::exit;
use crate::inspect::{print, print_json};
use crate::report::{Report, text};

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    locks: Vec<Report>,
    removed: usize,
    /// What crashes left beside the locks; removed with `--fix`.
    litter: Vec<String>,
}

pub(crate) fn session(args: &SessionDoctor) -> u8 {
    let mut options = SessionOptions::default();
    if let Some(stale_after) = args.stale_after {
        options = options.stale_after(stale_after);
    }
    let mut total = Sweep::default();
    let mut readable = true;
    for directory in &args.directories {
        match sweep(directory, &options, args.fix) {
            Ok(sweep) => {
                total.locks.extend(sweep.locks);
                total.litter.swept.extend(sweep.litter.swept);
                total.litter.obstructed.extend(sweep.litter.obstructed);
            }
            Err(error) => {
                say!("lockctl: {error}");
                readable = false;
            }
        }
    }
    total.locks.sort_by(|a, b| a.inspection.path.cmp(&b.inspection.path));
    conclude(&total, args.fix, args.json, readable)
}

fn conclude(total: &Sweep, fix: bool, json: bool, mut readable: bool) -> u8 {
    for swept in &total.locks {
        readable &= swept.inspection.was_readable();
        if let Some(obstacle) = &swept.obstacle {
            say!("lockctl: cannot remove {}: {obstacle}", swept.inspection.path.display());
            readable = false;
        }
    }
    let removed = total.locks.iter().filter(|l| l.removed).count();
    let stale = total.locks.iter().filter(|l| l.inspection.state() == State::Stale).count();
    let litter = &total.litter.swept;
    let printed = if json {
        let locks =
            total.locks.iter().map(|l| Report::new(&l.inspection).removed(l.removed)).collect();
        let litter = litter.iter().map(|p| p.display().to_string()).collect();
        print_json(&Document { schema: 1, locks, removed, litter })
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
