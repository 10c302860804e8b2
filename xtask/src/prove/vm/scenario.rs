//! What is run: kernels, disks, mounts and the rows of the table, as data.

use super::expected::{self, Expected};
use super::told::Domain;

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
pub(super) const SCENARIOS: &[Scenario] = &[LOCAL, NFS, NINEP];

const LOCAL: Scenario = Scenario {
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
};

const fn remote(
    name: &'static str,
    about: &'static str,
    view: &'static str,
    other: &'static str,
    expected: &'static Expected,
) -> Row {
    Row { name, about, disk: Some("ext4"), hold: view, view, other, one_directory: true, expected }
}

const NFS: Scenario = Scenario {
    name: "nfs",
    short: false,
    kernel: "cloud-amd64",
    // The server's and the client's programs, and the libraries that they load.
    packages: &[
        "nfs-kernel-server",
        "nfs-common",
        "rpcbind",
        "netbase",
        "libtirpc-common",
        "libtirpc3",
        "libwrap0",
        "libnsl2",
        "libnfsidmap1",
        "libc6",
        "libblkid1",
        "libuuid1",
        "libcap2",
        "libevent-core-2.1-7",
        "libsqlite3-0",
        "libmount1",
        "libselinux1",
        "libpcre2-8-0",
        "libsystemd0",
        "libgcrypt20",
        "libgpg-error0",
        "liblz4-1",
        "liblzma5",
        "libzstd1",
        "libgssapi-krb5-2",
        "libkrb5-3",
        "libk5crypto3",
        "libkrb5support0",
        "libcom-err2",
        "libkeyutils1",
    ],
    modules: &["virtio_pci", "virtio_blk", "nfsd", "nfs", "nfsv3", "nfsv4"],
    memory_mb: 768,
    disks: &[disk("ext4", "mkfs.ext4", "e2fsprogs")],
    tags: &[],
    mounts: include_str!("../../../vm/nfs.sh"),
    rows: &[
        remote(
            "NFS 4.2",
            "two mounts of one export",
            "/m/v4/four",
            "/m/v4.again/four",
            &expected::NFS,
        ),
        remote(
            "NFS 3",
            "two mounts of one export",
            "/m/v3/three",
            "/m/v3.again/three",
            &expected::NFS,
        ),
        remote(
            "NFS 3 nolock",
            "two mounts of one export",
            "/m/nolock/nolock",
            "/m/nolock.again/nolock",
            &expected::NFS_NOLOCK,
        ),
        remote(
            "NFS 3 and 4.2",
            "one export mounted as either",
            "/m/v3/mixed",
            "/m/v4/mixed",
            &expected::NFS,
        ),
        remote(
            "NFS 4.2 and ext4",
            "a mount, and the server's own directory",
            "/m/v4/server",
            "/srv/server",
            &expected::NFS_SERVER,
        ),
    ],
};

const NINEP: Scenario = Scenario {
    name: "9p",
    short: false,
    kernel: "amd64",
    packages: &[],
    modules: &["virtio_pci", "9p", "9pnet_virtio"],
    memory_mb: 768,
    disks: &[],
    tags: &["one", "two"],
    mounts: include_str!("../../../vm/ninep.sh"),
    rows: &[Row {
        disk: None,
        ..remote(
            "9p",
            "one directory of the host, shared twice",
            "/m/one/locks",
            "/m/two/locks",
            &expected::NINEP,
        )
    }],
};

impl Row {
    /// What a trial locks, in the row's directory.
    pub(super) fn target(&self, domain: Domain, trial: &str) -> String {
        match domain {
            Domain::Session => format!("{}-{trial}.jsonl", self.key()),
            Domain::Deps => format!("{}-{trial}", self.key()),
        }
    }

    /// Its name in the scripts and in file names.
    pub(super) fn key(&self) -> String {
        self.name.replace([' ', ',', '.'], "")
    }
}
