//! What others do in a root: files that are not ours, locks removed by hand, OpenClaw.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rstest::rstest;
use runtime_deps_lock::{DepsLock, ReleaseOutcome};

use crate::os;
use crate::support::{BOUND, Root, options, promptly};

/// Foreign files outlive everything that happens to a lock directory, and doctor tells of them.
#[rstest]
#[case::of_a_dead_owner(Some("{\"pid\": 4194303}"))]
#[case::of_nobody(Some("{\"pi"))]
#[case::without_owner_file(None)]
fn foreign_files_in_a_stale_lock(#[case] record: Option<&str>) {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    if let Some(record) = record {
        std::fs::write(root.owner_file(), record).unwrap();
    }
    root.age();
    let acquired = promptly(&root, DepsLock::acquire);
    let sweep = root.lock().sweep(true).unwrap();
    // Windows renames no directory, so what is in the way there stays in the way.
    if record.is_some() && !cfg!(windows) {
        // The path is free; the files are in a tombstone.
        assert!(matches!(acquired.unwrap().release(), ReleaseOutcome::Released));
        assert_eq!(sweep.litter.obstructed.len(), 1);
        let notes = sweep.litter.obstructed[0].join("notes.txt");
        assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
    } else {
        // It is never renamed, and rmdir refuses it.
        let mut error = acquired.unwrap_err();
        if record.is_some() {
            // The record is gone, and what is left is a directory that names no owner.
            root.age();
            error = promptly(&root, DepsLock::acquire).unwrap_err();
        }
        assert!(error.to_string().contains("holds files that are not a lock"), "{error}");
        let sweep = if record.is_some() { root.lock().sweep(true).unwrap() } else { sweep };
        assert!(sweep.locks[0].obstacle.is_some() && !sweep.locks[0].removed);
        assert_eq!(std::fs::read_to_string(root.dir().join("notes.txt")).unwrap(), "mine");
    }
}

#[test]
fn foreign_files_in_a_held_lock() {
    let root = Root::new();
    let guard = root.lock().acquire().unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    assert!(guard.is_held());
    let outcome = guard.release();
    let notes = if cfg!(windows) {
        // Let go of, and not to be had until somebody takes the file away.
        assert!(matches!(outcome, ReleaseOutcome::Abandoned(_)), "{outcome:?}");
        assert!(!root.owner_file().exists());
        root.dir().join("notes.txt")
    } else {
        assert!(matches!(outcome, ReleaseOutcome::Released), "{outcome:?}");
        let litter = root.lock().sweep(true).unwrap().litter;
        litter.obstructed[0].join("notes.txt")
    };
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
}

/// What others put into a lock directory ends up in one tombstone beside it, with every byte, and
/// stays there whatever happens to the lock from then on.
#[cfg(unix)]
#[rstest]
#[case::while_held(false)]
#[case::of_the_dead(true)]
fn foreign_files_are_kept_where_doctor_says(#[case] dead: bool) {
    let root = Root::new();
    let guard = (!dead).then(|| root.lock().acquire().unwrap());
    if dead {
        std::fs::create_dir(root.dir()).unwrap();
        std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    }
    std::fs::create_dir_all(root.dir().join("more/deep")).unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    std::fs::write(root.dir().join("more/deep/blob"), [0, 159, 146, 150]).unwrap();
    match guard {
        Some(guard) => assert!(matches!(guard.release(), ReleaseOutcome::Released)),
        None => drop(promptly(&root, DepsLock::acquire).unwrap()),
    }

    let [kept] = &root.names()[..] else { panic!("{:?}", root.names()) };
    assert!(kept.starts_with('.') && kept.ends_with(".lock-tomb"), "{kept}");
    let place = dunce::canonicalize(root.path()).unwrap().join(kept);
    let check = |after: &str| {
        assert_eq!(root.names(), [kept.as_str()], "after {after}");
        assert_eq!(os::names(&place), ["more", "notes.txt"], "after {after}");
        assert_eq!(std::fs::read(place.join("notes.txt")).unwrap(), b"mine", "after {after}");
        let blob = std::fs::read(place.join("more/deep/blob")).unwrap();
        assert_eq!(blob, [0, 159, 146, 150], "after {after}");
    };
    check("the lock has gone");
    drop(root.lock().acquire().unwrap());
    check("an acquisition and its release");
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.owner_file(), "{\"pid\": 4194303}").unwrap();
    drop(root.lock().acquire().unwrap());
    check("a reclaim");
    for fix in [false, true] {
        let litter = root.lock().sweep(fix).unwrap().litter;
        assert_eq!((litter.obstructed, litter.swept.len()), (vec![place.clone()], 0));
        check("doctor");
    }
}

/// Somebody removed or replaced the lock by hand: the holder learns of it and harms nobody.
#[test]
fn a_lock_that_was_removed_or_replaced() {
    let root = Root::new();
    let guard = root.lock().acquire().unwrap();
    os::remove_tree(&root.dir());
    assert!(!guard.is_held());
    let successor = root.lock().acquire().unwrap();
    assert!(matches!(guard.release(), ReleaseOutcome::Lost));
    assert!(successor.is_held(), "the release harmed its successor");

    // Windows renames no directory in which a file is open.
    if cfg!(unix) {
        os::rename_over(&root.dir(), &root.path().join("moved"));
        std::fs::create_dir(root.dir()).unwrap();
        assert!(!successor.is_held());
        assert!(matches!(successor.release(), ReleaseOutcome::Lost));
        assert!(root.dir().is_dir() && root.path().join("moved/owner.json").exists());
    }
}

/// OpenClaw makes the directory, and only then writes the record into it, by path. Contenders
/// that hammer meanwhile never get in between: the directory is never renamed over or removed.
#[test]
fn openclaw_between_its_mkdir_and_its_write() {
    let root = Root::new();
    let stop = AtomicBool::new(false);
    let inside = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let lock = DepsLock::new(root.path(), options().timeout(Duration::ZERO)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let Ok(guard) = lock.acquire() else { continue };
                    assert!(!inside.swap(true, Ordering::SeqCst), "two holders");
                    inside.store(false, Ordering::SeqCst);
                    drop(guard);
                }
            });
        }
        let record = format!(
            "{{\n  \"pid\": {},\n  \"createdAtMs\": {}\n}}\n",
            std::process::id(),
            SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()
        );
        let mut rounds = 0;
        let deadline = Instant::now() + BOUND;
        while rounds < 300 && Instant::now() < deadline {
            if std::fs::create_dir(root.dir()).is_err() {
                continue;
            }
            assert!(!inside.swap(true, Ordering::SeqCst), "two holders");
            std::thread::sleep(Duration::from_micros(rounds % 7 * 100));
            std::fs::write(root.owner_file(), &record).expect("our directory was taken away");
            assert_eq!(std::fs::read_to_string(root.owner_file()).unwrap(), record);
            inside.store(false, Ordering::SeqCst);
            os::remove_tree(&root.dir());
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(
            rounds > 20 / u64::from(os::PATIENCE),
            "OpenClaw hardly ever got the lock: {rounds} times"
        );
    });
}

/// What once kept a waiter from reclaiming is not told of the lock that it meets later.
#[test]
fn an_obstacle_that_is_gone_is_not_told() {
    let root = Root::new();
    std::fs::create_dir(root.dir()).unwrap();
    std::fs::write(root.dir().join("notes.txt"), "mine").unwrap();
    root.age();
    let mut successor = None;
    let lock = DepsLock::new(root.path(), options()).unwrap();
    let waited = lock.acquire_telling(|_, _, _| {
        if successor.is_none() {
            os::remove_tree(&root.dir());
            successor = Some(root.lock().acquire().unwrap());
        }
    });
    let error = waited.unwrap_err().to_string();
    assert!(error.contains("this very process holds it"), "{error}");
    assert!(!error.contains("holds files that are not a lock"), "{error}");
}
