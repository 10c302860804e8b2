//! `session run`: exit statuses, places that have no lock, what the command gets.

mod common;

#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
#[cfg(unix)]
use std::process::Stdio;

#[cfg(target_os = "linux")]
use common::Holder;
use common::command::{exits, shows};
use common::{Place, done, lockctl, run};
#[cfg(unix)]
use common::{as_nobody, chmod, sh};
use rstest::rstest;

#[cfg(unix)]
#[rstest]
#[case("exit 0", 0)]
#[case("exit 7", 7)]
#[case("exit 255", 255)]
#[case("kill -KILL $$", 137)]
#[case("kill -ABRT $$", 134)]
fn the_commands_own_status(#[case] script: &str, #[case] code: i32) {
    let place = Place::new();
    let ran = done(run(&[], &place.file(), &["sh", "-c", script])).expect(code);
    assert_eq!((ran.out, ran.err), (String::new(), String::new()));
    assert!(place.names().is_empty());
}

#[rstest]
#[case::not_found("no-such-command", 127)]
#[cfg_attr(unix, case::not_executable("./plain", 126))]
#[cfg_attr(unix, case::a_directory("/", 126))]
fn commands_that_cannot_be_run(#[case] command: &str, #[case] code: i32) {
    let place = Place::new();
    std::fs::write(place.at("plain"), "").unwrap();
    let mut running = run(&[], &place.file(), &[command]);
    running.current_dir(place.dir());
    let ran = done(running);
    assert!(ran.err.contains(&format!("cannot run {command}")), "{}", ran.err);
    ran.expect(code);
    assert_eq!(place.names(), ["plain"]);
}

/// Others may read who holds it, as far as the user lets them: 0644 less the umask, in both layouts.
#[cfg(unix)]
#[rstest]
#[case("0", "644", "755")]
#[case("077", "600", "700")]
#[case("0277", "400", "500")]
fn locks_are_as_open_as_the_umask_says(
    #[case] umask: &str,
    #[case] file: &str,
    #[case] directory: &str,
) {
    let place = Place::new();
    let mode = "for it in \"$LOCKCTL_LOCK\" \"$LOCKCTL_LOCK\"/owner.json; do \
                ls -ld \"$it\" 2> /dev/null; done; true";
    let lines = [
        ("session run \"$0\"", vec![file]),
        ("deps run \"$(dirname \"$0\")\"", vec![directory, file]),
    ];
    for (run, modes) in lines {
        let mut held = sh(&format!("umask {umask}; \"$LOCKCTL\" {run} -- sh -c '{mode}'"));
        held.arg(place.file());
        let shown = done(held).expect(0).out;
        let letters = |octal: &str| -> String {
            let digits = octal.chars().map(|c| c.to_digit(8).unwrap());
            let triple = |d| ["---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"][d as usize];
            digits.map(triple).collect()
        };
        let expected: Vec<_> = modes.iter().map(|mode| letters(mode)).collect();
        let seen: Vec<_> = shown.lines().map(|line| line[1..10].to_owned()).collect();
        assert_eq!(seen, expected, "umask {umask}: {shown}");
    }
}

/// Scripts use the low numbers. The other description, for the binding byte, goes to no command: a
/// byte taken on it would outlive this process in them.
#[cfg(target_os = "linux")]
#[test]
fn the_command_inherits_one_descriptor_with_a_high_number() {
    let place = Place::new();
    // By inode: the file was made without a name.
    let script = "stat -c %i \"$LOCKCTL_LOCK\"; stat -L -c '%i %n' /proc/self/fd/* || true";
    let ran = done(run(&[], &place.file(), &["sh", "-c", script])).expect(0);
    let mut lines = ran.out.lines();
    let inode = format!("{} ", lines.next().unwrap());
    let ours: Vec<_> = lines.filter_map(|line| line.strip_prefix(&inode)).collect();
    let [descriptor] = ours[..] else { panic!("{}", ran.out) };
    let number: u32 = descriptor.rsplit('/').next().unwrap().parse().unwrap();
    assert!(number >= 200, "{descriptor}");
}

#[rstest]
#[case(&[])]
#[case(&["session"])]
#[case(&["session", "run", "f"])]
#[case(&["session", "run", "--", "true"])]
#[case(&["session", "run", "--timeout", "5", "f", "--", "true"])]
#[case(&["session", "run", "--timeout", "-1s", "f", "--", "true"])]
#[case(&["session", "run", "--max-hold", "0", "f", "--", "true"])]
#[case(&["session", "run", "--max-hold", "forever", "f", "--", "true"])]
#[case(&["session", "run", "--stale-after", "0", "f", "--", "true"])]
#[case(&["session", "run", "/", "--", "true"])]
#[case(&["session", "run", "..", "--", "true"])]
#[case(&["session", "inspect"])]
#[case(&["session", "doctor"])]
#[case(&["session", "break"])]
#[case(&["session", "steal", "f"])]
fn wrong_usage(#[case] words: &[&str]) {
    let place = Place::new();
    let mut wrong = lockctl();
    wrong.args(words).current_dir(place.dir());
    let ran = done(wrong).expect(2);
    assert!(ran.out.is_empty() && !ran.err.is_empty());
    assert!(place.names().is_empty());
}

#[cfg(unix)]
#[rstest]
#[case::fifo("mkfifo \"$0\"", "s.jsonl")]
#[case::directory("mkdir \"$0\"", "s.jsonl")]
#[case::symlink("echo kept > target; ln -s target \"$0\"", "s.jsonl")]
#[case::dangling_symlink("ln -s nowhere \"$0\"", "s.jsonl")]
#[case::file_for_a_directory(": > x", "x/s.jsonl")]
#[case::dangling_directory("ln -s nowhere x", "x/s.jsonl")]
fn places_that_cannot_have_a_lock(#[case] make: &str, #[case] file: &str) {
    let place = Place::new();
    let mut making = sh(make);
    making.arg("s.jsonl.lock").current_dir(place.dir());
    done(making).expect(0);
    let before = place.names();
    let what = |name: &String| {
        let seen = std::fs::symlink_metadata(place.at(name)).unwrap();
        (seen.ino(), seen.mode(), seen.mtime_nsec())
    };
    let facts: Vec<_> = before.iter().map(what).collect();
    done(run(&["--timeout", "1s"], &place.at(file), &["true"])).expect(73);
    assert_eq!(place.names(), before);
    assert_eq!(before.iter().map(what).collect::<Vec<_>>(), facts);
}

#[cfg(unix)]
#[test]
fn a_directory_that_may_not_be_written() {
    let place = Place::new();
    for (name, mode) in [("readable", 0o555), ("closed", 0o700), ("open", 0o777)] {
        std::fs::create_dir(place.at(name)).unwrap();
        chmod(&place.at(name), mode);
    }
    let nobody = |file: &str| {
        let mut command = as_nobody(&place);
        command.args(["session", "run"]).arg(place.at(file)).args(["--", "true"]);
        done(command)
    };
    nobody("open/s.jsonl").expect(0);
    let denied = nobody("readable/s.jsonl").expect(73);
    assert!(denied.err.contains("Permission denied"), "{}", denied.err);
    if rustix::process::geteuid().is_root() {
        nobody("closed/s.jsonl").expect(73);
        nobody("closed/new/s.jsonl").expect(73);
    }
    for name in ["readable", "open", "closed"] {
        assert_eq!(std::fs::read_dir(place.at(name)).unwrap().count(), 0, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn what_the_command_gets() {
    let place = Place::new();
    let script = "cat; cat \"$LOCKCTL_LOCK\"; echo \"$LOCKCTL_LOCK $LOCKCTL_ID $*\"; echo said >&2";
    // Neither the file nor its directories exist; the path is not in its shortest form.
    let file = place.at("a/b/s.jsonl");
    let options = ["--label", "x \"y\"", "--max-hold", "1m"];
    let mut run =
        run(&options, &place.at("a/b/../b/s.jsonl"), &["sh", "-c", script, "0", "one", "--json"]);
    run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = run.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"typed\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    assert_eq!(ran.stderr, b"said\n");
    let out = String::from_utf8(ran.stdout).unwrap();
    let (typed, rest) = out.split_once('\n').unwrap();
    assert_eq!(typed, "typed");
    let (json, words) = rest.split_once("\n}\n").unwrap();
    let record: serde_json::Value = serde_json::from_str(&format!("{json}\n}}")).unwrap();
    assert_eq!(record["maxHoldMs"], 60_000);
    assert_eq!(record["owner"]["label"], "x \"y\"");
    let id = record["owner"]["id"].as_str().unwrap();
    let lock = file.with_extension("jsonl.lock");
    assert_eq!(words, format!("{} {id} one --json\n", lock.display()));
    assert!(!lock.exists() && !file.exists());
}

#[cfg(target_os = "linux")]
#[rstest]
#[case("<&-", "cat; echo read", "read\n")]
#[case(">&-", "echo lost; echo told >&2", "")]
#[case("2>/dev/full", "echo out", "out\n")]
fn closed_and_full_streams(#[case] redirection: &str, #[case] script: &str, #[case] out: &str) {
    let place = Place::new();
    let line = format!("exec \"$LOCKCTL\" session run \"$0\" -- sh -c '{script}' {redirection}");
    let mut command = sh(&line);
    command.arg(place.file());
    assert_eq!(done(command).expect(0).out, out);
    // Neither may what it has to say itself change the status.
    let holder = Holder::start(&[], &place.file());
    let line = format!("exec \"$LOCKCTL\" session run --timeout 20ms \"$0\" -- true {redirection}");
    let mut command = sh(&line);
    command.arg(place.file());
    done(command).expect(75);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut unheard = run(&["--timeout", "20ms"], &place.file(), &["true"]);
    assert_eq!(unheard.stderr(writer).status().unwrap().code(), Some(75));
    holder.end();
}

/// The same on every system: a status, the lock's record, and its id.
#[rstest]
#[case(0)]
#[case(7)]
#[case(255)]
fn a_status_of_its_own(#[case] code: u8) {
    let place = Place::new();
    let ran = done(run(&[], &place.file(), &exits(code))).expect(code.into());
    assert_eq!((ran.out, ran.err), (String::new(), String::new()));
    assert!(place.names().is_empty());
}

#[test]
fn what_the_command_is_told() {
    let place = Place::new();
    let options = ["--label", "x \"y\"", "--max-hold", "1m"];
    let ran = done(run(&options, &place.at("a/b/s.jsonl"), &shows(""))).expect(0);
    let (json, id) = ran.out.split_once("\n}\n").unwrap();
    let record: serde_json::Value = serde_json::from_str(&format!("{json}\n}}")).unwrap();
    assert_eq!(
        (&record["maxHoldMs"], &record["owner"]["label"]),
        (&60_000.into(), &"x \"y\"".into())
    );
    assert_eq!(record["owner"]["id"], id.trim());
    assert_eq!(std::fs::read_dir(place.at("a/b")).unwrap().count(), 0);
}
