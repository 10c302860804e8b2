//! The guest's first file system: busybox, our tool, the modules needed, and the scripts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::packages::Packages;
use super::scenario::{Row, Scenario};
use crate::tools::quietly;

/// A kernel, and what it boots into.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
}

const SCRIPTS: &[(&str, &str)] = &[
    ("init", include_str!("../../../vm/init.sh")),
    ("lib.sh", include_str!("../../../vm/lib.sh")),
    ("before.sh", include_str!("../../../vm/before.sh")),
    ("after.sh", include_str!("../../../vm/after.sh")),
];

/// Puts the image together in `directory`.
pub(super) fn build(
    scenario: &Scenario,
    rows: &[&Row],
    packages: &Packages,
    lockctl: &Path,
    directory: &Path,
) -> Result<Image> {
    let root = directory.join("root");
    fs::create_dir_all(&root)?;
    for package in scenario.packages {
        let files = packages.tree(package);
        quietly(Command::new("cp").arg("-a").arg(files.join(".")).arg(&root))?;
    }
    // Where a distribution has /bin, /sbin and /lib as links into /usr, its packages do not know.
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(packages.busybox(), root.join("bin/busybox"))?;
    fs::copy(lockctl, root.join("bin/lockctl"))?;
    for (name, text) in SCRIPTS {
        fs::write(root.join(name), text)?;
    }
    fs::write(root.join("mounts.sh"), scenario.mounts)?;
    fs::write(root.join("rows"), rows.iter().map(|row| line(row)).collect::<String>())?;
    quietly(Command::new("chmod").arg("755").arg(root.join("init")))?;
    let kernel = modules(scenario, packages, &root)?;
    let initramfs = directory.join("initramfs.cpio");
    pack(&packages.busybox(), &root, &initramfs)?;
    Ok(Image { kernel, initramfs })
}

/// A row as the scripts read it.
fn line(row: &Row) -> String {
    let counts = if row.one_directory { "count" } else { "-" };
    format!("{} {} {} {} {counts}\n", row.key(), row.hold, row.view, row.other)
}

/// Copies the modules and those that they need. Answers the kernel.
fn modules(scenario: &Scenario, packages: &Packages, root: &Path) -> Result<PathBuf> {
    let files = packages.kernel(scenario);
    let versions = files.join("lib/modules");
    let version = fs::read_dir(&versions)?.next().context("a kernel without modules")??.file_name();
    let from = versions.join(&version);
    if !from.join("modules.dep").exists() {
        quietly(
            Command::new(packages.busybox()).arg("depmod").arg("-b").arg(&files).arg(&version),
        )?;
    }
    let to = root.join("lib/modules").join(&version);
    fs::create_dir_all(&to)?;
    for index in ["modules.dep", "modules.alias", "modules.builtin"] {
        fs::copy(from.join(index), to.join(index))?;
    }
    let index = fs::read_to_string(from.join("modules.dep"))?;
    let needs: BTreeMap<&str, &str> =
        index.lines().filter_map(|line| line.split_once(':')).collect();
    let built_in = fs::read_to_string(from.join("modules.builtin"))?;
    let mut wanted = Vec::new();
    for module in scenario.modules {
        let file = format!("/{module}.ko");
        match needs.keys().find(|path| path.ends_with(&file)) {
            Some(path) => wanted.push(*path),
            None if built_in.lines().any(|path| path.ends_with(&file)) => {}
            None => bail!("this kernel has no module {module}"),
        }
    }
    while let Some(path) = wanted.pop() {
        let copy = to.join(path);
        if !copy.exists() {
            fs::create_dir_all(copy.parent().context("a module at the root")?)?;
            fs::copy(from.join(path), copy)?;
            wanted.extend(needs.get(path).into_iter().flat_map(|needed| needed.split(' ')));
            wanted.retain(|path| !path.is_empty());
        }
    }
    Ok(files.join("boot").join(format!("vmlinuz-{}", version.display())))
}

/// An uncompressed archive, which the kernel unpacks at once.
fn pack(busybox: &Path, root: &Path, to: &Path) -> Result<()> {
    let mut find = Command::new("find");
    find.args([".", "-print0"]).current_dir(root).stdout(Stdio::piped());
    let mut find = find.spawn().context("cannot run find")?;
    let names = find.stdout.take().context("find has no output")?;
    let mut cpio = Command::new(busybox);
    cpio.args(["cpio", "-0", "-o", "-H", "newc"]).current_dir(root);
    let packed = cpio.stdin(names).stdout(fs::File::create(to)?).stderr(Stdio::null()).status()?;
    if !(find.wait()?.success() && packed.success()) {
        bail!("the guest's files cannot be packed");
    }
    Ok(())
}
