//! What an uncontended session lock costs, beside the least that any lock file costs: create
//! exclusively, write, close, unlink. Same run, same directory, so that the ratio means something.

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;

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
    group.bench_function("session lock: acquire, release", |b| {
        b.iter(|| {
            let outcome = lock.acquire().unwrap().release();
            assert!(matches!(outcome, ReleaseOutcome::Released));
        });
    });
    group.finish();
}

criterion_group!(benches, uncontended);
criterion_main!(benches);
