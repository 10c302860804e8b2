//! What is run: kernels, disks, mounts and the rows of the table, as data.

use super::expected::{self, Expected};

/// A virtual machine that is booted, cut off from power, and booted again.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Part of the short setting.
    pub(super) short: bool,
    /// The flavour of Debian's kernel: the small one has no 9p.
    pub(super) kernel: &'static str,
    /// Debian packages whose files the guest has.
    pub(super) packages: &'static [&'static str],
    pub(super) modules: &'static [&'static str],
    pub(super) memory_mb: u32,
    /// File systems that are made on disks of their own: what makes them, and whose it is.
    pub(super) disks: &'static [Disk],
    /// 9p mount tags, all of one directory of the host.
    pub(super) tags: &'static [&'static str],
    /// Makes the mounts, in both boots.
    pub(super) mounts: &'static str,
    pub(super) rows: &'static [Row],
}

pub(super) struct Disk {
    pub(super) kind: &'static str,
    pub(super) mkfs: &'static str,
    pub(super) package: &'static str,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What the second view is.
    pub(super) about: &'static str,
    /// Without this disk the row cannot be run.
    pub(super) disk: Option<&'static str>,
    /// Where the holders' locks are.
    pub(super) hold: &'static str,
    /// Where others look for them.
    pub(super) view: &'static str,
    pub(super) other: &'static str,
    /// Whether both views are one directory, so that locks taken in one exclude the other's.
    pub(super) one_directory: bool,
    pub(super) expected: &'static Expected,
}

const fn disk(kind: &'static str, mkfs: &'static str, package: &'static str) -> Disk {
    Disk { kind, mkfs, package }
}

const fn local(kind: &'static str, view: &'static str, other: &'static str) -> Row {
    Row {
        name: kind,
        about: "the same disk, mounted twice",
        disk: Some(kind),
        hold: view,
        view,
        other,
        one_directory: true,
        expected: &expected::LOCAL,
    }
}

/// In the order in which they are run.
pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "local",
    short: true,
    kernel: "cloud-amd64",
    packages: &[],
    modules: &[
        "virtio_pci",
        "virtio_blk",
        "xfs",
        "btrfs",
        "crc32c-intel",
        "blake2b_generic",
        "xxhash_generic",
        "vfat",
        "nls_cp437",
        "nls_ascii",
        "exfat",
        "overlay",
    ],
    memory_mb: 768,
    disks: &[
        disk("ext4", "mkfs.ext4", "e2fsprogs"),
        disk("xfs", "mkfs.xfs", "xfsprogs"),
        disk("btrfs", "mkfs.btrfs", "btrfs-progs"),
        disk("vfat", "mkfs.vfat", "dosfstools"),
        disk("exfat", "mkfs.exfat", "exfatprogs"),
    ],
    tags: &[],
    mounts: include_str!("../../../vm/local.sh"),
    rows: &[
        local("ext4", "/m/ext4/locks", "/m/ext4.again/locks"),
        local("xfs", "/m/xfs/locks", "/m/xfs.again/locks"),
        local("btrfs", "/m/btrfs/locks", "/m/btrfs.again/locks"),
        local("vfat", "/m/vfat/locks", "/m/vfat.again/locks"),
        local("exfat", "/m/exfat/locks", "/m/exfat.again/locks"),
        Row {
            about: "a bind mount",
            disk: None,
            expected: &expected::TMPFS,
            ..local("tmpfs", "/m/tmpfs/locks", "/m/tmpfs.again/locks")
        },
        Row {
            about: "a bind mount",
            disk: Some("ext4"),
            ..local("overlay", "/m/overlay/locks", "/m/overlay.again/locks")
        },
        Row {
            name: "overlay, one lower",
            about: "two overlays, the owner in their lower directory",
            disk: Some("ext4"),
            hold: "/m/ext4/layers/shared/locks",
            view: "/m/one/locks",
            other: "/m/two/locks",
            one_directory: false,
            expected: &expected::ONE_LOWER,
        },
    ],
}];

impl Row {
    /// Its name in the scripts and in file names.
    pub(super) fn key(&self) -> String {
        self.name.replace([' ', ',', '.'], "")
    }
}
