//! Scenarios that need a file system of their own, a device, or a control group.

use std::path::PathBuf;
use std::time::Duration;

use lock_core::filesystem::FsClass;
use lock_core::lockfile::sys::{Access, Native, Place as At, Sys};
use serde_json::json;

use crate::common::{
    Place, Running, done, ends, inode, inspected, record, run, waiter, write_record,
};
use crate::namespaces::{CONTAINER, contend};
use crate::views::script;

const OTHER_BOOT: &str = "00000000-1111-4222-8333-444444444444";

/// Leaves a lock at `t.jsonl`, as one that was held when the machine went down.
const LEAVE_A_LOCK: &str = r#"
    "$LOCKCTL" session run s.jsonl -- sh -c 'cp "$LOCKCTL_LOCK" copy'
    sed 's/"bootId": "[^"]*"/"bootId": "00000000-1111-4222-8333-444444444444"/' copy > t.jsonl.lock
    grep -q 00000000-1111 t.jsonl.lock || exit 99
"#;

/// One kernel at a time can have it mounted, so another boot is an earlier one.
pub(crate) fn another_boot_on_a_local_disk() {
    // Where the build is, there is a disk; the directory of temporary files may be a tmpfs.
    let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let holder = crate::common::Holder::start(&[], &place.file());
    let (file, _) = Native.open(At::absolute(&place.lock()), Access::Read).unwrap();
    let filesystem = Native.filesystem(&file);
    assert_eq!(filesystem.class, FsClass::Local, "needs a local disk: {filesystem:?}");
    drop(file);
    // Its pid and start time are those of a process that lives: after a reboot they prove
    // nothing.
    let mut old = record(&place.lock());
    old["bootId"] = json!(OTHER_BOOT);
    let lock = place.at("t.jsonl.lock");
    write_record(&lock, &old);
    let report = inspected(&place.at("t.jsonl"));
    assert_eq!(report["reasons"], json!(["boot-id-mismatch"]), "{report:#}");
    let took = run(&["--timeout", "0"], &place.at("t.jsonl"), &["true"]);
    done(took).expect(0);
    holder.end();
}

/// A tmpfs does not survive a reboot: one of the two ids is made up.
pub(crate) fn another_boot_on_a_tmpfs() {
    let place = Place::new();
    let tried = script(
        &place,
        &format!(
            "mount -t tmpfs none \"$D\" && cd \"$D\" || exit 98\n{LEAVE_A_LOCK}
             before=$(stat -c %i t.jsonl.lock)
             \"$LOCKCTL\" session run --timeout 200ms t.jsonl -- true; code=$?
             test $before = $(stat -c %i t.jsonl.lock) && exit $code"
        ),
    );
    assert!(tried.err.contains("belongs to another boot"), "{tried:?}");
    tried.expect(75);
}

/// Of an overlay on a disk whose upper layer cannot be looked up, as in every container, nobody can
/// tell who else has mounted it: another boot may be another machine.
pub(crate) fn another_boot_on_what_others_may_have_mounted() {
    for (layers, code) in [("$D/", 0), ("", 75)] {
        let place = Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        let tried = script(
            &place,
            &format!(
                "cd \"$D\" && mkdir lower upper work one || exit 98
                 layers=lowerdir={layers}lower,upperdir={layers}upper,workdir={layers}work
                 mount -t overlay o -o $layers one || exit 98
                 cd one\n{LEAVE_A_LOCK}
                 before=$(stat -c %i t.jsonl.lock)
                 \"$LOCKCTL\" session inspect --json t.jsonl
                 \"$LOCKCTL\" session run --timeout 200ms t.jsonl -- true; code=$?
                 test $code = 0 || test $before = $(stat -c %i t.jsonl.lock) && exit $code"
            ),
        );
        assert_eq!(tried.err.contains("belongs to another boot"), code == 75, "{tried:?}");
        let tried = tried.expect(code);
        let report = &tried.json()[0];
        let (state, reasons) = if code == 0 {
            ("stale", json!(["boot-id-mismatch"]))
        } else {
            ("unverifiable", json!([]))
        };
        assert_eq!((&report["state"], &report["reasons"]), (&json!(state), &reasons));
    }
}

/// Two mounts of one lower file see two inodes and two sets of locks: the byte looks free.
pub(crate) fn two_overlays_of_one_file() {
    let place = Place::new();
    let tried = script(
        &place,
        r#"
        mount -t tmpfs none "$D" && cd "$D" || exit 98
        # By their full paths: only then is it seen that the upper layers are as local as can be.
        mkdir lower upper1 upper2 work1 work2 one two
        mount -t overlay o -o lowerdir=$D/lower,upperdir=$D/upper1,workdir=$D/work1 one || exit 98
        "$LOCKCTL" session run one/s.jsonl -- sh -c '
            echo held > held
            mount -t overlay o -o lowerdir=$D/upper1:$D/lower,upperdir=$D/upper2,workdir=$D/work2 two || exit 98
            cd two && before=$(stat -c %i s.jsonl.lock)
            # The owner lives in a pid namespace that says nothing to the contender.
            set -- unshare --pid --fork --mount-proc --kill-child --
            "$@" "$LOCKCTL" session inspect --json s.jsonl
            "$@" "$LOCKCTL" session run --timeout 200ms s.jsonl -- true; code=$?
            test $before = $(stat -c %i s.jsonl.lock) && exit $code'
        "#,
    );
    let tried = tried.expect(75);
    let report = &tried.json()[0];
    assert_eq!(report["state"], "unverifiable", "{report:#}");
    let kernel_lock = report["evidence"].as_array().unwrap().iter();
    let kernel_lock = kernel_lock.clone().find(|e| e["source"] == "kernel-lock").unwrap();
    assert_eq!(kernel_lock["finding"], "free");
    let detail = kernel_lock["detail"].as_str().unwrap();
    assert!(detail.contains("the owner saw another file"), "{detail}");
}

pub(crate) fn a_full_file_system() {
    let place = Place::new();
    let tried = script(
        &place,
        r#"
        mount -t tmpfs -o size=64k none "$D" && cd "$D" || exit 98
        head -c 1000000 /dev/zero > full 2>/dev/null
        "$LOCKCTL" session run s.jsonl -- echo ran
        echo "$? $(ls -A)"
        "$LOCKCTL" session run new/s.jsonl -- echo ran
        echo "$? $(ls -A new)"
        : > full
        exec "$LOCKCTL" session run s.jsonl -- echo ran"#,
    );
    assert!(tried.err.contains("No space left on device"), "{}", tried.err);
    assert_eq!(tried.expect(0).out, "73 full\n73 \nran\n");
}

pub(crate) fn a_read_only_file_system() {
    let place = Place::new();
    let tried = script(
        &place,
        r#"
        mount -t tmpfs none "$D" && cd "$D" && echo '{"pid": 4194304}' > t.jsonl.lock || exit 98
        mount -o remount,ro "$D" || exit 98
        "$LOCKCTL" session run s.jsonl -- echo ran; echo $?
        "$LOCKCTL" session run d/s.jsonl -- echo ran; echo $?
        "$LOCKCTL" session inspect t.jsonl > /dev/null; echo $?
        "$LOCKCTL" session break --yes t.jsonl; echo $?"#,
    );
    assert_eq!(tried.expect(0).out, "73\n73\n0\n1\n");
}

pub(crate) fn a_device_at_the_path() {
    let place = Place::new();
    // A tape that rewinds, a watchdog that starts: opening would have been enough.
    done(crate::common::sh(&format!("mknod '{}' c 1 3", place.lock().display()))).expect(0);
    let before = inode(&place.lock());
    let tried = done(run(&["--timeout", "0"], &place.file(), &["true"])).expect(73);
    assert!(tried.err.contains("lock"), "{}", tried.err);
    assert_eq!(inspected(&place.file())["state"], "unverifiable");
    contend(CONTAINER, &place.file()).expect(73);
    assert_eq!(inode(&place.lock()), before);
}

const FREEZERS: &str = "/sys/fs/cgroup/freezer";

pub(crate) fn no_freezer() -> Option<String> {
    let there = std::path::Path::new(FREEZERS).join("cgroup.procs").exists();
    (!there).then(|| "a_frozen_command needs the freezer of cgroup v1".into())
}

/// A control group whose processes do not even die while it is frozen.
struct Freezer(PathBuf);

impl Freezer {
    fn around(pid: u32) -> Self {
        let group = PathBuf::from(FREEZERS).join(format!("lockctl-test-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        let this = Self(group);
        std::fs::write(this.0.join("cgroup.procs"), pid.to_string()).unwrap();
        this.set("FROZEN");
        while std::fs::read_to_string(this.0.join("freezer.state")).unwrap() != "FROZEN\n" {
            std::thread::sleep(Duration::from_millis(1));
        }
        this
    }

    fn set(&self, state: &str) {
        std::fs::write(self.0.join("freezer.state"), state).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.set("THAWED");
        while std::fs::remove_dir(&self.0).is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Killed, and still not gone: the tool stays in a fenced write until it is, so that a
/// successor does not start beside it.
pub(crate) fn a_frozen_command() {
    let place = Place::new();
    let command = ["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.01; done"];
    let tool = Running::start(run(&["--max-hold", "1s"], &place.file(), &command));
    let command: u32 = tool.out.next().parse().unwrap();
    let freezer = Freezer::around(command);
    let next = waiter(&["--timeout", "1m"], &place.file(), &["true"]);
    let ours = inode(&place.lock());
    assert!(next.lives_for(Duration::from_secs(3)), "it met the command");
    assert!(!ends(command, Duration::ZERO));
    assert_eq!(inode(&place.lock()), ours);
    freezer.set("THAWED");
    assert_eq!((tool.code(), next.code()), (124, 0));
}
