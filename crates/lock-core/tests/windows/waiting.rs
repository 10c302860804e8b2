//! Waiting: what wakes a waiter, and how soon.

use std::time::{Duration, Instant};

use lock_core::Watch;
use lock_core::lockfile::sys::{Native, Sys};

use crate::support::{Playground, at, create};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_removed_or_moved_lock_wakes_and_its_neighbours_do_not() {
    let here = Playground::new();
    let (path, other) = (here.at("s.lock"), here.at("t.lock"));
    for round in 0..20 {
        let ours = create(&path);
        let watch = Watch::new(&path);
        assert!(watch.is_live());
        let neighbour = create(&other);
        Native.remove(at(&other), &neighbour).unwrap();
        assert!(!watch.wait(Duration::from_millis(20)), "round {round}: a neighbour's event");
        let waiter = std::thread::spawn(move || {
            assert!(watch.wait(SOON));
            Instant::now()
        });
        std::thread::sleep(Duration::from_millis(2));
        let gone = Instant::now();
        Native.remove(at(&path), &ours).unwrap();
        let woken = waiter.join().unwrap().saturating_duration_since(gone);
        println!("woken {woken:?} after the removal began");
        assert!(woken < SOON);
    }
}

#[test]
fn a_removed_lock_directory_wakes() {
    let here = Playground::new();
    let path = here.at("lock");
    Native.create_dir(at(&path)).unwrap();
    let watch = Watch::new(&path);
    Native.remove_dir(at(&path)).unwrap();
    assert!(watch.wait(SOON));
}

#[test]
fn no_events_where_there_is_no_directory() {
    let here = Playground::new();
    assert!(!Watch::new(&here.at("gone").join("s.lock")).is_live());
}

/// Watches come and go, together and one after the other, and keep nothing busy.
#[test]
fn a_directory_is_free_after_its_last_watch() {
    let here = Playground::new();
    let dir = here.at("dir");
    for _ in 0..20 {
        Native.create_dir(at(&dir)).unwrap();
        let watches = [Watch::new(&dir.join("a")), Watch::new(&dir.join("b"))];
        let again = Watch::new(&dir.join("a"));
        let file = create(&dir.join("a"));
        assert!(watches[0].wait(SOON) && again.wait(SOON));
        assert!(!watches[1].wait(Duration::ZERO));
        drop((watches, again));
        Native.remove(at(&dir.join("a")), &file).unwrap();
        drop(file);
        Native.remove_dir(at(&dir)).unwrap();
        let deadline = Instant::now() + SOON;
        while dir.exists() {
            assert!(Instant::now() < deadline, "a watch keeps the directory");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
