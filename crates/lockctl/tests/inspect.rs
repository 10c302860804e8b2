//! `session inspect`: the JSON that programs rely on, every state, hostile files, exit statuses.

mod common;

use std::path::Path;
use std::time::Duration;

#[cfg(target_os = "linux")]
use common::sh;
use common::{
    Holder, Place, done, finding, inode, inspected, make, os, record, session, write_record,
};
use rstest::rstest;
use serde_json::{Value, json};

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What every object looks like, whatever it reports.
fn check_form(report: &Value) {
    let expected =
        ["decision", "evidence", "owner", "path", "reasons", "schema", "state", "verdict"];
    let mut found = keys(report);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(report["schema"], 1);
    assert!(Path::new(report["path"].as_str().unwrap()).is_absolute());
    let one_of = |key: &str, words: &[&str]| {
        assert!(words.contains(&report[key].as_str().unwrap()), "{key}: {report:#}");
    };
    one_of("state", &["unlocked", "held", "stale", "aged", "unverifiable"]);
    one_of("decision", &["acquire", "wait", "reclaim", "report"]);
    if report["state"] == "unlocked" {
        assert_eq!(report["verdict"], Value::Null);
    } else {
        one_of("verdict", &["alive", "dead", "unverifiable"]);
    }
    assert!(report["reasons"].as_array().unwrap().iter().all(Value::is_string));
    let sources = [
        "kernel-lock",
        "pid",
        "start-time",
        "process-id",
        "boot-id",
        "pid-namespace",
        "age",
        "file-times",
        "record",
        "registry",
    ];
    for evidence in report["evidence"].as_array().unwrap() {
        let mut found = keys(evidence);
        found.sort_unstable();
        assert_eq!(found, ["detail", "finding", "source"]);
        assert!(sources.contains(&evidence["source"].as_str().unwrap()), "{evidence}");
        assert!(!evidence["finding"].as_str().unwrap().is_empty(), "{evidence}");
        assert!(!evidence["detail"].as_str().unwrap().is_empty(), "{evidence}");
    }
    if !report["owner"].is_null() {
        let mut found = keys(&report["owner"]);
        found.sort_unstable();
        assert_eq!(found, ["ageMs", "createdAt", "label", "maxHoldMs", "name", "pid"]);
        assert!(report["owner"]["pid"].is_u64());
    }
}

#[track_caller]
fn expect(report: &Value, state: &str, verdict: Value, reasons: Value, decision: &str) {
    check_form(report);
    assert_eq!(report["state"], state, "{report:#}");
    assert_eq!((&report["verdict"], &report["reasons"]), (&verdict, &reasons), "{report:#}");
    assert_eq!(report["decision"], decision, "{report:#}");
}

#[test]
fn nothing_there() {
    let place = Place::new();
    for file in ["s.jsonl", "no/such/directory/s.jsonl"] {
        let report = inspected(&place.at(file));
        expect(&report, "unlocked", Value::Null, json!([]), "acquire");
        assert_eq!((&report["owner"], &report["evidence"]), (&Value::Null, &json!([])));
        // As paths: Windows has two separators.
        let path = Path::new(report["path"].as_str().unwrap());
        assert_eq!(path, place.at(&format!("{file}.lock")));
    }
    assert!(place.names().is_empty());
}

#[test]
fn held_and_aged() {
    let place = Place::new();
    let holder =
        Holder::start(&["--label", "night\u{1b}[31mly", "--max-hold", "2m"], &place.file());
    let ours = inode(&place.lock());
    let report = inspected(&place.file());
    expect(&report, "held", json!("alive"), json!([]), "wait");
    let owner = &report["owner"];
    let name = format!("lockctl{}", std::env::consts::EXE_SUFFIX);
    assert_eq!(owner["pid"], holder.tool.pid());
    assert_eq!((&owner["name"], &owner["label"]), (&json!(name), &json!("night\u{1b}[31mly")));
    assert_eq!(owner["maxHoldMs"], 120_000);
    assert_eq!(owner["createdAt"], record(&place.lock())["createdAt"]);
    assert!(owner["ageMs"].as_u64().unwrap() < 60_000);
    for (source, word) in [
        ("record", "owner-verified"),
        ("kernel-lock", "held"),
        ("boot-id", "same"),
        ("pid-namespace", "same"),
        ("pid", "running"),
        // Not every Windows numbers its processes.
        (if cfg!(windows) { "start-time" } else { "process-id" }, "same"),
        ("age", "within-promise"),
    ] {
        assert_eq!(finding(&report, source), word, "{source}");
    }

    let mut told = session("inspect", &[]);
    told.arg(place.file());
    let told = done(told).expect(0).out;
    assert!(
        told.contains("as soon as the owner lets go or dies. It can be reclaimed in "),
        "{told}"
    );

    // Past staleMs it is only reported.
    let mut aged = session("inspect", &["--json"]);
    aged.arg(place.file()).env("OPENCLAW_SESSION_WRITE_LOCK_STALE_MS", "1");
    let report = done(aged).expect(0).json()[0].take();
    expect(&report, "aged", json!("alive"), json!(["too-old"]), "report");

    // For people: the verdict first, and no control characters.
    let mut text = session("inspect", &[]);
    text.arg(place.file());
    let text = done(text).expect(0).out;
    let first = format!("{}: held", place.lock().display());
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(inode(&place.lock()), ours);
    holder.end();
}

/// People read the JSON, too: what a terminal obeys is escaped, and means the same.
#[test]
fn json_harms_no_terminal() {
    let place = Place::new();
    let label = "\u{9b}31m\u{7f}\u{202e}gnp.exe\u{1b}[2J é";
    let record = json!({ "pid": 1, "version": 2, "owner": { "kind": "linux", "label": label } });
    std::fs::write(place.lock(), record.to_string()).unwrap();
    let mut told = session("inspect", &["--json"]);
    told.arg(place.file());
    let told = done(told).expect(0);
    assert_eq!(told.json()[0]["owner"]["label"], label);
    let harmful = told.out.chars().find(|&c| c != '\n' && lock_core::is_harmful(c));
    assert_eq!(harmful, None, "{}", told.out);
}

/// Records as others left them: `(what to change in ours, state, reasons)`.
#[rstest]
#[case::released(&[], "stale", json!("dead"), json!(["lock-released"]), "reclaim")]
#[case::unclaimed(&["/owner/kernelLock"], "stale", json!("dead"), json!(["dead-pid"]), "reclaim")]
#[case::no_namespace(
    &["/owner/kernelLock", "/owner/pidNamespace"],
    "unverifiable", json!("unverifiable"), json!([]), "wait"
)]
#[case::no_boot(
    &["/owner/kernelLock", "/bootId"],
    "unverifiable", json!("unverifiable"), json!([]), "wait"
)]
#[case::no_kind(
    &["/owner/kernelLock", "/owner/kind"],
    "unverifiable", json!("unverifiable"), json!([]), "wait"
)]
#[case::no_pid(&["/pid"], "unverifiable", json!("unverifiable"), json!(["missing-pid"]), "report")]
fn what_a_dead_owner_left(
    #[case] removed: &[&str],
    #[case] state: &str,
    #[case] verdict: Value,
    #[case] reasons: Value,
    #[case] decision: &str,
) {
    let place = Place::new();
    let mut holder = Holder::start(&[], &place.file());
    let mut record = record(&place.lock());
    common::kill_both(&holder);
    assert_eq!(holder.tool.code(), 137);
    holder.tool.reap();
    for pointer in removed {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        parent.remove(key).unwrap_or_else(|| panic!("no {pointer}"));
    }
    // In place: the claim is for this very inode.
    write_record(&place.lock(), &record);
    let report = inspected(&place.file());
    expect(&report, state, verdict, reasons, decision);
    // The lock itself may be named instead of the session file.
    let by_lock = inspected(&place.lock());
    let without_age = |mut report: Value| {
        report["evidence"] = Value::Null;
        report["owner"] = Value::Null;
        report
    };
    assert_eq!(without_age(by_lock), without_age(report));
}

#[rstest]
#[cfg_attr(unix, case::fifo("fifo", "wait", json!([])))]
#[case::directory("directory", "wait", json!([]))]
#[cfg_attr(unix, case::symlink("symlink", "wait", json!([])))]
#[cfg_attr(unix, case::dangling("dangling", "wait", json!([])))]
#[case::empty("empty", "report", json!(["missing-pid", "invalid-createdAt"]))]
#[case::garbage("garbage", "report", json!(["missing-pid", "invalid-createdAt"]))]
#[case::too_long("too long", "report", json!(["missing-pid", "invalid-createdAt"]))]
#[case::bad_pid("bad pid", "report", json!(["missing-pid", "invalid-createdAt"]))]
fn hostile_files(#[case] what: &str, #[case] decision: &str, #[case] reasons: Value) {
    let place = Place::new();
    make(what, &place.lock());
    let (names, before) = (place.names(), inode(&place.lock()));
    for file in [place.file(), place.lock()] {
        let report = inspected(&file);
        expect(&report, "unverifiable", json!("unverifiable"), reasons.clone(), decision);
        assert_eq!(report["owner"], Value::Null);
    }
    assert_eq!((place.names(), inode(&place.lock())), (names, before));
}

/// No process has such a pid, though some would be one's if cut to 32 bits, or a whole group's. Old
/// as the record says it is: too old, which removes nothing.
#[rstest]
#[case::zero(0, json!(["missing-pid", "too-old"]))]
#[case::every_process(-1, json!(["missing-pid", "too-old"]))]
#[case::seven_in_its_lower_half((1 << 32) + 7, json!(["missing-pid", "too-old"]))]
#[case::ours_in_its_lower_half(
    (1 << 32) + i64::from(std::process::id()), json!(["missing-pid", "too-old"])
)]
// It can be spelled, and what is no process id here proves nobody's death. (Windows can be asked
// about any number, and says that no process has it.)
#[cfg_attr(target_os = "linux", case::negative_int(1 << 31, json!(["too-old"])))]
fn hostile_pids(#[case] pid: i64, #[case] reasons: Value) {
    let place = Place::new();
    let record = json!({ "pid": pid, "createdAt": "2026-01-01T00:00:00Z" });
    std::fs::write(place.lock(), record.to_string()).unwrap();
    let before = inode(&place.lock());
    let report = inspected(&place.file());
    expect(&report, "unverifiable", json!("unverifiable"), reasons, "report");
    done(common::run(&["--timeout", "50ms"], &place.file(), &["true"])).expect(75);
    assert_eq!(inode(&place.lock()), before);
}

#[test]
fn an_ownerless_file_is_stale_after_its_grace() {
    let place = Place::new();
    make("empty", &place.lock());
    os::make_old(&place.lock(), Duration::from_secs(6));
    let report = inspected(&place.file());
    let reasons = json!(["missing-pid", "invalid-createdAt"]);
    expect(&report, "stale", json!("unverifiable"), reasons, "reclaim");
}

#[test]
fn several_files_and_output_that_cannot_be_written() {
    let place = Place::new();
    std::fs::write(place.at("b.jsonl.lock"), "").unwrap();
    let names = ["c.jsonl", "b.jsonl", "a.jsonl", "b.jsonl"];
    let mut all = session("inspect", &["--json"]);
    all.args(names.map(|name| place.at(name)));
    let all = done(all).expect(0).json();
    let paths: Vec<_> =
        all.as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap()).collect();
    let expected = names.map(|name| place.at(&format!("{name}.lock")));
    assert_eq!(paths, expected.each_ref().map(|path| path.to_str().unwrap()));

    #[cfg(target_os = "linux")]
    output_that_cannot_be_written(&place);
}

/// One object per argument, whatever the argument: programs take them in order.
#[test]
fn an_argument_that_names_no_file_has_its_object_too() {
    let place = Place::new();
    let mut both = session("inspect", &["--json"]);
    both.arg(place.at("..")).arg(place.file());
    let both = done(both).expect(1);
    assert!(both.err.contains("does not name a session file"), "{}", both.err);
    let both = both.json();
    both.as_array().unwrap().iter().for_each(check_form);
    expect(&both[0], "unverifiable", json!("unverifiable"), json!([]), "wait");
    expect(&both[1], "unlocked", Value::Null, json!([]), "acquire");
}

#[cfg(target_os = "linux")]
fn output_that_cannot_be_written(place: &Place) {
    for (verb, json) in
        [("inspect", ""), ("inspect", "--json"), ("doctor", ""), ("doctor", "--json")]
    {
        let line = format!("exec \"$LOCKCTL\" session {verb} {json} \"$0\" > /dev/full");
        let mut full = sh(&line);
        full.arg(if verb == "doctor" { place.dir() } else { place.file() });
        let full = done(full).expect(1);
        assert!(full.err.contains("cannot write the output"), "{}", full.err);
    }
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read() {
    let place = Place::new();
    std::fs::write(place.lock(), "{}").unwrap();
    common::chmod(&place.lock(), 0o000);
    let mut command = common::as_nobody(&place);
    command.args(["session", "inspect", "--json"]).arg(place.file());
    let ran = done(command).expect(1);
    let report = ran.json()[0].take();
    expect(&report, "unverifiable", json!("unverifiable"), report["reasons"].clone(), "report");
}
