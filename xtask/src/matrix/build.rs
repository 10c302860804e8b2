//! Running cargo for a scenario, and counting its tests.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::failures::{Failure, Reader};
use super::install::version;
use super::legs::{Leg, Run, Scenario, Way, oldest_rust};
use super::report::Tally;
use super::{prefixes, qemu, wine, workshop};
use crate::tools::{cargo, say, status, with_default_signals};

/// What a scenario has to tell besides its outcome.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) tests: Option<Tally>,
    pub(super) failures: Vec<Failure>,
    pub(super) how: Option<String>,
}

/// The packages that others build upon: they keep to the oldest Rust, and their features count.
const LIBRARIES: [&str; 6] = [
    "lock-core",
    "identity-linux",
    "identity-macos",
    "identity-windows",
    "session-lock",
    "runtime-deps-lock",
];

const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];
const WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// The triple of the compiler's own machine.
pub(super) fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// Runs one scenario. Answers why it failed, if it did.
pub(super) fn run(leg: &Leg, scenario: Scenario, host: &str) -> Result<(Option<String>, Built)> {
    // This tool itself is for where it runs: its libraries compile C, for which no other target
    // has a compiler.
    let target: Vec<&str> = match leg.target {
        Some(target) if target == host => vec!["--target", target],
        Some(target) => vec!["--target", target, "--exclude", "xtask"],
        None => Vec::new(),
    };
    let passed = |why| (why, Built::default());
    match scenario {
        Scenario::Clippy => {
            let words = [&["clippy", "--all-targets"], &EVERYTHING[..], &target, &WARNINGS];
            Ok(passed(status(&mut cargo(&words.concat())?)?))
        }
        Scenario::Compile => compile(leg, &target).map(passed),
        Scenario::Tests => test(leg.way(host).context("no way to run")?, &target),
        Scenario::Prefixes => {
            let (why, tally) = prefixes::check()?;
            Ok((why, Built { tests: Some(tally), how: version(Run::Wine), ..Built::default() }))
        }
        Scenario::Msrv => {
            let mut words = vec!["check", "--all-features", "--locked"];
            LIBRARIES.iter().for_each(|library| words.extend(["-p", library]));
            let mut command = Command::new("cargo");
            command.arg(format!("+{}", oldest_rust())).args(words);
            // A toolchain set for this process would come before the one asked for.
            for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "CARGO"] {
                command.env_remove(name);
            }
            Ok(passed(status(&mut command)?))
        }
        Scenario::Features => features().map(passed),
        Scenario::Docs => {
            let mut docs = cargo(&[&["doc", "--no-deps"], &EVERYTHING[..]].concat())?;
            docs.env("RUSTDOCFLAGS", "-D warnings");
            Ok(passed(status(&mut docs)?))
        }
    }
}

fn test(way: &Way, target: &[&str]) -> Result<(Option<String>, Built)> {
    let mut command = with_default_signals("cargo".as_ref());
    let _session = match way.run {
        Run::Directly => None,
        Run::Wine => Some(wine::Session::start(&mut command)?),
        Run::Qemu => {
            command = qemu::command("cargo");
            None
        }
    };
    // All of it, whatever fails on the way: a matrix tells everything at once.
    command.args(["test", "--no-fail-fast"]).args(EVERYTHING).args(target);
    command.envs(way.env.iter().copied());
    command.arg("--");
    for test in way.left_out.iter().flat_map(|left_out| left_out.tests) {
        command.args(["--skip", test]);
    }
    let (why, built) = count(command)?;
    Ok((why, Built { how: version(way.run), ..built }))
}

/// Runs tests, passes on what they print, and counts.
fn count(mut command: Command) -> Result<(Option<String>, Built)> {
    say(&command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let (mut tally, mut failures) = (Tally::default(), Reader::default());
    let mut lines = BufReader::new(child.stdout.take().context("piped above")?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        eprint!("{text}");
        tally.add_line(text.trim_end());
        failures.add_line(text.trim_end());
        line.clear();
    }
    let status = child.wait()?;
    let why = match (status.success(), tally.passed) {
        (true, 0) => Some("no test was run".to_owned()),
        (true, _) => None,
        (false, _) => Some(status.to_string()),
    };
    Ok((why, Built { tests: Some(tally), failures: failures.found(), how: None }))
}

/// Generates code for every test; nothing links, for there is no linker or no system library.
fn compile(leg: &Leg, target: &[&str]) -> Result<Option<String>> {
    let words = [&["test", "--no-run"], &EVERYTHING[..], target];
    let mut command = cargo(&words.concat())?;
    if let Some(target) = leg.target {
        let name = target.replace('-', "_").to_uppercase();
        command.env(format!("CARGO_TARGET_{name}_LINKER"), no_linker()?);
    }
    status(&mut command)
}

/// A linker that links nothing: cargo wants a file where the program would be.
fn no_linker() -> Result<PathBuf> {
    let path = workshop()?.join("no-linker");
    std::fs::write(
        &path,
        "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = -o ] && : >\"$2\"; shift; done\n",
    )?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(path)
}

/// What only some users of the libraries want, and gets in by a feature or in the tool.
const OPTIONAL: [&str; 4] = ["sysinfo", "tokio", "clap", "indicatif"];

/// The first of [`OPTIONAL`] that a package's users get without asking, on whatever system.
fn uninvited(package: &str) -> Result<Option<String>> {
    let words = ["tree", "--locked", "-p", package, "-e", "normal", "--target", "all"];
    let tree = cargo(&[&words[..], &["--prefix", "none", "--format", "{p}"]].concat())?.output()?;
    if !tree.status.success() {
        return Ok(Some(format!("cargo tree: {}", String::from_utf8_lossy(&tree.stderr).trim())));
    }
    let tree = String::from_utf8(tree.stdout)?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let found = names.into_iter().find(|name| OPTIONAL.contains(name));
    Ok(found.map(|name| format!("{package} brings {name} without a feature")))
}

/// Every library without features, and with each of its features alone. By default none brings what
/// only some want.
fn features() -> Result<Option<String>> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"])?.output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata has packages")?;
    for package in packages {
        let Some(name) = package["name"].as_str().filter(|name| LIBRARIES.contains(name)) else {
            continue;
        };
        if let Some(why) = uninvited(name)? {
            return Ok(Some(why));
        }
        let features = package["features"].as_object().context("a package has features")?;
        let alone = features.keys().map(|feature| vec!["--features", feature]);
        for feature in std::iter::once(Vec::new()).chain(alone) {
            let check = ["clippy", "-p", name, "--locked", "--no-default-features"];
            let failed = status(&mut cargo(&[&check[..], &feature, &WARNINGS].concat())?)?;
            if let Some(why) = failed {
                return Ok(Some(format!("{name} {}: {why}", feature.join(" "))));
            }
        }
    }
    Ok(None)
}
