//! What happens around a system's calls: naps, or what a test wrote down.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::root::Inside;
use crate::seam::{Seam, When, acquire};

/// Sleeps now and then, for up to a millisecond, around any system call.
pub(crate) fn sluggish(seed: u64) -> Seam {
    let state = AtomicU64::new(seed | 1);
    Seam::new(move |_, _| {
        // xorshift: races on the state only make it more random.
        let mut x = state.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.store(x, Ordering::Relaxed);
        match x % 64 {
            0 => std::thread::sleep(Duration::from_micros(x / 64 % 1000)),
            1..8 => std::thread::yield_now(),
            _ => {}
        }
    })
}

/// Takes the lock `times` times over a system, with no grace for what names no owner.
pub(crate) fn hammer_over(seam: Seam, root: &Path, name: &str, times: usize) {
    let lock = seam.lock(&root.join(runtime_deps_lock::DEFAULT_LOCK_NAME));
    for n in 0..times {
        let guard = acquire(&lock, Duration::ZERO);
        let inside = Inside::begin(root, format!("{name}-{n}"));
        assert!(guard.is_held(), "{name} acquired a lock that is not at its path");
        inside.end();
        let _ = guard.release();
    }
}

/// What one scripted process runs at given system calls, each once.
#[derive(Default)]
pub(crate) struct Script(Mutex<Vec<Step>>);

struct Step {
    when: When,
    call: &'static str,
    run: Box<dyn FnOnce() + Send>,
}

impl Script {
    pub(crate) fn at(
        self,
        when: When,
        call: &'static str,
        run: impl FnOnce() + Send + 'static,
    ) -> Self {
        self.0.lock().unwrap().push(Step { when, call, run: Box::new(run) });
        self
    }

    pub(crate) fn seam(self) -> Seam {
        Seam::new(move |when, call| {
            let next = {
                let mut steps = self.0.lock().unwrap();
                let due = steps.first().is_some_and(|s| s.when == when && s.call == call);
                due.then(|| steps.remove(0))
            };
            if let Some(step) = next {
                (step.run)();
            }
        })
    }
}
