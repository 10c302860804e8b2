//! What must pass before a change lands.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

pub(crate) fn run() -> Result<()> {
    files_open_with_docs()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    let everything = ["--workspace", "--all-features", "--locked"];
    let with =
        |first: &[&'static str], last: &[&'static str]| [first, &everything[..], last].concat();
    cargo(&with(&["clippy", "--all-targets"], &["--", "-D", "warnings"]), &[])?;
    // The features are additive, and none of them is needed.
    for library in ["lock-core", "session-lock", "runtime-deps-lock"] {
        cargo(&["clippy", "-p", library, "--locked", "--", "-D", "warnings"], &[])?;
    }
    cargo(&with(&["doc", "--no-deps"], &[]), &[("RUSTDOCFLAGS", "-D warnings")])?;
    cargo(&with(&["test"], &[]), &[])
}

pub(crate) fn bench() -> Result<()> {
    let short = ["--warm-up-time", "1", "--measurement-time", "5"];
    let bench = ["bench", "-p", "session-lock", "--bench", "uncontended", "--"];
    cargo(&[&bench[..], &short[..]].concat(), &[])
}

fn cargo(args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    eprintln!("+ cargo {}", args.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = with_default_signals(&cargo)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root()?)
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo {} failed ({status})", args[0]);
    }
    Ok(())
}

/// A job in the background, or under `nohup`, ignores signals, and so does all that it starts. The
/// tests send those signals. `env` of GNU coreutils undoes that.
fn with_default_signals(program: &OsStr) -> Command {
    const DEFAULTS: &str = "--default-signal";
    let probe = Command::new("env").args([DEFAULTS, "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Command::new(program);
    }
    let mut env = Command::new("env");
    env.arg(DEFAULTS).arg(program);
    env
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in the workspace")
}

/// Every source file says in its first line what lives there.
fn files_open_with_docs() -> Result<()> {
    let mut silent = Vec::new();
    let mut pending = vec![root()?.join("crates"), root()?.join("xtask")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !std::fs::read_to_string(&path)?.starts_with("//! ")
            {
                silent.push(path.display().to_string());
            }
        }
    }
    if !silent.is_empty() {
        bail!("these files do not say what lives in them:\n{}", silent.join("\n"));
    }
    Ok(())
}
