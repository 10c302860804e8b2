//! A real `npm install`, offline, from a tarball that the test packs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::os;
use crate::support::{Root, SOON, deps, has, status, stderr, wait_for};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("npm_installs_from_two_processes_at_once", at_once),
    ("npm_keeps_the_lock_of_a_killed_lockctl", killed),
    ("npms_children_keep_the_lock_of_a_killed_npm", npm_killed),
];

/// Why npm cannot be run here, if so.
pub(crate) fn obstacle() -> Option<String> {
    let missing: Vec<_> = ["npm", "node", "tar"].into_iter().filter(|p| !has(p)).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

/// Run by npm while it installs: says which of its ancestors have the lock's record open, then
/// waits to be let go, if so asked.
const PROBE: &str = r#"
const fs = require("fs");
const lines = [];
for (let pid = process.pid; pid > 1; ) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const [, name, rest] = stat.match(/\((.*)\) (.*)/s);
  const open = fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try { return fs.readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith("/owner.json"); }
    catch { return false; }
  });
  lines.push(`${pid} ${name.replace(/ /g, "_")} ${open.join(",") || "none"}`);
  if (name === "lockctl") break;
  pid = Number(rest.split(" ")[1]);
}
const told = process.env.PROBE_FILE;
fs.writeFileSync(told + ".part", lines.join("\n") + "\n");
fs.renameSync(told + ".part", told);
const end = Date.now() + 60000; // Whatever becomes of the test, this does not stay.
const wait = () =>
  fs.existsSync(process.env.PROBE_GO) || Date.now() > end || setTimeout(wait, 10);
if (process.env.PROBE_GO) wait();
"#;

/// A package as `npm pack` makes them.
fn pack(beside: &Path) -> PathBuf {
    let package = beside.join("package");
    std::fs::create_dir(&package).unwrap();
    let manifest = r#"{"name": "tiny", "version": "1.0.0", "main": "index.js",
        "scripts": {"install": "node probe.js"}}"#;
    std::fs::write(package.join("package.json"), manifest).unwrap();
    std::fs::write(package.join("index.js"), "module.exports = 42;\n").unwrap();
    std::fs::write(package.join("probe.js"), PROBE).unwrap();
    let tarball = beside.join("tiny-1.0.0.tgz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&tarball).arg("-C").arg(beside).arg("package");
    assert!(tar.status().unwrap().success());
    tarball
}

/// `lockctl deps run ROOT -- npm install TARBALL`.
fn install(root: &Path, beside: &Path, tarball: &Path, told: &str, go: Option<&Path>) -> Command {
    let mut run = deps("run");
    run.args(["--timeout", "120s"]).arg(root).args(["--", "npm", "install"]);
    run.args(["--offline", "--no-audit", "--no-fund", "--no-update-notifier"]).arg(tarball);
    run.current_dir(root);
    run.env("npm_config_cache", beside.join("cache")).env("PROBE_FILE", beside.join(told));
    match go {
        Some(go) => run.env("PROBE_GO", go),
        None => run.env_remove("PROBE_GO"),
    };
    run
}

fn assert_good(root: &Path) {
    let works = Command::new("node").args(["-p", "require('tiny')"]).current_dir(root).output();
    assert_eq!(works.unwrap().stdout, b"42\n");
    let modules: Vec<_> = std::fs::read_dir(root.join("node_modules"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        modules.iter().all(|name| name == "tiny" || name == ".package-lock.json"),
        "{modules:?}"
    );
    assert!(!root.join(".openclaw-runtime-deps.lock").exists());
}

/// A root in which npm may run the package's install script: newer ones ask for consent.
fn root_for(beside: &Root, tarball: &Path) -> PathBuf {
    let root = beside.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let consent = format!("file:{}", tarball.display());
    let manifest = serde_json::json!({ "private": true, "allowScripts": { consent: true } });
    std::fs::write(root.join("package.json"), manifest.to_string()).unwrap();
    root
}

/// The first stands still in its install script until the second was seen to wait.
fn at_once() {
    let beside = Root::new();
    let tarball = pack(&beside.path());
    let root = root_for(&beside, &tarball);
    let (log, go) = (beside.path().join("log"), beside.path().join("go"));
    let start = |name: &str, go: Option<&Path>| {
        let mut command = logged(&install(&root, &beside.path(), &tarball, name, go), name, &log);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let first = start("first", Some(&go));
    wait_for(&beside.path().join("first"));
    let second = start("second", None);
    let started = Instant::now();
    while os::watches_files(second.id()) != Some(true) {
        assert!(started.elapsed() < SOON, "the second does not wait");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "begin first\n");
    std::fs::write(&go, "").unwrap();
    let waits = [first, second].map(|child| {
        let done = child.wait_with_output().unwrap();
        assert_eq!(status(&done), 0, "{}", stderr(&done));
        stderr(&done).contains("lockctl: waiting for")
    });
    assert_eq!(waits, [false, true], "the second waits, and only that");
    let sections = std::fs::read_to_string(&log).unwrap();
    assert_eq!(sections, "begin first\nend first\nbegin second\nend second\n");
    assert_good(&root);
    let told = std::fs::read_to_string(beside.path().join("first")).unwrap();
    println!("who has owner.json open during an install (pid, name, descriptors):\n{told}");
}

/// The same command line, with a line in `log` before and after what runs under the lock.
fn logged(run: &Command, name: &str, log: &Path) -> Command {
    let script = "echo \"begin $1\" >> \"$2\"; log=$2 who=$1; shift 2; \"$@\"; s=$?; \
                  echo \"end $who\" >> \"$log\"; exit $s";
    let mut command = Command::new(run.get_program());
    for word in run.get_args() {
        command.arg(word);
        if word == "--" {
            command.args(["sh", "-c", script, "sh", name]).arg(log);
        }
    }
    command.current_dir(run.get_current_dir().unwrap());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The tool is killed, the installer goes on writing: the lock stays held until it is done.
fn killed() {
    let beside = Root::new();
    let tarball = pack(&beside.path());
    let root = root_for(&beside, &tarball);
    let (told, go) = (beside.path().join("told"), beside.path().join("go"));
    let mut first = install(&root, &beside.path(), &tarball, "told", Some(&go));
    let mut first = first.stdout(Stdio::null()).spawn().unwrap();
    wait_for(&told);
    first.kill().unwrap();
    first.wait().unwrap();
    let told = std::fs::read_to_string(told).unwrap();
    let npm = told.lines().find(|line| line.contains("npm")).expect("npm is among them");
    let (pid, descriptors) = (npm.split(' ').next().unwrap(), npm.split(' ').next_back().unwrap());
    assert_ne!(descriptors, "none", "npm itself keeps it:\n{told}");

    let inspect = deps("inspect").arg(&root).output().unwrap();
    let text = String::from_utf8(inspect.stdout).unwrap();
    assert!(text.contains(": held\n") && text.contains(&format!("Pid {pid} ")), "{text}");
    let mut contender = deps("run");
    contender.args(["--timeout", "50ms"]).arg(&root).args(["--", "true"]);
    assert_eq!(status(&contender.output().unwrap()), 75);

    std::fs::write(&go, "").unwrap();
    let mut next = deps("run");
    next.args(["--timeout", "60s"]).arg(&root).args(["--", "true"]);
    let done = next.output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_good(&root);
}

/// The tool and npm itself are killed; the install script that npm started goes on, with the lock.
fn npm_killed() {
    let beside = Root::new();
    let tarball = pack(&beside.path());
    let root = root_for(&beside, &tarball);
    let (told, go) = (beside.path().join("told"), beside.path().join("go"));
    let mut first = install(&root, &beside.path(), &tarball, "told", Some(&go));
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&told);
    let told = std::fs::read_to_string(told).unwrap();
    // The script's own line is the first: it asks its ancestors from itself upwards.
    let pid_of = |line: &str| line.split(' ').next().unwrap().parse::<u32>().unwrap();
    let script = pid_of(told.lines().next().unwrap());
    let npm = pid_of(told.lines().find(|line| line.contains("npm")).expect("npm is among them"));
    assert!(told.lines().all(|line| !line.ends_with(" none")), "all of them keep it:\n{told}");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(os::Process::of(npm).kill() && os::Process::of(npm).ends(SOON));

    let inspect = deps("inspect").arg(&root).output().unwrap();
    let text = String::from_utf8(inspect.stdout).unwrap();
    assert!(text.contains(": held\n") && text.contains(&format!("Pid {script} ")), "{text}");
    let mut contender = deps("run");
    contender.args(["--timeout", "50ms"]).arg(&root).args(["--", "true"]);
    assert_eq!(status(&contender.output().unwrap()), 75);

    std::fs::write(&go, "").unwrap();
    let done = install(&root, &beside.path(), &tarball, "again", None).output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_good(&root);
}
