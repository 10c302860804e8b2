//! Surroundings in which no lock can be had: without permission, and without room. What cannot be
//! made here is listed as ignored, with the reason on standard error.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod support;

#[cfg(target_os = "linux")]
mod linux {

    use std::fs::{self, File};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use crate::support::alone::{DEAD, acquire, is_left_alone, snapshot};
    use crate::support::remove;
    use libtest_mimic::{Arguments, Trial};
    use lock_core::LockError;
    use session_lock::{SessionLockError, SessionOptions, sweep};
    use tempfile::TempDir;

    /// The variable that tells a test that it runs in prepared surroundings.
    const PREPARED: &str = "SESSION_LOCK_HOSTILE_DIR";

    const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    const OWN_MOUNTS: [&str; 2] = ["--map-root-user", "--mount"];

    pub(crate) fn main() -> std::process::ExitCode {
        type Test = (&'static str, fn(&str), fn() -> Option<String>);
        const TESTS: [Test; 3] = [
            ("permissions_are_respected_and_named", permissions, cannot_be_nobody),
            ("a_file_system_full_of_data", |name| no_room(name, "size=4k"), cannot_mount),
            (
                "a_file_system_full_of_inodes",
                |name| no_room(name, "size=64k,nr_inodes=2"),
                cannot_mount,
            ),
        ];
        let trial = |(name, test, obstacle): Test| {
            let why = if prepared().is_some() { None } else { obstacle() };
            if let Some(why) = &why {
                eprintln!("{name} is ignored: {why}");
            }
            let run = move || {
                test(name);
                Ok(())
            };
            Trial::test(name, run).with_ignored_flag(why.is_some())
        };
        libtest_mimic::run(&Arguments::from_args(), TESTS.map(trial).into()).exit_code()
    }

    /// Why `program` cannot make the surroundings here, if so.
    fn refusal(program: &str, args: &[&str]) -> Option<String> {
        match Command::new(program).args(args).arg("true").output() {
            Ok(done) if done.status.success() => None,
            Ok(done) => Some(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
            Err(error) => Some(format!("{program}: {error}")),
        }
    }

    fn cannot_be_nobody() -> Option<String> {
        rustix::process::geteuid().is_root().then(|| refusal("setpriv", &NOBODY)).flatten()
    }

    fn cannot_mount() -> Option<String> {
        refusal("unshare", &OWN_MOUNTS)
    }

    /// Runs one test of this file again, by way of `program` with `args`.
    fn again(test: &str, dir: &Path, program: &str, args: &[&str]) {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(args).arg(this).args([test, "--exact", "--nocapture"]).env(PREPARED, dir);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("1 passed"), "{text}");
        assert!(output.status.success(), "{text}");
    }

    fn prepared() -> Option<PathBuf> {
        std::env::var_os(PREPARED).map(PathBuf::from)
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// As root, everything is permitted: the test is run again as nobody, who finds root's files.
    fn permissions(name: &str) {
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
            again(name, dir.path(), "setpriv", &NOBODY);
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
    fn no_room(name: &str, options: &str) {
        if let Some(dir) = prepared() {
            return without_room(&dir);
        }
        let dir = TempDir::new().unwrap();
        let at = dir.path().to_str().unwrap();
        let args = [&OWN_MOUNTS[..], &["sh", "-c", MOUNT, "sh", options, at]].concat();
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
}
