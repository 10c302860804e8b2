//! Whatever stands where a lock should be: a typed error or a grace, in bounded time, and
//! nothing is removed that is not the lock that was judged.

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use lock_core::LockError;
use lock_core::lockfile::{Reclaimed, sys::FileKind};
use rstest::rstest;
use session_lock::{SessionLock, SessionLockError, SessionOptions};
use support::alone::{DEAD, acquire, is_left_alone, snapshot};
#[cfg(unix)]
use support::nodes;
use support::remove;
use tempfile::TempDir;

/// How long a reclaim waits for the binding byte.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

#[rstest]
#[case::empty(b"".to_vec())]
#[case::half(b"{".to_vec())]
#[case::null(b"null".to_vec())]
#[case::binary(b"\x7fELF\x00\xff\xfe".to_vec())]
#[case::zeroes(vec![0; 100_000])]
#[case::deep("[".repeat(60_000).into_bytes())]
#[case::deep_object("{\"pid\":".repeat(9_000).into_bytes())]
#[case::pid_out_of_range(b"{\"pid\": 18446744073709551616}".to_vec())]
#[case::pid_zero(dated(0))]
#[case::pid_of_every_process(dated(-1))]
#[case::pid_of_us_in_its_lower_half(dated((1 << 32) + i64::from(std::process::id())))]
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

/// A record that is whole but for its pid, which no process can have.
fn dated(pid: i64) -> Vec<u8> {
    format!("{{\"pid\": {pid}, \"createdAt\": \"2026-01-01T00:00:00Z\"}}").into_bytes()
}

/// A number that a record can spell and no kernel gives: nothing proves that its owner is dead, so it
/// is left, however old. (Windows can be asked about any number, and says that no process has it.)
#[cfg(target_os = "linux")]
#[test]
fn a_pid_that_no_kernel_gives_is_unverifiable() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    fs::write(&path, dated(1 << 31)).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    let error = is_left_alone(dir.path());
    assert!(matches!(error, SessionLockError::Stale(_)), "{error:?}");
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

fn full_directory(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("owner.json"), DEAD).unwrap();
}

#[rstest]
#[cfg_attr(unix, case::fifo(nodes::fifo, FileKind::Other))]
#[cfg_attr(unix, case::socket(nodes::socket, FileKind::Other))]
#[case::empty_directory(|p: &Path| fs::create_dir(p).unwrap(), FileKind::Directory)]
#[case::full_directory(full_directory, FileKind::Directory)]
#[cfg_attr(unix, case::dangling_link(|p: &Path| nodes::link("nowhere", p), FileKind::Symlink))]
#[cfg_attr(unix, case::looping_link(|p: &Path| nodes::link("chat.jsonl.lock", p), FileKind::Symlink))]
#[cfg_attr(unix, case::link_to_a_bystander(nodes::bystander, FileKind::Symlink))]
#[cfg_attr(unix, case::link_to_a_device(|p: &Path| nodes::link("/dev/tty", p), FileKind::Symlink))]
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
#[cfg(unix)]
#[test]
fn a_stale_lock_that_became_a_link_is_not_removed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    fs::write(&path, DEAD).unwrap();
    let options = SessionOptions::default();
    let lock = SessionLock::new(dir.path().join("chat.jsonl"), options).unwrap();
    let (_, look) = lock.file().inspect_pinned(&lock.policy());
    remove(&path);
    nodes::bystander(&path);
    let before = snapshot(dir.path());
    let reclaimed = lock.file().reclaim_if_stale(&look.unwrap(), &lock.policy(), PATIENCE);
    assert!(matches!(reclaimed, Err(LockError::NotALock { .. })), "{reclaimed:?}");
    assert_eq!(snapshot(dir.path()), before);
}

/// However much it resembles it, and however stale it is itself.
#[test]
fn a_successor_of_a_stale_lock_is_not_what_was_judged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    fs::write(&path, DEAD).unwrap();
    let options = SessionOptions::default();
    let lock = SessionLock::new(dir.path().join("chat.jsonl"), options).unwrap();
    let (_, look) = lock.file().inspect_pinned(&lock.policy());
    let look = look.unwrap();
    remove(&path);
    fs::write(&path, DEAD).unwrap();
    for outcome in [
        lock.file().reclaim_if_stale(&look, &lock.policy(), PATIENCE),
        lock.file().break_lock(&look),
    ] {
        assert!(matches!(outcome, Ok(Reclaimed::Changed)), "{outcome:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), DEAD);
}

/// Opening a FIFO to look at it would let its writer go on, into nothing.
#[cfg(unix)]
#[test]
fn a_fifos_writer_is_not_disturbed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat.jsonl.lock");
    nodes::fifo(&path);
    let (opened, told) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || opened.send(File::options().write(true).open(path).map(drop))
    });
    // Long enough for the writer to have got there.
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(100) {
        is_left_alone(dir.path());
    }
    assert!(
        matches!(told.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)),
        "the writer went on"
    );
    drop(File::open(&path).unwrap());
    told.recv().unwrap().unwrap();
    writer.join().unwrap().unwrap();
}

#[test]
fn names_have_a_limit() {
    let dir = TempDir::new().unwrap();
    let longest = dir.path().join("x".repeat(250));
    acquire(&longest).expect("255 bytes with `.lock`");
    let mut names = vec!["x".repeat(251), "x".repeat(5_000), "a\0b".to_owned()];
    if cfg!(unix) {
        // On Windows this is a path like others.
        names.push("x/".repeat(3_000) + "x");
    }
    for name in names {
        let error = acquire(&dir.path().join(&name)).expect_err("no such name");
        let io = matches!(
            error,
            SessionLockError::Lock(LockError::Io { .. }) | SessionLockError::Directory { .. }
        );
        // A zero ends what Windows takes for a path before there is a file to speak of.
        let io = io || cfg!(windows) && matches!(error, SessionLockError::NotAFile { .. });
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
        let io = matches!(
            error,
            SessionLockError::Lock(LockError::Io { .. }) | SessionLockError::Directory { .. }
        );
        assert!(io, "{error:?}");
    }
    assert_eq!(snapshot(dir.path()), before);
}
