//! Running other programs: cargo first of all.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace.
pub(crate) fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is in the workspace")
}

/// The cargo that runs this, in the workspace.
pub(crate) fn cargo(args: &[&str]) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = with_default_signals(&cargo);
    command.args(args).current_dir(root()?);
    Ok(command)
}

/// A job in the background, or under `nohup`, ignores signals, and so does all that it starts. The
/// tests send those signals. `env` of GNU coreutils undoes that.
pub(crate) fn with_default_signals(program: &OsStr) -> Command {
    const DEFAULTS: &str = "--default-signal";
    let probe = Command::new("env").args([DEFAULTS, "true"]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Command::new(program);
    }
    let mut env = Command::new("env");
    env.arg(DEFAULTS).arg(program);
    env
}

/// Runs a command to its end. Answers how it failed, if it did. What it prints goes to standard
/// error: standard output is for results.
pub(crate) fn status(command: &mut Command) -> Result<Option<String>> {
    say(command);
    let stderr = Stdio::from(std::io::stderr());
    let status = command.stdin(Stdio::null()).stdout(stderr).status();
    let status = status.with_context(|| format!("cannot run {command:?}"))?;
    Ok((!status.success()).then(|| status.to_string()))
}

/// The same, where a failure is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    match status(command)? {
        None => Ok(()),
        Some(why) => bail!("{} failed ({why})", words(command)),
    }
}

/// Runs a command of which nobody needs to know, unless it fails: then what it printed is told.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let done = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed ({}): {}", words(command), done.status, said.trim());
    }
    Ok(())
}

/// Says what is about to be run.
pub(crate) fn say(command: &Command) {
    eprintln!("+ {}", words(command));
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// A program that may change the system.
pub(crate) fn as_root(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = if is_root {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

/// Whether a program is in the search path.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Whether the standard library of a target is there.
pub(crate) fn has_target(target: &str) -> bool {
    let print = ["--print", "target-libdir", "--target", target];
    let found = Command::new("rustc").args(print).output();
    found.is_ok_and(|found| {
        let directory = String::from_utf8_lossy(&found.stdout);
        found.status.success() && std::path::Path::new(directory.trim()).is_dir()
    })
}

/// Fetches the standard library of a target, unless it is there.
pub(crate) fn fetch_target(target: &str) -> Result<()> {
    if has_target(target) {
        return Ok(());
    }
    run(Command::new("rustup").args(["target", "add", target]))
}
