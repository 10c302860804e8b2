//! Threads that take turns, in both layouts: one inside at a time, everybody gets on, nothing is
//! left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lock_core::identity::OwnerIdentity;
use lock_core::lockfile::{Layout, LockFile, Stamp};
use lock_core::policy::{Disposition, Policy};
use lock_core::record::Dialect;
use lock_core::{Acquisition, ReleaseOutcome, Request, UnverifiedIdentity};

use crate::support::Playground;

const THREADS: u32 = 4;
const TIMES: u32 = 40;

fn request() -> Request {
    let policy = Policy {
        proved_dead: Disposition::Reclaim,
        orphan_self: Disposition::Report,
        orphan_self_by_age: Disposition::Report,
        invalid_created_at: Disposition::Report,
        too_old: Disposition::Report,
        stale_after: Duration::from_secs(1800),
        hold_exceeded: Disposition::Report,
        nameless_grace: Duration::from_secs(30),
        dated_nameless_grace: None,
    };
    Request {
        stamp: Stamp { dialect: Dialect::RuntimeDeps, label: None, inheritable: false },
        policy,
        timeout: Some(Duration::from_secs(60)),
        reentrant: false,
        fail_when_stale: false,
    }
}

fn take_turns(path: &Path, layout: Layout) {
    let inside = AtomicU32::new(0);
    let identity: Arc<dyn OwnerIdentity> = Arc::new(UnverifiedIdentity);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let lock = LockFile::new(path.to_owned(), layout, Arc::clone(&identity));
                for _ in 0..TIMES {
                    let guard = Acquisition::new(lock.clone(), request())
                        .block(|_, _, _| {})
                        .expect("within a minute");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                    assert!(guard.is_held());
                    inside.fetch_sub(1, Ordering::SeqCst);
                    let outcome = guard.release();
                    assert!(matches!(outcome, ReleaseOutcome::Released), "{outcome:?}");
                }
            });
        }
    });
    println!("{layout:?}: {:?} per turn", started.elapsed() / (THREADS * TIMES));
}

#[test]
fn one_at_a_time() {
    let here = Playground::new();
    for (name, layout) in [("s.lock", Layout::File), ("lock", Layout::Directory)] {
        take_turns(&here.at(name), layout);
        assert_eq!(here.names(), Vec::<String>::new(), "{layout:?}");
    }
}
