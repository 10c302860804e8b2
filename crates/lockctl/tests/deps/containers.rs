//! Containers: pid 7 in a pid namespace of its own, on a volume that others share; roots on
//! file systems that are full or read-only.

use std::process::{Command, Output};
use std::time::Instant;

use crate::support::{LOCKCTL, Root, Running, SOON, status, stderr};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_restarted_container_has_the_lock_at_once", restarted),
    ("a_restarted_container_meets_a_record_of_the_origin", restarted_with_the_origin),
    ("a_live_sibling_container_is_waited_for", siblings),
    ("the_origin_in_a_sibling_container_is_judged_by_its_pid", siblings_of_the_origin),
    ("a_full_disk", full_disk),
    ("a_read_only_root", read_only),
];

const CONTAINER: [&str; 5] = ["--pid", "--fork", "--mount-proc", "--kill-child", "sh"];

/// Why there can be no containers here, if so.
pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("they need root".to_owned());
    }
    let probe = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "true"];
    match Command::new("unshare").args(probe).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(stderr(&done).trim().to_owned()),
        Err(error) => Some(format!("unshare(1): {error}")),
    }
}

/// `lockctl` as pid 7 of a new namespace.
fn as_pid_7(root: &Root, timeout: &str, command: &str) -> Command {
    let script = format!(
        "echo 6 > /proc/sys/kernel/ns_last_pid; \
         {LOCKCTL} deps run --timeout {timeout} \"$0\" -- sh -c '{command}'; exit $?"
    );
    let mut container = Command::new("unshare");
    container.args(CONTAINER).args(["-c", &script]).arg(root.path());
    container
}

/// A holder in a container, and the pid that its `lockctl` has there.
fn holder(root: &Root) -> Running {
    let holder = Running::start(as_pid_7(root, "0", "echo $PPID; exec cat"));
    assert_eq!(holder.line, "7");
    assert_eq!(root.inspect()["owner"]["pid"], 7);
    holder
}

fn restarted() {
    for _ in 0..3 {
        let root = Root::new();
        let mut first = holder(&root);
        let stdin = first.child.stdin.take();
        first.kill();
        let started = Instant::now();
        let done = as_pid_7(&root, "20s", "echo $PPID").output().unwrap();
        assert_eq!(status(&done), 0, "{}", stderr(&done));
        assert_eq!(done.stdout, b"7\n");
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        assert!(!root.lock().exists());
        drop(stdin);
    }
}

/// A record of the origin with pid 7 and another start time: seen by the new pid 7 itself, and
/// by a contender to whom pid 7 is somebody else.
fn restarted_with_the_origin() {
    let root = Root::new();
    let record = "{\n  \"pid\": 7,\n  \"starttime\": 3,\n  \"createdAtMs\": 1000\n}\n";
    root.plant(record);
    let done = as_pid_7(&root, "0", "echo $PPID").output().unwrap();
    assert_eq!((status(&done), &done.stdout[..]), (0, &b"7\n"[..]), "{}", stderr(&done));

    root.plant(record);
    let beside = |timeout: &str| -> Output {
        let script = format!(
            "echo 6 > /proc/sys/kernel/ns_last_pid; sleep 600 & \
             [ $! = 7 ] && {LOCKCTL} deps run --timeout {timeout} \"$0\" -- true"
        );
        let mut container = Command::new("unshare");
        container.args(CONTAINER).args(["-c", &script]).arg(root.path()).output().unwrap()
    };
    let done = beside("0");
    assert_eq!(status(&done), 0, "{}", stderr(&done));

    // Without a start time nothing tells: a live pid is never stale.
    root.plant("{\"pid\": 7, \"createdAtMs\": 1000}\n");
    let done = beside("50ms");
    assert_eq!(status(&done), 75, "{}", stderr(&done));
    assert!(stderr(&done).contains("pid=7 alive=true"), "{}", stderr(&done));
}

fn siblings() {
    let root = Root::new();
    let first = holder(&root);
    let done = as_pid_7(&root, "50ms", "echo $PPID").output().unwrap();
    assert_eq!(status(&done), 75, "{}", stderr(&done));
    assert!(stderr(&done).contains("pid=7 alive=true"), "{}", stderr(&done));

    let mut second = as_pid_7(&root, "60s", "echo $PPID").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(second.try_wait().unwrap().is_none(), "the second must wait");
    assert_eq!(first.end(), 0, "the first was not robbed");
    assert!(second.wait().unwrap().success());
    assert!(!root.lock().exists());
}

/// OpenClaw lives as pid 7 of a sibling container, and its record holds neither a start time nor a
/// namespace. Nobody can tell: it is judged by what is under pid 7 here, as OpenClaw would.
fn siblings_of_the_origin() {
    let root = Root::new();
    let origin = "echo 6 > /proc/sys/kernel/ns_last_pid; cat >/dev/null <&3 & echo $!; wait";
    let mut container = Command::new("unshare");
    // The shell gives a command in the background an empty input, so it has another one.
    container.args(CONTAINER).args(["-c", &format!("exec 3<&0; {origin}")]);
    let mut first = Running::start(container);
    assert_eq!(first.line, "7");
    let record = "{\"pid\": 7, \"createdAtMs\": 1000}\n";
    root.plant(record);

    // Somebody else, or the contender itself, is pid 7 here: alive, whatever its age.
    let beside = "echo 6 > /proc/sys/kernel/ns_last_pid; sleep 600 & [ $! = 7 ] &&";
    let itself = "echo 6 > /proc/sys/kernel/ns_last_pid;";
    let contend = |before: &str| {
        let script = format!("{before} {LOCKCTL} deps run --timeout 50ms \"$0\" -- true; exit $?");
        let mut container = Command::new("unshare");
        container.args(CONTAINER).args(["-c", &script]).arg(root.path()).output().unwrap()
    };
    for (before, told) in [(beside, "pid=7 alive=true"), (itself, "pid 7 has our own pid")] {
        let done = contend(before);
        assert_eq!(status(&done), 75, "{before}: {}", stderr(&done));
        assert!(stderr(&done).contains(told), "{before}: {}", stderr(&done));
        let kept = std::fs::read_to_string(root.lock().join("owner.json")).unwrap();
        assert_eq!(kept, record, "{before}");
    }

    // Nobody is: dead, although it lives. This is the limit that the README states.
    assert!(first.child.try_wait().unwrap().is_none(), "OpenClaw lives");
    let done = contend("");
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert!(first.child.try_wait().unwrap().is_none(), "and still does");
    assert!(!root.lock().exists());
    assert_eq!(first.end(), 0);
}

/// Runs a script with its own mounts; `$0` is the root, `$1` is `lockctl`.
fn with_mounts(root: &Root, script: &str) -> String {
    let script = format!("set -e; {script}");
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(root.path()).arg(LOCKCTL);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

fn full_disk() {
    let told = with_mounts(
        &Root::new(),
        "mount -t tmpfs -o size=8k none \"$0\"; head -c 8192 /dev/zero > \"$0/fill\"; \
         s=0; \"$1\" deps run \"$0\" -- true || s=$?; echo $s; ls -A \"$0\"; rm \"$0/fill\"; \
         \"$1\" deps run \"$0\" -- true; ls -A \"$0\"",
    );
    assert_eq!(told, "73\nfill\n", "a write to a full disk leaves nothing");
    let told = with_mounts(
        &Root::new(),
        "mount -t tmpfs -o nr_inodes=2 none \"$0\"; \
         s=0; \"$1\" deps run \"$0\" -- true || s=$?; echo $s; ls -A \"$0\"",
    );
    assert_eq!(told, "73\n", "neither does a lack of inodes");
}

/// Nothing can be taken there, but everything can be told.
fn read_only() {
    let told = with_mounts(
        &Root::new(),
        "mount -t tmpfs none \"$0\"; mkdir \"$0/.openclaw-runtime-deps.lock\"; \
         echo '{\"pid\": 4194303}' > \"$0/.openclaw-runtime-deps.lock/owner.json\"; \
         mount -o remount,ro \"$0\"; \
         for verb in 'run --timeout 0' inspect doctor 'doctor --fix' 'break --yes'; do \
             s=0; c=; [ \"$verb\" = 'run --timeout 0' ] && c='-- true'; \
             \"$1\" deps $verb \"$0\" $c >/dev/null 2>&1 || s=$?; echo $verb $s; done",
    );
    assert_eq!(told, "run --timeout 0 73\ninspect 0\ndoctor 3\ndoctor --fix 1\nbreak --yes 1\n");
}
