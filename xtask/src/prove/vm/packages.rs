//! Debian packages for the guest: fetched, unpacked and kept, but not installed on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::empty;
use super::scenario::Scenario;
use crate::tools::{as_root, has_program, quietly, run};

const BUSYBOX: &str = "busybox-static";

/// Programs that this machine needs itself, and whose they are.
const PROGRAMS: &[(&str, &str)] = &[("qemu-system-x86_64", "qemu-system-x86"), ("dpkg", "dpkg")];

/// Unpacked packages.
pub(super) struct Packages {
    cache: PathBuf,
}

impl Packages {
    pub(super) fn new(workshop: &Path) -> Self {
        Self { cache: workshop.join("packages") }
    }

    /// Makes sure that everything is there, or says what is not.
    pub(super) fn fetch(&self, scenario: &Scenario, install: bool) -> Result<()> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            bail!("it needs Linux on x86_64, whose programs the guest shares");
        }
        let tools = scenario.disks.iter().map(|disk| (disk.mkfs, disk.package));
        let missing: Vec<_> = PROGRAMS
            .iter()
            .copied()
            .chain(tools)
            .filter(|(program, _)| !has_program(program))
            .collect();
        if install {
            run(as_root("apt-get").args(["update", "-qq"]))?;
            if !missing.is_empty() {
                let packages = missing.iter().map(|(_, package)| package);
                let install = ["install", "-y", "-qq", "--no-install-recommends"];
                run(as_root("apt-get").args(install).args(packages))?;
            }
        }
        for (program, package) in PROGRAMS {
            if !has_program(program) {
                bail!("{program} is missing (Debian's {package}); --install fetches it");
            }
        }
        for package in scenario.packages.iter().chain(&[BUSYBOX]) {
            self.unpack(package, package)?;
        }
        let kernel = kernel_package(scenario);
        if !self.tree(&kernel).is_dir() {
            self.unpack(&newest_kernel(scenario)?, &kernel)?;
        }
        Ok(())
    }

    /// The files of a package that was fetched.
    pub(super) fn tree(&self, package: &str) -> PathBuf {
        self.cache.join(package)
    }

    /// The files of the kernel of a scenario.
    pub(super) fn kernel(&self, scenario: &Scenario) -> PathBuf {
        self.tree(&kernel_package(scenario))
    }

    /// The static busybox: it runs here, too.
    pub(super) fn busybox(&self) -> PathBuf {
        self.tree(BUSYBOX).join("bin/busybox")
    }

    fn unpack(&self, package: &str, tree: &str) -> Result<()> {
        let done = self.tree(tree);
        if done.is_dir() {
            return Ok(());
        }
        eprintln!("  fetching {package}");
        let fresh = empty(&self.cache.join("fresh"))?;
        quietly(Command::new("apt-get").args(["download", package]).current_dir(&fresh))
            .with_context(|| format!("{package} cannot be had; try --install"))?;
        let file = std::fs::read_dir(&fresh)?
            .find_map(|entry| Some(entry.ok()?.path()))
            .with_context(|| format!("{package} was not downloaded"))?;
        let unpacked = fresh.join("tree");
        quietly(Command::new("dpkg").arg("-x").arg(&file).arg(&unpacked))?;
        // Whole, or not at all.
        quietly(Command::new("mv").arg("-T").arg(&unpacked).arg(&done))
    }
}

fn kernel_package(scenario: &Scenario) -> String {
    format!("linux-image-{}", scenario.kernel)
}

/// The package that the distribution's name for its newest kernel stands for.
fn newest_kernel(scenario: &Scenario) -> Result<String> {
    let alias = kernel_package(scenario);
    let shown = Command::new("apt-cache").args(["depends", &alias]).output();
    let shown = shown.context("apt-cache is missing: not a Debian system")?;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    text.lines()
        .find_map(|line| line.trim().strip_prefix("Depends: ").map(str::to_owned))
        .with_context(|| format!("there is no package {alias}; try --install, on Debian"))
}
