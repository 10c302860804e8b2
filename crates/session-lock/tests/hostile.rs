//! Whatever stands where a lock should be: a typed error or a grace, in bounded time, and
//! nothing is removed that is not the lock that was judged.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use lock_core::LockError;
use lock_core::lockfile::sys::FileKind;
use rstest::rstest;
use session_lock::{SessionLock, SessionLockError, SessionOptions, sweep};
use support::remove;
use tempfile::TempDir;

const DEAD: &str = "{\"pid\": 4194304, \"createdAt\": \"2026-01-01T00:00:00Z\"}";

/// Runs `body`, and fails if it hangs.
fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    let running = thread::spawn(move || done.send(body()).unwrap());
    match result.recv_timeout(Duration::from_secs(30)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(running.join().unwrap_err())
        }
    }
}

fn acquire(session: &Path) -> Result<(), SessionLockError> {
    let session = session.to_owned();
    bounded(move || {
        let options = SessionOptions::default().timeout(Duration::from_millis(50));
        SessionLock::new(session, options)?.acquire().map(drop)
    })
}

/// What is in a directory: names, kinds, permissions and contents.
fn snapshot(dir: &Path) -> Vec<(PathBuf, fs::FileType, u32, Option<Vec<u8>>)> {
    let describe = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        let small = meta.is_file() && meta.len() < 1 << 20;
        let content = small.then(|| fs::read(entry.path()).ok()).flatten();
        (entry.path(), meta.file_type(), meta.permissions().mode(), content)
    };
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(describe).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Acquiring, inspecting and sweeping all leave what is there alone; returns what acquiring said.
fn is_left_alone(dir: &Path) -> SessionLockError {
    let session = dir.join("chat.jsonl");
    let before = snapshot(dir);
    let error = acquire(&session).expect_err("no lock to be had");
    assert_eq!(snapshot(dir), before, "after acquiring: {error}");
    let dir = dir.to_owned();
    bounded({
        let dir = dir.clone();
        move || {
            let lock = SessionLock::existing(session, SessionOptions::default()).unwrap();
            let inspection = lock.inspect();
            assert!(inspection.found.is_some() || inspection.error.is_some());
            let swept = sweep(dir, &SessionOptions::default(), true).unwrap();
            assert!(swept.locks.iter().all(|s| !s.removed), "{swept:?}");
        }
    });
    assert_eq!(snapshot(&dir), before, "after sweeping");
    error
}

#[rstest]
#[case::empty(b"".to_vec())]
#[case::half(b"{".to_vec())]
#[case::null(b"null".to_vec())]
#[case::binary(b"\x7fELF\x00\xff\xfe".to_vec())]
#[case::zeroes(vec![0; 100_000])]
#[case::deep("[".repeat(60_000).into_bytes())]
#[case::deep_object("{\"pid\":".repeat(9_000).into_bytes())]
#[case::pid_out_of_range(b"{\"pid\": 18446744073709551616}".to_vec())]
fn a_file_that_is_no_record_waits_out_its_grace(#[case] content: Vec<u8>) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    fs::write(&path, &content).unwrap();
    let error = is_left_alone(dir.path());
    assert!(matches!(error, SessionLockError::Timeout(_)), "{error:?}");

    let old = SystemTime::now() - Duration::from_secs(6);
    File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    acquire(&dir.path().join("chat.jsonl")).expect("the grace is over");
}

#[test]
fn a_gigabyte_is_not_read() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    let file = File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let error = is_left_alone(dir.path());
    assert!(error.to_string().contains("longer than 65536 bytes"), "{error}");
    file.set_modified(SystemTime::now() - Duration::from_secs(6)).unwrap();
    acquire(&dir.path().join("chat.jsonl")).expect("the grace is over");
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_fifo());
}

fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
}

fn full_directory(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("owner.json"), DEAD).unwrap();
}

fn bystander(path: &Path) {
    let bystander = path.with_file_name("bystander");
    fs::write(&bystander, DEAD).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&bystander).unwrap().set_modified(old).unwrap();
    symlink("bystander", path).unwrap();
}

#[rstest]
#[case::fifo(fifo, FileKind::Other)]
#[case::socket(socket, FileKind::Other)]
#[case::empty_directory(|p: &Path| fs::create_dir(p).unwrap(), FileKind::Directory)]
#[case::full_directory(full_directory, FileKind::Directory)]
#[case::dangling_link(|p: &Path| symlink("nowhere", p).unwrap(), FileKind::Symlink)]
#[case::looping_link(|p: &Path| symlink("chat.jsonl.lock", p).unwrap(), FileKind::Symlink)]
#[case::link_to_a_bystander(bystander, FileKind::Symlink)]
#[case::link_to_a_device(|p: &Path| symlink("/dev/tty", p).unwrap(), FileKind::Symlink)]
fn what_is_no_file_is_no_lock(#[case] make: fn(&Path), #[case] expected: FileKind) {
    let dir = TempDir::new().unwrap();
    make(&dir.path().join("chat.jsonl.lock"));
    let error = is_left_alone(dir.path());
    let SessionLockError::Lock(LockError::NotALock { kind, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(kind, expected);
}

/// A judged lock that turned into something else meanwhile is not what was judged.
#[test]
fn a_stale_lock_that_became_a_link_is_not_removed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    fs::write(&path, DEAD).unwrap();
    let options = SessionOptions::default();
    let lock = SessionLock::new(dir.path().join("chat.jsonl"), options).unwrap();
    let (_, look) = lock.file().inspect_pinned(&lock.policy());
    remove(&path);
    bystander(&path);
    let before = snapshot(dir.path());
    let reclaimed = lock.file().reclaim_if_stale(&look.unwrap(), &lock.policy());
    assert!(matches!(reclaimed, Err(LockError::NotALock { .. })), "{reclaimed:?}");
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn names_have_a_limit() {
    let dir = TempDir::new().unwrap();
    let longest = dir.path().join("x".repeat(250));
    acquire(&longest).expect("255 bytes with `.lock`");
    for name in ["x".repeat(251), "x".repeat(5_000), "x/".repeat(3_000) + "x", "a\0b".to_owned()] {
        let error = acquire(&dir.path().join(&name)).expect_err("no such name");
        let io = matches!(
            error,
            SessionLockError::Lock(LockError::Io { .. }) | SessionLockError::Directory { .. }
        );
        assert!(io, "{error:?}");
    }
    for name in ["", "..", "/"] {
        let error = acquire(&dir.path().join(name).join("..")).expect_err("no file");
        assert!(matches!(error, SessionLockError::NotAFile { .. }), "{error:?}");
    }
    assert_eq!(snapshot(dir.path()), [], "nothing is left behind");
}

#[test]
fn a_file_is_no_directory() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "text").unwrap();
    let before = snapshot(dir.path());
    for session in ["file/chat.jsonl", "file/deeper/chat.jsonl"] {
        let error = acquire(&dir.path().join(session)).expect_err("no directory");
        assert!(matches!(error, SessionLockError::Lock(LockError::Io { .. })), "{error:?}");
    }
    assert_eq!(snapshot(dir.path()), before);
}

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
