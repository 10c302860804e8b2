//! Contenders who meet what names no owner just before its grace ends, and see it end together.

use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use runtime_deps_lock::ReleaseOutcome;

use crate::root::{Inside, Planted, Root};

const GRACE: Duration = Duration::from_secs(30);
const CONTENDERS: usize = 6;

/// Nobody has it before the grace is over; then each has it once, one at a time.
pub(crate) fn crossed_together() {
    std::thread::scope(|scope| {
        for planted in Planted::ALL {
            scope.spawn(|| (0..3).for_each(|round| cross(*planted, round)));
        }
    });
}

fn cross(planted: Planted, round: u64) {
    let root = Root::new();
    // Whole milliseconds and parts of them: the limit is compared strictly.
    let age = GRACE - Duration::from_micros(600_000 + round * 333);
    let since = SystemTime::now() - age;
    planted.plant_since(&root.lock_dir(), since);
    let start = Barrier::new(CONTENDERS);
    std::thread::scope(|scope| {
        for thread in 0..CONTENDERS {
            let (root, start) = (&root, &start);
            scope.spawn(move || {
                let (lock, mut waits) = (root.lock(), 0);
                start.wait();
                let guard = lock.acquire_telling(|_, _, _| waits += 1).unwrap();
                let inside = Inside::begin(&root.path(), format!("{thread}"));
                let age = SystemTime::now().duration_since(since).unwrap();
                assert!(age > GRACE, "{planted:?}: had after {age:?}");
                assert!(age < GRACE * 2, "{planted:?}: had only after {age:?}");
                assert!(waits > 0, "{planted:?}: it never met what was planted");
                assert!(guard.is_held());
                inside.end();
                assert!(matches!(guard.release(), ReleaseOutcome::Released));
            });
        }
    });
    assert_eq!(root.check(|_| false), CONTENDERS);
    root.assert_clean("after the grace");
}
