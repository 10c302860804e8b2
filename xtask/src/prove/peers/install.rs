//! Fetching the peers, pinned, with the ordinary clients of their registries, into `target/peers`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::list::From;
use crate::tools::{has_program, root, run};

const PIP: &str = "filelock==4.2.11";
const NPM: [&str; 2] = ["proper-lockfile@4.1.2", "@bybrave/proper-lockfile2@5.0.0"];
const PIDLOCK: &str = "0.2.2";
const FSLOCK: &str = "0.2.1";

pub(super) const PYTHON: &str = "python/bin/python3";
pub(super) const NODE: &str = "node/node_modules";

/// What was fetched.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    Ok(root()?.join("target/peers").join(name))
}

/// A contender of ours.
pub(super) fn script(name: &str) -> Result<PathBuf> {
    Ok(root()?.join("xtask/peers").join(name))
}

/// What is not there, in words.
pub(super) fn missing(from: From) -> Option<&'static str> {
    let has = |name: &str| program(name).is_ok_and(|path| path.exists());
    let there = match from {
        From::Here => true,
        From::Node => has_program("node"),
        From::Npm => has_program("node") && has("node/node_modules/@bybrave/proper-lockfile2"),
        From::Pip => has("python/installed"),
        From::Crates => has("crates/target/release/crates"),
    };
    let what = match from {
        From::Here | From::Node => "node",
        From::Npm => "node and npm's proper-lockfile",
        From::Pip => "python3 and PyPI's filelock",
        From::Crates => "the crates pidlock and fslock",
    };
    (!there).then_some(what)
}

/// Fetches what is missing.
pub(super) fn fetch(from: From) -> Result<()> {
    if missing(from).is_none() {
        return Ok(());
    }
    match from {
        From::Here | From::Node => Ok(()),
        From::Npm => {
            let prefix = program("node")?;
            std::fs::create_dir_all(&prefix)?;
            let quiet = ["--no-audit", "--no-fund", "--ignore-scripts"];
            let mut npm = Command::new("npm");
            run(npm.arg("install").arg("--prefix").arg(prefix).args(quiet).args(NPM))
        }
        From::Pip => {
            run(Command::new("python3").args(["-m", "venv"]).arg(program("python")?))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PIP];
            run(Command::new(program(PYTHON)?).args(pip))?;
            Ok(std::fs::write(program("python/installed")?, PIP)?)
        }
        From::Crates => crates(),
    }
}

/// A package of its own, outside this workspace, so that its dependencies are no business of it.
fn crates() -> Result<()> {
    let directory = program("crates")?;
    std::fs::create_dir_all(directory.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"crates\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\npidlock = \"={PIDLOCK}\"\nfslock = \"={FSLOCK}\"\n\
         rustix = {{ version = \"1\", features = [\"time\"] }}\n\n[workspace]\n"
    );
    std::fs::write(directory.join("Cargo.toml"), manifest)?;
    std::fs::copy(script("crates.rs")?, directory.join("src/main.rs"))
        .context("cannot copy the contender")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target-dir", "target"]).current_dir(directory);
    run(cargo.env("PIDLOCK", PIDLOCK).env("FSLOCK", FSLOCK))
}
