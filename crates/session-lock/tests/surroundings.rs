//! Surroundings in which no lock can be had: without permission, and without room.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lock_core::LockError;
use rstest::rstest;
use session_lock::{SessionLockError, SessionOptions, sweep};
use support::alone::{DEAD, acquire, is_left_alone, snapshot};
use support::remove;
use tempfile::TempDir;

/// The variable that tells a test that it runs in prepared surroundings.
const PREPARED: &str = "SESSION_LOCK_HOSTILE_DIR";

/// Runs one test of this file again, by way of `program` with `args`; `false` if that program
/// cannot make the surroundings here.
fn again(test: &str, dir: &Path, program: &str, args: &[&str]) -> bool {
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(args).arg(this).args([test, "--exact", "--nocapture"]).env(PREPARED, dir);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("running 0 tests"), "no test of this name: {test}");
    if !text.contains("running 1 test") {
        eprintln!("not tested, {program} cannot do it here: {text}");
        return false;
    }
    assert!(output.status.success(), "{text}");
    true
}

fn prepared() -> Option<PathBuf> {
    std::env::var_os(PREPARED).map(PathBuf::from)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// As root, everything is permitted: the test is run again as nobody, who finds root's files.
#[test]
fn permissions_are_respected_and_named() {
    if let Some(dir) = prepared() {
        return without_permission(&dir);
    }
    let dir = TempDir::new().unwrap();
    chmod(dir.path(), 0o777);
    for (name, content) in [("unreadable", ""), ("unwritable", DEAD), ("readonly", DEAD)] {
        let sub = dir.path().join(name);
        fs::create_dir(&sub).unwrap();
        fs::write(sub.join("chat.jsonl.lock"), content).unwrap();
        chmod(&sub, 0o777);
    }
    fs::create_dir(dir.path().join("empty")).unwrap();
    chmod(&dir.path().join("unreadable/chat.jsonl.lock"), 0o000);
    chmod(&dir.path().join("unwritable/chat.jsonl.lock"), 0o444);
    chmod(&dir.path().join("readonly/chat.jsonl.lock"), 0o666);
    chmod(&dir.path().join("readonly"), 0o555);
    chmod(&dir.path().join("empty"), 0o555);
    let is_root = File::open(dir.path().join("unreadable/chat.jsonl.lock")).is_ok();
    if is_root {
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        again("permissions_are_respected_and_named", dir.path(), "setpriv", &nobody);
    } else {
        without_permission(dir.path());
    }
    chmod(&dir.path().join("readonly"), 0o755);
}

fn without_permission(dir: &Path) {
    for (name, obstacle) in
        [("unreadable", "it cannot be opened"), ("unwritable", "it cannot be removed")]
    {
        let error = is_left_alone(&dir.join(name));
        let text = error.to_string();
        assert!(
            matches!(error, SessionLockError::Timeout(_) | SessionLockError::Stale(_)),
            "{text}"
        );
        assert!(text.contains(obstacle) && text.contains("denied"), "{name}: {text}");
    }
    for name in ["readonly", "empty"] {
        let dir = dir.join(name);
        let before = snapshot(&dir);
        let error = acquire(&dir.join("chat.jsonl")).expect_err("nothing can be made there");
        let SessionLockError::Lock(LockError::Io { source, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
        let swept = sweep(&dir, &SessionOptions::default(), true).unwrap();
        assert!(swept.locks.iter().all(|s| !s.removed && s.obstacle.is_some()), "{swept:?}");
        assert_eq!(swept.locks.len(), before.len());
        assert_eq!(snapshot(&dir), before);
    }
}

const MOUNT: &str = "mount -t tmpfs -o $1 none \"$2\" && shift 2 && exec \"$@\"";

/// Without room for a record, or for an inode.
#[rstest]
#[case::of_data("a_full_file_system::case_1_of_data", "size=4k")]
#[case::of_inodes("a_full_file_system::case_2_of_inodes", "size=64k,nr_inodes=2")]
fn a_full_file_system(#[case] name: &str, #[case] options: &str) {
    if let Some(dir) = prepared() {
        return without_room(&dir);
    }
    let dir = TempDir::new().unwrap();
    let at = dir.path().to_str().unwrap();
    let args = ["--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", options, at];
    again(name, dir.path(), "unshare", &args);
    assert_eq!(snapshot(dir.path()), [], "the mount was the child's own");
}

fn without_room(dir: &Path) {
    fs::write(dir.join("filler"), [b'x'; 4096]).unwrap();
    let before = snapshot(dir);
    for _ in 0..3 {
        let error = acquire(&dir.join("chat.jsonl")).expect_err("no room");
        let SessionLockError::Lock(LockError::Io { source, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert_eq!(snapshot(dir), before, "neither a lock nor litter is left");
    }
    remove(&dir.join("filler"));
    acquire(&dir.join("chat.jsonl")).expect("there is room again");
}
