//! A real `npm install`, offline, from a tarball that the test packs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Root, deps, has, status, stderr, wait_for};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("npm_installs_from_two_processes_at_once", at_once),
    ("npm_keeps_the_lock_of_a_killed_lockctl", killed),
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

fn at_once() {
    let beside = Root::new();
    let tarball = pack(&beside.path());
    let root = root_for(&beside, &tarball);
    let mut both: Vec<_> = ["first", "second"]
        .map(|told| {
            let mut command = install(&root, &beside.path(), &tarball, told, None);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .into();
    while let Some(child) = both.pop() {
        let done = child.wait_with_output().unwrap();
        assert_eq!(status(&done), 0, "{}", stderr(&done));
    }
    assert_good(&root);
    let told = std::fs::read_to_string(beside.path().join("first"))
        .or_else(|_| std::fs::read_to_string(beside.path().join("second")));
    println!(
        "who has owner.json open during an install (pid, name, descriptors):\n{}",
        told.unwrap()
    );
}

/// The tool is killed, the installer goes on writing: the lock stays held until it is done.
fn killed() {
    let beside = Root::new();
    let tarball = pack(&beside.path());
    let root = root_for(&beside, &tarball);
    let (told, go) = (beside.path().join("told"), beside.path().join("go"));
    let mut first = install(&root, &beside.path(), &tarball, "told", Some(&go));
    let mut first = first.stdout(std::process::Stdio::null()).spawn().unwrap();
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
