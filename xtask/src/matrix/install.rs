//! What a scenario needs, whether it is there, and fetching it.

use std::process::Command;

use anyhow::{Result, bail};

use super::legs::{Leg, Run, Scenario, oldest_rust};
use crate::tools::{as_root, fetch_target, has_program, has_target, run};

/// What one scenario of one leg needs.
pub(super) struct Needs {
    /// A target of rustup's, unless it is the host's own.
    target: Option<&'static str>,
    /// A toolchain of rustup's.
    toolchain: Option<&'static str>,
    programs: &'static [(&'static str, &'static str)],
}

impl Needs {
    /// Or why it cannot be run on this host, whatever is installed.
    pub(super) fn of(leg: &Leg, scenario: Scenario, host: &str) -> Result<Self, String> {
        let target = leg.target.filter(|target| *target != host);
        let needs = Self { target, toolchain: None, programs: &[] };
        match scenario {
            Scenario::Tests => match leg.way(host) {
                Some(way) => Ok(Self { programs: way.programs, ..needs }),
                None => Err(format!("{} does not run on {host}", leg.about)),
            },
            Scenario::Prefixes => {
                let way = leg.way(host).filter(|way| way.run == Run::Wine);
                match way {
                    Some(way) => Ok(Self { programs: way.programs, ..needs }),
                    None => Err("Wine runs on Linux, and Windows has one pid space".to_owned()),
                }
            }
            Scenario::Compile if !cfg!(unix) => {
                Err("the linker that links nothing is a shell script".to_owned())
            }
            Scenario::Msrv => Ok(Self { toolchain: Some(oldest_rust()), ..needs }),
            _ => Ok(needs),
        }
    }

    /// What is not there, in words.
    pub(super) fn missing(&self) -> Option<String> {
        let target = self.target.filter(|target| !has_target(target));
        let toolchain = self.toolchain.filter(|toolchain| !has_toolchain(toolchain));
        let programs = self.missing_programs();
        let mut missing: Vec<String> = Vec::new();
        missing.extend(target.map(|target| format!("the Rust target {target}")));
        missing.extend(toolchain.map(|toolchain| format!("Rust {toolchain}")));
        missing.extend(programs.iter().map(|(program, _)| (*program).to_owned()));
        (!missing.is_empty()).then(|| missing.join(", "))
    }

    fn missing_programs(&self) -> Vec<(&'static str, &'static str)> {
        self.programs.iter().copied().filter(|(program, _)| !has_program(program)).collect()
    }

    /// Fetches what is missing.
    pub(super) fn install(&self) -> Result<()> {
        if let Some(target) = self.target {
            fetch_target(target)?;
        }
        if let Some(toolchain) = self.toolchain.filter(|toolchain| !has_toolchain(toolchain)) {
            let minimal = ["toolchain", "install", toolchain, "--profile", "minimal"];
            run(Command::new("rustup").args(minimal))?;
        }
        let packages: Vec<_> =
            self.missing_programs().iter().flat_map(|(_, debs)| debs.split(' ')).collect();
        if packages.is_empty() {
            return Ok(());
        }
        if !has_program("apt-get") {
            bail!("not a Debian system: install {} by hand", packages.join(" "));
        }
        run(as_root("apt-get").args(["update", "-qq"]))?;
        let install = ["install", "-y", "-qq", "--no-install-recommends"];
        run(as_root("apt-get").args(install).args(packages))
    }
}

fn has_toolchain(name: &str) -> bool {
    let version = Command::new("rustc").args([&format!("+{name}"), "--version"]).output();
    version.is_ok_and(|version| version.status.success())
}

/// Under what programs run, with its version.
pub(super) fn version(run: Run) -> Option<String> {
    let program = match run {
        Run::Directly => return None,
        Run::Wine => "wine",
        Run::Qemu => "qemu-aarch64-static",
    };
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next()?.split(" (").next()?.trim();
    Some(format!("under {first}"))
}
