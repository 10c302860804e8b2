//! Processes that see a `/proc` of others, none at all, or a boot id that somebody made up.

use std::process::Command;

use serde_json::json;

use crate::common::{Holder, Place, done, finding, inode, record, sh};
use crate::namespaces::{CONTAINER, contend, copy_without_claim, holder_in, inspected, kill};

/// A new pid namespace that still has the procfs of the outer one.
const FOREIGN: &[&str] = &["unshare", "--pid", "--fork", "--kill-child", "--"];

/// Under `/proc` the contender's numbers are strangers'.
pub(crate) fn the_procfs_of_the_parent() {
    let place = Place::new();
    let holder = holder_in(FOREIGN, &place.file());
    let found = record(&place.lock());
    assert_eq!(found["pid"], 1);
    // Pid 1 of that procfs is another process: its start time must not be taken for ours.
    assert_eq!(found.get("starttime"), None, "{found:#}");
    let before = inode(&place.lock());
    copy_without_claim(&place.lock(), &place.at("t.jsonl.lock"));
    for outer in [FOREIGN, CONTAINER, &["env"]] {
        contend(outer, &place.file()).expect(75);
    }
    contend(FOREIGN, &place.at("t.jsonl")).expect(75);
    assert_eq!(inode(&place.lock()), before);

    kill(&holder);
    assert_eq!(inspected(FOREIGN, &place.file())["reasons"], json!(["lock-released"]));
    assert_eq!(inspected(FOREIGN, &place.at("t.jsonl"))["state"], "unverifiable");
    contend(FOREIGN, &place.file()).expect(0);
    contend(FOREIGN, &place.at("t.jsonl")).expect(75);
}

pub(crate) fn no_procfs() {
    let hidden = "mount -t tmpfs none /proc; exec \"$@\"";
    let unmounted = "umount -l /proc; exec \"$@\"";
    for blind in [hidden, unmounted] {
        let outer = ["unshare", "--mount", "--", "sh", "-c", blind, "sh"];
        let place = Place::new();
        // It works, and finds nothing in its way.
        assert!(contend(&outer, &place.file()).expect(0).err.is_empty());
        assert!(place.names().is_empty());

        let holder = holder_in(&outer, &place.file());
        assert_eq!(record(&place.lock()).get("bootId"), None);
        let before = inode(&place.lock());
        for other in [&outer[..], CONTAINER, &["env"]] {
            contend(other, &place.file()).expect(75);
        }
        assert_eq!(inode(&place.lock()), before);
        crate::common::kill_both(&holder);
        assert_eq!(holder.tool.code(), 137);
        assert!(crate::common::ends(holder.command, crate::common::LONG));

        // Who sees nothing cannot know, and says what is missing.
        let late = contend(&outer, &place.file()).expect(75);
        assert!(late.err.contains("a boot id is missing"), "{}", late.err);
        let report = inspected(&outer, &place.file());
        assert_eq!(report["state"], "unverifiable", "{report:#}");
        assert_eq!(finding(&report, "boot-id"), "unknown");
        assert_eq!(finding(&report, "kernel-lock"), "free");
        let detail = report["evidence"].to_string();
        assert!(detail.contains("the file system is unknown"), "{detail}");
        assert_eq!(inode(&place.lock()), before);
        // Who sees the file system knows by the kernel lock.
        let took = contend(&["env"], &place.file()).expect(0);
        assert!(took.err.contains("lock-released"), "{}", took.err);
    }
}

/// As LXC and nspawn do it: each container has a boot id of its own, none of them the kernel's.
pub(crate) fn a_boot_id_mounted_over() {
    let place = Place::new();
    let ids = ["11111111-2222-4333-8444-555555555555", "99999999-8888-4777-8666-555555555555"];
    let scripts: Vec<String> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| {
            let file = place.at(&format!("id{n}"));
            std::fs::write(&file, format!("{id}\n")).unwrap();
            let over = "/proc/sys/kernel/random/boot_id";
            format!("mount --bind {} {over} && exec \"$@\"", file.display())
        })
        .collect();
    let container = |script| {
        let mut words = CONTAINER.to_vec();
        words.extend(["sh", "-c", script, "sh"]);
        words
    };
    let (ours, theirs) = (container(scripts[0].as_str()), container(scripts[1].as_str()));

    let holder: Holder = holder_in(&ours, &place.file());
    let found = record(&place.lock());
    // Out of OpenClaw's sight: it would take two such ids for a reboot.
    assert_eq!(found.get("bootId"), None);
    assert_eq!(found["owner"]["doubtfulBootId"], ids[0]);
    copy_without_claim(&place.lock(), &place.at("t.jsonl.lock"));
    let before = inode(&place.lock());
    for other in [&theirs[..], &ours, &["env"]] {
        contend(other, &place.file()).expect(75);
        contend(other, &place.at("t.jsonl")).expect(75);
    }
    assert_eq!(inode(&place.lock()), before);

    kill(&holder);
    let report = inspected(&theirs, &place.file());
    assert_eq!(report["reasons"], json!(["lock-released"]), "{report:#}");
    assert_eq!(finding(&report, "boot-id"), "unknown");
    for other in [&theirs[..], &ours, &["env"]] {
        contend(other, &place.at("t.jsonl")).expect(75);
    }
    contend(&theirs, &place.file()).expect(0);
}

/// Runs a script in a mount namespace of its own, with `$D` for the place.
pub(crate) fn script(place: &Place, script: &str) -> crate::common::Done {
    let inner = sh(script);
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "--"]).arg(inner.get_program()).args(inner.get_args());
    crate::common::clean(&mut outer);
    outer.env("D", place.dir()).current_dir(place.dir());
    done(outer)
}
