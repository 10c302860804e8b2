//! What an uncontended session lock costs, beside the least that any lock file costs: create
//! exclusively, write, close, unlink. Same run, same directory, so that the ratio means something.

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use session_lock::{ReleaseOutcome, SessionLock, SessionOptions};

/// A record of ours has about this size.
const RECORD: [u8; 560] = [b'x'; 560];

fn floor(path: &Path) {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
    file.write_all(black_box(&RECORD)).unwrap();
    drop(file);
    fs::remove_file(path).unwrap();
}

fn uncontended(criterion: &mut Criterion) {
    // The target directory is on the disk that the work is on, not on a tmpfs.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut group = criterion.benchmark_group("uncontended");
    let path = dir.path().join("floor.jsonl.lock");
    group.bench_function("floor: create, write, close, unlink", |b| b.iter(|| floor(&path)));
    let lock = SessionLock::new(dir.path().join("s.jsonl"), SessionOptions::default()).unwrap();
    let cycle = || {
        let outcome = lock.acquire().unwrap().release();
        assert!(matches!(outcome, ReleaseOutcome::Released));
    };
    group.bench_function("session lock: acquire, release", |b| b.iter(cycle));
    group.finish();
    side_by_side(|| floor(&path), cycle);
}

/// The ratio. One series after the other would compare the weather of two moments on a busy machine:
/// here short batches of both take turns.
fn side_by_side(floor: impl Fn(), cycle: impl Fn()) {
    const PAIRS: usize = 301;
    const BATCH: u32 = 100;
    let time = |work: &dyn Fn()| {
        let started = Instant::now();
        (0..BATCH).for_each(|_| work());
        started.elapsed() / BATCH
    };
    let mut pairs: Vec<_> = (0..PAIRS).map(|_| (time(&floor), time(&cycle))).collect();
    pairs.sort_by_key(|(floor, _)| *floor);
    let median_floor = pairs[PAIRS / 2].0;
    pairs.sort_by_key(|(_, cycle)| *cycle);
    let median_cycle = pairs[PAIRS / 2].1;
    let mut ratios: Vec<_> =
        pairs.iter().map(|(floor, cycle)| cycle.as_secs_f64() / floor.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "side by side: {median_cycle:.1?} / {median_floor:.1?}; ratio of neighbours: median {:.2}, \
         quartiles {:.2} to {:.2}",
        ratios[PAIRS / 2],
        ratios[PAIRS / 4],
        ratios[PAIRS * 3 / 4]
    );
}

criterion_group!(benches, uncontended);
criterion_main!(benches);
