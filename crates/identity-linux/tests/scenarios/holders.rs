//! Who holds a byte of a file.

use crate::programs::run;
use crate::support::{Child, ID, Parent};
use crate::{states, sys};
use lock_core::identity::OwnerIdentity;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The owner byte of the lock-file format.
const BYTE: i64 = 0x4000_0000;

fn holders(path: &Path, offset: i64) -> Vec<u32> {
    let file = std::fs::metadata(path).unwrap();
    ID.lock_holders(file.dev(), file.ino(), offset.cast_unsigned())
}

fn sorted(pids: &[u32]) -> Vec<u32> {
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    pids
}

/// A child that runs `lock` on its own open file description and then waits.
fn locker(path: &Path, lock: impl FnOnce(&File)) -> Child {
    let mut child = Child::fork(|parent: &mut Parent| {
        let file = File::options().read(true).write(true).open(path).unwrap();
        lock(&file);
        parent.tell("locked");
        parent.wait();
    });
    child.line();
    child
}

pub(crate) fn of_a_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let other = directory.path().join("other");
    for file in [&path, &other] {
        File::create(file).unwrap();
    }
    assert!(holders(&path, BYTE).is_empty());

    let ofd = locker(&path, |file| sys::lock_byte(file, libc::F_OFD_SETLK, BYTE));
    let posix = locker(&path, |file| sys::lock_byte(file, libc::F_SETLK, BYTE + 1));
    // Neither of these keeps anybody from the byte.
    let _flock = locker(&path, |file| flock(file, FlockOperation::LockExclusive).unwrap());
    let _other = locker(&other, |file| sys::lock_byte(file, libc::F_OFD_SETLK, BYTE));
    assert_eq!(holders(&path, BYTE), [ofd.pid]);
    assert_eq!(holders(&path, BYTE + 1), [posix.pid]);
    assert!(holders(&path, BYTE + 2).is_empty());
    assert!(holders(&path, BYTE - 1).is_empty());

    // A description that a child inherited is held by both, and by the child alone at last.
    let mut parent = Child::fork(|parent| {
        let file = File::options().read(true).write(true).open(&path).unwrap();
        sys::lock_byte(&file, libc::F_OFD_SETLK, BYTE + 5);
        let child = Child::fork(|parent| parent.wait());
        parent.tell(&child.pid.to_string());
        parent.wait();
    });
    let heir = parent.line().trim().parse::<u32>().unwrap();
    assert_eq!(holders(&path, BYTE + 5), sorted(&[parent.pid, heir]));

    // This process, too.
    let mine = File::options().read(true).write(true).open(&path).unwrap();
    sys::lock_byte(&mine, libc::F_OFD_SETLK, BYTE + 6);
    assert_eq!(holders(&path, BYTE + 6), [std::process::id()]);
    drop(mine);
    ofd.kill_and_reap();
    assert!(holders(&path, BYTE).is_empty());
}

/// On an overlay the numbers in `fdinfo` need not be those that `stat` shows.
pub(crate) fn behind_an_overlay() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    run(&["mount", "-t", "tmpfs", "none", directory.path().to_str().unwrap()]);
    for name in ["lower", "disk", "merged"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    // The upper layer on another file system than the lower: then overlay makes up numbers.
    run(&["mount", "-t", "tmpfs", "none", at("disk").to_str().unwrap()]);
    for name in ["disk/upper", "disk/work"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    File::create(at("lower/from-below")).unwrap();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        at("lower").display(),
        at("disk/upper").display(),
        at("disk/work").display()
    );
    run(&["mount", "-t", "overlay", "overlay", "-o", &options, at("merged").to_str().unwrap()]);
    for name in ["merged/from-below", "merged/new"] {
        let path = at(name);
        File::options().append(true).create(true).open(&path).unwrap();
        let child = locker(&path, |file| sys::lock_byte(file, libc::F_OFD_SETLK, BYTE));
        let info = format!("/proc/{}/fdinfo", child.pid);
        let line = std::fs::read_dir(info)
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .find_map(|text| text.lines().find(|line| line.starts_with("lock:")).map(String::from));
        let file = std::fs::metadata(&path).unwrap();
        println!("{name}: stat {:x}:{} fdinfo {line:?}", file.dev(), file.ino());
        assert_eq!(holders(&path, BYTE), [child.pid], "{name}");
    }
    run(&["umount", at("merged").to_str().unwrap()]);
    run(&["umount", at("disk").to_str().unwrap()]);
    run(&["umount", directory.path().to_str().unwrap()]);
}

/// L6: a leader that exited shows no descriptors, its threads do.
pub(crate) fn without_their_leader() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    File::create(&path).unwrap();
    let (child, _) = states::leaderless(|| {
        let file = File::options().read(true).write(true).open(&path).unwrap();
        sys::lock_byte(&file, libc::F_OFD_SETLK, BYTE);
        std::mem::forget(file);
    });
    assert_eq!(holders(&path, BYTE), [child.pid]);
}
