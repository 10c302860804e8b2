//! The directory layout, at lock-core's own level: processes, threads, kills, and directories
//! that others left at the lock's path.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lock_core::lockfile::Layout;
use lock_core::lockfile::sys::{Byte, Native, Sys};
use lock_core::{AcquireError, ReleaseOutcome};

use crate::contention::{kill_some, wait_for};
use crate::crew::Orders;
#[cfg(target_os = "linux")]
use crate::journal::Journal;
use crate::journal::{Tally, check};
use crate::mutant::{Altered, File};
use crate::os;
use crate::support::{Arena, Terms, acquire, lock_over, scaled, stormy};

const FOREIGN: &str = "notes.txt";

fn hammer(arena: &Arena) -> Orders {
    let orders = Orders::new("hammer").path("lock", &arena.lock());
    orders.path("journal", &arena.session()).with("layout", "directory")
}

/// Leaves the lock directory of a holder that was killed.
#[cfg(target_os = "linux")]
pub(crate) fn plant(arena: &Arena) {
    let session = arena.session();
    let holder = Orders::new("holder").path("lock", &arena.lock()).path("journal", &session);
    let mut holder = holder.with("layout", "directory").start();
    holder.expect("held");
    holder.kill(&Journal::open(&session));
    assert!(arena.lock().join("owner.json").exists(), "a killed holder leaves its lock");
}

pub(crate) fn storm() {
    let _weather = stormy();
    let arena = Arena::new();
    let threads = hammer(&arena).with("threads", 8).start();
    let mut crew: Vec<_> = (0..8).map(|_| hammer(&arena).start()).collect();
    let target = scaled(3_000) as usize;
    let over = AtomicBool::new(false);
    let (planted, foreign) = std::thread::scope(|scope| {
        scope.spawn(|| end_graces(&arena, &over));
        let planter = scope.spawn(|| plant_some(&arena, scaled(5)));
        let pace = Duration::from_millis(100);
        kill_some(&mut crew, &arena.session(), target, pace, || hammer(&arena).start());
        let planted = planter.join().expect("no panic");
        // Whatever was planted last is in the way until somebody acquired once more.
        wait_for(&arena.session(), check(&arena.session()).begun + 20);
        over.store(true, Ordering::Relaxed);
        planted
    });
    crew.into_iter().for_each(|actor| drop(actor.finish()));
    drop(threads.finish());
    println!("directory::storm: {planted} directories planted, {foreign} with foreign files");
    let tally = settled(&arena, "directory::storm", foreign);
    assert!(tally.begun >= target && tally.kills > 5, "{tally:?}");
}

/// Keeps the storm going where a death can leave a directory without an owner.
fn end_graces(arena: &Arena, over: &AtomicBool) {
    while cfg!(windows) && !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(500));
        os::end_the_grace(&arena.lock());
    }
}

/// The same where directories cannot be renamed without clobbering: they are made in place, and
/// the record is published into them.
pub(crate) fn made_in_place() {
    let _weather = stormy();
    let arena = Arena::new();
    // Windows renames no directories, whatever is altered.
    let sys = if cfg!(windows) { "named" } else { "linked" };
    let crew: Vec<_> = (0..8).map(|_| hammer(&arena).with("sys", sys).start()).collect();
    let target = scaled(1_000) as usize;
    let (planted, foreign) = std::thread::scope(|scope| {
        let planter = scope.spawn(|| plant_some(&arena, scaled(2)));
        wait_for(&arena.session(), target);
        planter.join().expect("no panic")
    });
    wait_for(&arena.session(), check(&arena.session()).begun + 20);
    crew.into_iter().for_each(|actor| drop(actor.finish()));
    println!("directory::made_in_place: {planted} planted, {foreign} with foreign files");
    settled(&arena, "directory::made_in_place", foreign);
}

/// Puts old directories of every kind at the lock's path whenever it is free: how many, and how
/// many of them hold foreign files.
fn plant_some(arena: &Arena, rounds: u32) -> (usize, usize) {
    type Fill = fn(&Path);
    let kinds: &[(bool, Fill)] = &[
        (false, |_| {}),
        (false, |dir| write_old(&dir.join("owner.json"), "")),
        (false, |dir| write_old(&dir.join("owner.json"), "half a rec")),
        #[cfg(unix)]
        (false, |dir| std::os::unix::fs::symlink("nowhere", dir.join("owner.json")).expect("it")),
        // Windows renames no directory: with something in it, it would stay for ever.
        #[cfg(unix)]
        (true, |dir| {
            write_old(&dir.join("owner.json"), "{}");
            write_old(&dir.join(FOREIGN), "precious");
        }),
    ];
    let (mut planted, mut with_foreign) = (0, 0);
    for number in 0..rounds as usize * kinds.len() {
        let (foreign, fill) = kinds[number % kinds.len()];
        let dir = make_old(arena, number, fill);
        let started = std::time::Instant::now();
        let free = loop {
            let lock = arena.lock();
            match os::rename_new(&dir, &lock) {
                Ok(()) => break true,
                Err(_) if started.elapsed() > Duration::from_secs(1) => break false,
                Err(_) => std::thread::yield_now(),
            }
        };
        if free {
            planted += 1;
            with_foreign += usize::from(foreign);
        } else {
            discard(&dir);
        }
    }
    (planted, with_foreign)
}

fn make_old(arena: &Arena, number: usize, fill: fn(&Path)) -> PathBuf {
    let dir = arena.path().join(format!("planted-{number}"));
    std::fs::create_dir(&dir).expect("a new name");
    fill(&dir);
    set_old(&dir);
    dir
}

fn write_old(path: &Path, content: &str) {
    std::fs::write(path, content).expect("a new file");
    set_old(path);
}

fn set_old(path: &Path) {
    os::make_old(path, Duration::from_secs(3600));
}

#[expect(clippy::disallowed_methods, reason = "our own directory, which nobody ever locked")]
fn discard(dir: &Path) {
    std::fs::remove_dir_all(dir).expect("it is ours");
}

/// A stager that has just made its record when a sweeper unlinks it, but is not yet done with
/// the directory: it must not publish the empty directory that is left, and take it for a lock.
pub(crate) fn half_swept_stage() {
    let _weather = stormy();
    static LOCK: OnceLock<PathBuf> = OnceLock::new();
    static SWEPT: AtomicBool = AtomicBool::new(false);
    fn sweep_then_lock(file: &File, byte: Byte) -> io::Result<bool> {
        if byte == Byte::Owner && !SWEPT.swap(true, Ordering::Relaxed) {
            let lock = LOCK.get().expect("it is set");
            let beside = std::fs::read_dir(lock.parent().expect("a directory"))?;
            // In a directory that is about to be renamed, or a file of its own.
            let stages = beside.flatten().map(|entry| entry.path());
            let record = stages.filter_map(|stage| match stage.join("owner.json") {
                record if record.exists() => Some(record),
                _ => stage.to_string_lossy().ends_with(".lock-stage").then_some(stage),
            });
            let record = record.last().expect("a stage");
            os::remove(&record);
        }
        Native.try_lock(file, byte)
    }

    let arena = Arena::new();
    let path = LOCK.get_or_init(|| arena.lock());
    let lock =
        lock_over(Altered { lock: sweep_then_lock, ..Altered::NATIVE }, path, Layout::Directory);
    let guard = acquire(&lock, terms(Duration::from_secs(5))).expect("the second try succeeds");
    assert!(SWEPT.load(Ordering::Relaxed), "nothing was swept");
    assert!(guard.is_held(), "the lock was published without its record");
    assert!(matches!(guard.release(), ReleaseOutcome::Released));
    settled(&arena, "directory::half_swept_stage", 0);
}

/// An ownerless directory with something in it is nobody's to remove: it stays, and is waited
/// for in vain.
pub(crate) fn foreign_files_stay() {
    let _weather = stormy();
    let arena = Arena::new();
    let dir = make_old(&arena, 0, |dir| write_old(&dir.join(FOREIGN), "precious"));
    os::rename_new(&dir, &arena.lock()).expect("it is free");
    let timeout = Duration::from_millis(300);
    let outcome = acquire(&lock_over(Native, &arena.lock(), Layout::Directory), terms(timeout));
    assert!(matches!(outcome, Err(AcquireError::Contended(_))), "{outcome:?}");
    let content = std::fs::read_to_string(arena.lock().join(FOREIGN)).expect("it stays");
    assert_eq!(content, "precious");
    assert_eq!(arena.leftovers(), ["chat.jsonl.lock"]);
}

fn terms(timeout: Duration) -> Terms {
    Terms { layout: Layout::Directory, timeout, max_hold: Duration::ZERO }
}

/// The end of a storm over a directory: a clean journal, a lock to be had at once, and, after a
/// sweep, nothing left behind but `foreign` tombstones with what is not ours.
pub(crate) fn settled(arena: &Arena, trial: &str, foreign: usize) -> Tally {
    let mut tally = check(&arena.session());
    println!("{trial}: {}", tally.summary());
    tally.assert_clean(trial);
    let lock = lock_over(Native, &arena.lock(), Layout::Directory);
    let guard = acquire(&lock, terms(Duration::ZERO)).expect("a lock to be had at once");
    let outcome = guard.release();
    assert!(matches!(outcome, ReleaseOutcome::Released), "{outcome:?}");
    let litter = lock.sweep_litter(true).expect("a sweep");
    println!("{trial}: {} pieces of litter swept at the end", litter.swept.len());
    assert_eq!(litter.obstructed.len(), foreign, "{litter:?}");
    for tombstone in &litter.obstructed {
        let content = std::fs::read_to_string(tombstone.join(FOREIGN)).expect("it stays");
        assert_eq!(content, "precious");
    }
    assert_eq!(arena.leftovers().len(), foreign, "{:?}", arena.leftovers());
    tally
}
