//! Exit statuses and output, as the command line promises them.

use std::process::Stdio;

use serde_json::json;

use crate::os;
use crate::os::command::{exits, shows, stays};
use crate::support::{LOCKCTL, Root, Running, deps, json, status, stderr};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("run_passes_the_status_on", run_passes_the_status_on),
    ("run_makes_a_missing_root", run_makes_a_missing_root),
    ("run_cannot_create", run_cannot_create),
    ("run_times_out", run_times_out),
    ("run_loses_the_lock", run_loses_the_lock),
    ("inspect_tells", inspect_tells),
    ("missing_roots_have_no_lock", missing_roots_have_no_lock),
    ("doctor_fixes", doctor_fixes),
    // Windows renames no lock directory away with what is in it.
    #[cfg(unix)]
    ("doctor_tells_of_foreign_files", doctor_tells_of_foreign_files),
    ("break_removes_what_it_showed", break_removes_what_it_showed),
    ("another_name_is_a_path", another_name_is_a_path),
    ("wrong_usage", wrong_usage),
];

const DEAD: &str = "{\"pid\": 4194303, \"createdAtMs\": 1000}\n";
const BROKEN: &str = "{\"pid\":";

fn run_passes_the_status_on() {
    let root = Root::new();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut commands = vec![(exits(0), 0), (exits(7), 7), (words(&["/nonexistent/program"]), 127)];
    if cfg!(unix) {
        commands.push((words(&["sh", "-c", "kill -9 $$"]), 128 + 9));
        commands.push((words(&["/"]), 126));
    }
    for (command, expected) in commands {
        assert_eq!(status(&root.run("0", &command)), expected, "{command:?}");
        assert!(!root.lock().exists(), "{command:?}");
    }
    let done = root.run("0", &shows("/owner.json"));
    let told = String::from_utf8(done.stdout).unwrap();
    let id = told.lines().last().unwrap();
    assert!(!id.is_empty() && told.contains(&format!("\"id\": \"{id}\"")), "{told}");
    assert!(told.starts_with("{\n  \"pid\": ") && told.contains("\"createdAtMs\": "), "{told}");
}

fn run_makes_a_missing_root() {
    let root = Root::new();
    let deep = root.path().join("a/b");
    let done = deps("run").arg(&deep).arg("--").args(exits(0)).output().unwrap();
    assert_eq!(status(&done), 0);
    assert!(deep.is_dir());
}

fn run_cannot_create() {
    let root = Root::new();
    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let done = deps("run").arg(&file).arg("--").args(exits(0)).output().unwrap();
    assert_eq!(status(&done), 73, "{}", stderr(&done));

    std::fs::write(root.lock(), "mine").unwrap();
    let done = root.run("0", &exits(0));
    assert_eq!(status(&done), 73, "{}", stderr(&done));
    assert_eq!(root.inspect()["state"], "unverifiable");
    assert_eq!(status(&root.do_("inspect", &[])), 0);
    assert_eq!(std::fs::read_to_string(root.lock()).unwrap(), "mine");
}

fn run_times_out() {
    let root = Root::new();
    let holder = root.hold();
    let done = root.run("50ms", &exits(0));
    assert_eq!(status(&done), 75);
    let told = stderr(&done);
    let first = "Timed out waiting for bundled runtime deps lock at ";
    for part in [first, "ownerFile=ok", "alive=true", "held by pid "] {
        assert!(told.contains(part), "{part:?} is missing in {told}");
    }
    assert!(told.contains(&format!("pid={} ", holder.child.id())), "{told}");
    assert_eq!(holder.end(), 0);
    assert_eq!(status(&root.run("0", &exits(0))), 0);
}

fn run_loses_the_lock() {
    let root = Root::new();
    let mut run = deps("run");
    run.arg(root.path()).arg("--").args(stays());
    let mut holder = Running::start(run);
    os::remove_tree(&root.lock());
    assert_eq!(holder.child.wait().unwrap().code(), Some(70));
}

fn inspect_tells() {
    let root = Root::new();
    let inspection = root.inspect();
    assert_eq!(
        (&inspection["state"], &inspection["decision"]),
        (&"unlocked".into(), &"acquire".into())
    );
    assert_eq!(inspection["path"], root.lock().to_str().unwrap());
    assert!(inspection["owner"].is_null() && inspection["verdict"].is_null());

    let holder = root.hold();
    let inspection = root.inspect();
    assert_eq!((&inspection["state"], &inspection["verdict"]), (&"held".into(), &"alive".into()));
    assert_eq!(inspection["decision"], "wait");
    assert_eq!(inspection["owner"]["pid"], holder.child.id());
    assert!(inspection["owner"]["maxHoldMs"].is_null());
    holder.end();

    root.plant(DEAD);
    let inspection = root.inspect();
    assert_eq!((&inspection["state"], &inspection["verdict"]), (&"stale".into(), &"dead".into()));
    assert_eq!(inspection["reasons"], serde_json::json!(["dead-pid"]));
    assert_eq!(inspection["decision"], "reclaim");
    std::fs::write(root.lock().join("owner.json"), BROKEN).unwrap();
    let inspection = root.inspect();
    assert_eq!(
        (&inspection["state"], &inspection["decision"]),
        (&"unverifiable".into(), &"report".into())
    );
    assert_eq!(inspection["reasons"], serde_json::json!(["missing-pid"]));
}

/// Only `run` makes a root; to the others a missing one is a root without a lock.
fn missing_roots_have_no_lock() {
    let root = Root::new();
    let missing = root.path().join("missing");
    let done = deps("inspect").arg("--json").arg(&missing).output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(json(&done)[0]["state"], "unlocked");
    let done = deps("doctor").arg("--json").arg(&missing).output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(json(&done)["locks"], serde_json::json!([]));
    let done = deps("break").arg("--yes").arg(&missing).output().unwrap();
    assert_eq!(status(&done), 3, "{}", stderr(&done));
    assert!(!missing.exists());
    // A root that cannot be looked at is another matter.
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    for verb in ["inspect", "doctor"] {
        assert_eq!(status(&deps(verb).arg(&file).output().unwrap()), 1, "{verb}");
    }
}

fn doctor_fixes() {
    let root = Root::new();
    assert_eq!(status(&root.do_("doctor", &[])), 0);
    root.plant(DEAD);
    let stage = root.path().join(".0123abcd-0123456789abcdef.lock-stage");
    std::fs::create_dir(&stage).unwrap();
    let done = root.do_("doctor", &["--json"]);
    assert_eq!(status(&done), 3);
    assert_eq!(json(&done)["removed"], 0);
    assert!(stage.exists() && root.lock().exists());

    let done = root.do_("doctor", &["--fix", "--json"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    let report = json(&done);
    assert_eq!((&report["schema"], &report["removed"]), (&1.into(), &1.into()));
    assert_eq!(report["locks"][0]["removed"], true);
    assert!(!stage.exists() && !root.lock().exists());

    // A held lock and a fresh nameless one are left alone.
    let holder = root.hold();
    assert_eq!(status(&root.do_("doctor", &["--fix"])), 0);
    assert!(root.lock().exists());
    holder.end();
    root.plant(BROKEN);
    assert_eq!(status(&root.do_("doctor", &["--fix"])), 0);
    assert!(root.lock().exists());
}

#[cfg(unix)]
fn doctor_tells_of_foreign_files() {
    let root = Root::new();
    root.plant(DEAD);
    std::fs::write(root.lock().join("notes.txt"), "mine").unwrap();
    root.do_("doctor", &["--fix"]);
    assert!(!root.lock().exists());
    let report = json(&root.do_("doctor", &["--fix", "--json"]));
    let tombstone = report["obstructed"][0].as_str().expect("the tombstone is reported");
    let notes = std::path::Path::new(tombstone).join("notes.txt");
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "mine");
    let text = String::from_utf8(root.do_("doctor", &[]).stdout).unwrap();
    assert!(text.contains("holds files that are not ours"), "{text}");
}

fn break_removes_what_it_showed() {
    let root = Root::new();
    assert_eq!(status(&root.do_("break", &["--yes"])), 3, "there is none");
    let holder = root.hold();
    let done = root.do_("break", &[]);
    assert_eq!(status(&done), 2, "nobody can be asked");
    assert!(root.lock().exists());
    let done = root.do_("break", &["--yes"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert!(stderr(&done).contains(&format!("pid {}", holder.child.id())));
    assert!(!root.lock().exists());
    assert_eq!(status(&root.run("0", &exits(0))), 0);
    // Fresh and nameless: a human may.
    root.plant(BROKEN);
    assert_eq!(status(&root.do_("break", &["--yes"])), 0);
    assert!(!root.lock().exists());
}

/// The library can give a root several locks. An error names the path of the one it means.
fn another_name_is_a_path() {
    let root = Root::new();
    root.plant(DEAD);
    let mirror = root.path().join(".openclaw-runtime-mirror.lock");
    std::fs::create_dir(&mirror).unwrap();
    std::fs::write(mirror.join("owner.json"), DEAD).unwrap();

    let inspect = |path: &std::path::Path| {
        let mut seen = json(&deps("inspect").arg("--json").arg(path).output().unwrap());
        seen[0].take()
    };
    let seen = inspect(&mirror);
    assert_eq!((&seen["path"], &seen["state"]), (&json!(mirror), &json!("stale")));
    let broken = deps("break").arg("--yes").arg(&mirror).output().unwrap();
    assert_eq!(status(&broken), 0, "{}", stderr(&broken));
    assert!(!mirror.exists() && root.lock().exists());

    // A root may be called so, too.
    let named = root.path().join("root.lock");
    std::fs::create_dir(&named).unwrap();
    let within = named.join(".openclaw-runtime-deps.lock");
    std::fs::create_dir(&within).unwrap();
    assert_eq!(inspect(&named)["path"], json!(within));
}

fn wrong_usage() {
    for args in [&["deps"][..], &["deps", "run"], &["deps", "run", "root"], &["deps", "break"]] {
        let done =
            std::process::Command::new(LOCKCTL).args(args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(status(&done), 2, "{args:?}");
    }
}
