//! Wine for the Windows legs: a prefix of its own, a server that stays, and the one function that
//! Rust's standard library needs and Wine 8 lacks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Result;

use super::workshop;
use crate::tools::{root, run};

/// A running Wine server, until this is dropped.
pub(super) struct Session {
    prefix: PathBuf,
}

impl Session {
    /// Starts Wine, and makes `command` use it as cargo's runner.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let session = Self::open("wine")?;
        for (name, value) in session.environment() {
            command.env(name, value);
        }
        let runner = [fixed_addresses(), &["wine"]].concat().join(" ");
        command.env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", runner);
        Ok(session)
    }

    /// Starts Wine in a prefix of this name.
    pub(super) fn open(prefix: &str) -> Result<Self> {
        let session = Self { prefix: workshop()?.join(prefix) };
        // The stand-in is copied into the system directory: tests that clear the environment
        // need it too.
        let system32 = session.prefix.join("drive_c/windows/system32");
        if !system32.is_dir() {
            run(session.command("wineboot").arg("--init"))?;
        }
        build_stand_in(&system32.join("bcryptprimitives.dll"))?;
        session.restart()?;
        Ok(session)
    }

    /// Ends every process of it, and starts it again. Persistent, or each test starts and awaits a
    /// server of its own; which fails as long as another one is there.
    pub(super) fn restart(&self) -> Result<()> {
        // It says that there was none to end.
        let _ = self.command("wineserver").arg("--kill").status();
        run(self.command("wineserver").arg("--wait"))?;
        // What starts with the first program stays, and would keep that one's output open.
        for (program, words) in
            [("wineserver", &["--persistent"][..]), ("wine", &["cmd", "/c", "exit"])]
        {
            let mut quietly = self.command(program);
            quietly.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            anyhow::ensure!(quietly.status()?.success(), "{program} does not start");
        }
        Ok(())
    }

    fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("WINEPREFIX", self.prefix.clone()), ("WINEDEBUG", "-all".into())]
    }

    /// A program of Wine's, in this prefix.
    pub(super) fn command(&self, program: &str) -> Command {
        let words = [fixed_addresses(), &[program]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).envs(self.environment());
        command
    }
}

/// What comes before a program of Wine's. Linux puts the heap of `wine64`, which is not relocatable,
/// at random up to 1 GiB above 0x7d005000. One process in some thousand then finds 0x7ffe0000 taken,
/// where Windows keeps the page that it shares with every process, and ends before it begins; who
/// started it sees ERROR_INTERNAL_ERROR (1359). Some containers forbid to turn that off.
fn fixed_addresses() -> &'static [&'static str] {
    const FIXED: &[&str] = &["setarch", "-R"];
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = WORKS.get_or_init(|| {
        let probe = Command::new(FIXED[0]).args(&FIXED[1..]).arg("true").output();
        probe.is_ok_and(|probe| probe.status.success())
    });
    if *works { FIXED } else { &[] }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What is left of it ends with this process's session at the latest.
        let _ = self.command("wineserver").arg("--kill").status();
    }
}

/// Builds the stand-in for the DLL from the repository's own source.
fn build_stand_in(to: &Path) -> Result<()> {
    let source = root()?.join("xtask/wine/bcryptprimitives.c");
    let mut compiler = Command::new("x86_64-w64-mingw32-gcc");
    run(compiler.args(["-shared", "-O2", "-o"]).arg(to).arg(source).arg("-ladvapi32"))
}
