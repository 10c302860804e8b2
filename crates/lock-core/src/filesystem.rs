//! What a lock's file system lets one conclude, read from `mountinfo` (Linux), from the name that
//! `statfs` gives (macOS), or from what Windows says of a volume.
//!
//! On Linux the type comes from the mount table, never from the `statfs` magic: 9p shows the magic
//! of the host's file system. What is not on the list is not trusted.

use std::path::Path;

/// How far advisory byte locks on a file system reach; what proves less comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FsClass {
    /// One kernel, one lock domain, survives a reboot: a free owner byte proves release.
    Local,
    /// Like `Local`, but its content is gone after a reboot (tmpfs).
    Volatile,
    /// The guest's kernel locks, the host's may not see it (FUSE, virtiofs, 9p): a free owner
    /// byte may only break a tie.
    GuestLocal,
    /// Locks go to a server, or another machine can hold them: a free byte proves nothing.
    Network,
    /// Not on any list.
    Unknown,
}

impl FsClass {
    /// Whether only one kernel at a time can have it mounted and still find it after a reboot,
    /// so that another boot id means an earlier boot.
    #[must_use]
    pub fn outlives_only_its_kernel(self) -> bool {
        self == Self::Local
    }

    /// The class of a file that the owner saw as `owners`, for a process that sees it as `self`.
    ///
    /// A host sees an ordinary directory where its guests see 9p, and a server where its clients
    /// see NFS: it is as local as the less local of the two views.
    #[must_use]
    pub fn seen_by_owner_as(self, owners: Self) -> Self {
        match owners.reach() {
            Some(_) => self.max(owners),
            None => self,
        }
    }

    /// The word for it in a record; `None` where one kernel has it to itself.
    #[must_use]
    pub fn reach(self) -> Option<&'static str> {
        match self {
            Self::Local | Self::Volatile => None,
            Self::GuestLocal => Some("guest"),
            Self::Network => Some("network"),
            Self::Unknown => Some("unknown"),
        }
    }

    /// Reads [`reach`](Self::reach); a record without it was written by an owner that had the
    /// file system to its kernel alone.
    pub(crate) fn from_reach(word: Option<&str>) -> Self {
        match word {
            None => Self::Local,
            Some("guest") => Self::GuestLocal,
            Some("network") => Self::Network,
            Some(_) => Self::Unknown,
        }
    }
}

/// A mounted file system, as far as locks are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Its type as the mount table spells it (`ext4`, `fuse.sshfs`, …); empty when unknown.
    pub kind: String,
    /// What follows from it.
    pub class: FsClass,
    /// Whether byte locks exclude everybody who can reach the file. Where they do not, the
    /// binding byte protects nobody and a *living* owner is never evicted.
    pub locks_exclude: bool,
}

/// What a Windows volume is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// This machine's, removable ones included.
    Local,
    /// This machine's memory.
    Memory,
    /// A server's.
    Remote,
    /// The system would not say.
    Unknown,
}

impl Filesystem {
    /// Nothing is known: no mount table, or the mount is not in it.
    #[must_use]
    pub fn unknown() -> Self {
        Self { kind: String::new(), class: FsClass::Unknown, locks_exclude: false }
    }

    /// Classifies a mount by its type and its options. `upper` classifies the directory that
    /// an overlay writes to; an overlay is as local as that.
    #[must_use]
    pub fn classify(
        kind: &str,
        options: &str,
        upper: impl FnOnce(&Path) -> Option<Filesystem>,
    ) -> Self {
        let option = |wanted: &str| options.split(',').find(|o| *o == wanted).is_some();
        let (class, locks_exclude) = match kind {
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "zfs" | "f2fs" | "bcachefs" | "vfat"
            | "exfat" | "jfs" | "nilfs2" => (FsClass::Local, true),
            "tmpfs" | "ramfs" => (FsClass::Volatile, true),
            "overlay" => {
                let path = options.split(',').find_map(|o| o.strip_prefix("upperdir="));
                let upper = path.and_then(|p| upper(Path::new(p)));
                match upper.map(|u| u.class) {
                    Some(class @ (FsClass::Local | FsClass::Volatile)) => (class, true),
                    // Inside a container the upper directory's path is the host's, and cannot
                    // be looked at: no more than a tie-breaker, then.
                    _ => (FsClass::GuestLocal, true),
                }
            }
            "nfs" | "nfs4" => {
                let local = ["nolock", "local_lock=all", "local_lock=posix"];
                (FsClass::Network, !local.into_iter().any(option))
            }
            "cifs" | "smb3" => (FsClass::Network, !option("nobrl")),
            "ceph" | "gfs2" | "ocfs2" | "lustre" | "glusterfs" | "afs" => (FsClass::Network, true),
            "9p" | "virtiofs" | "fuse" | "fuseblk" | "fakeowner" => (FsClass::GuestLocal, false),
            _ if kind.starts_with("fuse.") => (FsClass::GuestLocal, false),
            _ => (FsClass::Unknown, false),
        };
        Self { kind: kind.to_owned(), class, locks_exclude }
    }

    /// Classifies a file system of macOS by what `statfs(2)` calls it, and by whether it says
    /// that it is stored here. Its mount options are not to be had: where an option can take the
    /// locks off the server, they are not relied on.
    #[must_use]
    pub fn classify_macos(kind: &str, is_local: bool) -> Self {
        let (class, locks_exclude) = match kind {
            "apfs" | "hfs" if is_local => (FsClass::Local, true),
            "tmpfs" if is_local => (FsClass::Volatile, true),
            // `locallocks` of mount_nfs(8), and servers of SMB and AFP without byte locks.
            "nfs" | "smbfs" | "afpfs" | "webdav" | "acfs" => (FsClass::Network, false),
            "virtiofs" => (FsClass::GuestLocal, false),
            _ if kind.starts_with("macfuse") || kind.starts_with("osxfuse") => {
                (FsClass::GuestLocal, false)
            }
            _ if is_local => (FsClass::Unknown, false),
            _ => (FsClass::Network, false),
        };
        Self { kind: kind.to_owned(), class, locks_exclude }
    }

    /// Classifies a Windows volume by the name of its file system (`GetVolumeInformation`) and
    /// what it is on. Servers give the name that the volume has there.
    #[must_use]
    pub fn classify_windows(name: &str, disk: Disk) -> Self {
        let listed = matches!(name, "NTFS" | "ReFS" | "FAT" | "FAT32" | "exFAT");
        let (class, locks_exclude) = match disk {
            Disk::Remote => (FsClass::Network, true),
            Disk::Local if listed => (FsClass::Local, true),
            Disk::Memory if listed => (FsClass::Volatile, true),
            // A cluster's volumes (CSVFS) and whatever else calls itself local.
            Disk::Local | Disk::Memory | Disk::Unknown => (FsClass::Unknown, false),
        };
        Self { kind: name.to_owned(), class, locks_exclude }
    }

    /// Finds the mount with this id in the text of `/proc/self/mountinfo`
    /// (`proc_pid_mountinfo(5)`), as (type, per-superblock options).
    #[must_use]
    pub fn find_mount(mountinfo: &[u8], mount_id: u64) -> Option<(String, String)> {
        mountinfo.split(|&b| b == b'\n').find_map(|line| {
            let line = String::from_utf8_lossy(line);
            let (before, after) = line.split_once(" - ")?;
            if before.split(' ').next()?.parse() != Ok(mount_id) {
                return None;
            }
            let mut after = after.split(' ');
            let kind = after.next()?.to_owned();
            Some((kind, unescape(after.nth(1).unwrap_or(""))))
        })
    }
}

/// Undoes `\040` and friends, which the kernel writes for white space and backslashes.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ext4", "rw", FsClass::Local, true)]
    #[case("xfs", "rw", FsClass::Local, true)]
    #[case("ext2", "rw", FsClass::Local, true)]
    #[case("ext3", "rw", FsClass::Local, true)]
    #[case("btrfs", "rw", FsClass::Local, true)]
    #[case("zfs", "rw", FsClass::Local, true)]
    #[case("f2fs", "rw", FsClass::Local, true)]
    #[case("bcachefs", "rw", FsClass::Local, true)]
    #[case("vfat", "rw", FsClass::Local, true)]
    #[case("exfat", "rw", FsClass::Local, true)]
    #[case("jfs", "rw", FsClass::Local, true)]
    #[case("nilfs2", "rw", FsClass::Local, true)]
    #[case("tmpfs", "rw", FsClass::Volatile, true)]
    #[case("ramfs", "rw", FsClass::Volatile, true)]
    #[case("nfs4", "rw,vers=4.2,local_lock=none", FsClass::Network, true)]
    #[case("nfs", "rw,vers=3,nolock,local_lock=all", FsClass::Network, false)]
    #[case("nfs", "rw,vers=3,nolock", FsClass::Network, false)]
    #[case("nfs", "rw,vers=3,local_lock=all", FsClass::Network, false)]
    #[case("nfs", "rw,vers=3,local_lock=posix", FsClass::Network, false)]
    #[case("nfs", "rw,vers=3,local_lock=flock", FsClass::Network, true)]
    #[case("cifs", "rw,vers=3.1.1", FsClass::Network, true)]
    #[case("cifs", "rw,nobrl", FsClass::Network, false)]
    #[case("smb3", "rw", FsClass::Network, true)]
    #[case("ceph", "rw", FsClass::Network, true)]
    #[case("gfs2", "rw", FsClass::Network, true)]
    #[case("ocfs2", "rw", FsClass::Network, true)]
    #[case("lustre", "rw", FsClass::Network, true)]
    #[case("glusterfs", "rw", FsClass::Network, true)]
    #[case("afs", "rw", FsClass::Network, true)]
    #[case("smb3", "rw,nobrl", FsClass::Network, false)]
    #[case("9p", "rw,trans=virtio", FsClass::GuestLocal, false)]
    #[case("virtiofs", "rw", FsClass::GuestLocal, false)]
    #[case("fuse.sshfs", "rw", FsClass::GuestLocal, false)]
    #[case("fuse", "rw", FsClass::GuestLocal, false)]
    #[case("fuseblk", "rw", FsClass::GuestLocal, false)]
    #[case("fakeowner", "rw", FsClass::GuestLocal, false)]
    #[case("newfs", "rw", FsClass::Unknown, false)]
    fn classes(
        #[case] kind: &str,
        #[case] options: &str,
        #[case] class: FsClass,
        #[case] exclude: bool,
    ) {
        let fs = Filesystem::classify(kind, options, |_| unreachable!("no overlay"));
        assert_eq!((fs.class, fs.locks_exclude), (class, exclude));
    }

    #[rstest]
    #[case("apfs", true, FsClass::Local, true)]
    #[case("hfs", true, FsClass::Local, true)]
    #[case("tmpfs", true, FsClass::Volatile, true)]
    #[case("nfs", false, FsClass::Network, false)]
    #[case("smbfs", false, FsClass::Network, false)]
    #[case("afpfs", false, FsClass::Network, false)]
    #[case("webdav", false, FsClass::Network, false)]
    #[case("virtiofs", true, FsClass::GuestLocal, false)]
    #[case("macfuse", true, FsClass::GuestLocal, false)]
    #[case("macfuse_sshfs", false, FsClass::GuestLocal, false)]
    #[case("exfat", true, FsClass::Unknown, false)]
    #[case("msdos", true, FsClass::Unknown, false)]
    #[case("newfs", true, FsClass::Unknown, false)]
    // Whatever it calls itself: it is stored somewhere else.
    #[case("newfs", false, FsClass::Network, false)]
    #[case("apfs", false, FsClass::Network, false)]
    // Names are those of macOS, not those of Linux.
    #[case("ext4", true, FsClass::Unknown, false)]
    #[case("", true, FsClass::Unknown, false)]
    fn classes_on_macos(
        #[case] kind: &str,
        #[case] is_local: bool,
        #[case] class: FsClass,
        #[case] exclude: bool,
    ) {
        let fs = Filesystem::classify_macos(kind, is_local);
        assert_eq!((fs.kind.as_str(), fs.class, fs.locks_exclude), (kind, class, exclude));
    }

    #[rstest]
    #[case(FsClass::Local, FsClass::Local, FsClass::Local)]
    #[case(FsClass::Volatile, FsClass::Local, FsClass::Volatile)]
    #[case(FsClass::Local, FsClass::Volatile, FsClass::Local)]
    #[case(FsClass::Local, FsClass::GuestLocal, FsClass::GuestLocal)]
    #[case(FsClass::GuestLocal, FsClass::Local, FsClass::GuestLocal)]
    #[case(FsClass::Local, FsClass::Network, FsClass::Network)]
    #[case(FsClass::Network, FsClass::GuestLocal, FsClass::Network)]
    #[case(FsClass::Volatile, FsClass::Unknown, FsClass::Unknown)]
    fn the_less_local_view_counts(
        #[case] ours: FsClass,
        #[case] owners: FsClass,
        #[case] both: FsClass,
    ) {
        assert_eq!(ours.seen_by_owner_as(owners), both);
        let read = FsClass::from_reach(owners.reach());
        assert_eq!(ours.seen_by_owner_as(read), both, "the record keeps what matters");
    }

    #[rstest]
    #[case(Some("ext4"), FsClass::Local)]
    #[case(Some("tmpfs"), FsClass::Volatile)]
    #[case(Some("nfs4"), FsClass::GuestLocal)]
    #[case(None, FsClass::GuestLocal)]
    fn an_overlay_is_as_local_as_its_upper_layer(
        #[case] upper: Option<&str>,
        #[case] class: FsClass,
    ) {
        let fs =
            Filesystem::classify("overlay", "rw,lowerdir=/l,upperdir=/u p,workdir=/w", |path| {
                assert_eq!(path, Path::new("/u p"));
                upper.map(|kind| Filesystem::classify(kind, "", |_| None))
            });
        assert_eq!(fs.class, class);
    }

    #[rstest]
    #[case("NTFS", Disk::Local, FsClass::Local, true)]
    #[case("ReFS", Disk::Local, FsClass::Local, true)]
    #[case("exFAT", Disk::Local, FsClass::Local, true)]
    #[case("NTFS", Disk::Memory, FsClass::Volatile, true)]
    #[case("NTFS", Disk::Remote, FsClass::Network, true)]
    #[case("NTFS", Disk::Unknown, FsClass::Unknown, false)]
    #[case("CSVFS", Disk::Local, FsClass::Unknown, false)]
    #[case("", Disk::Local, FsClass::Unknown, false)]
    fn windows_volumes(
        #[case] name: &str,
        #[case] disk: Disk,
        #[case] class: FsClass,
        #[case] exclude: bool,
    ) {
        let fs = Filesystem::classify_windows(name, disk);
        assert_eq!((fs.class, fs.locks_exclude), (class, exclude));
    }

    #[test]
    fn mounts_are_found_by_id_and_unescaped() {
        let text = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw\n\
                     36 22 0:32 / /a\\040b rw - overlay overlay rw,upperdir=/u\\040p\\134\n";
        let mount = |id| Filesystem::find_mount(text, id);
        assert_eq!(mount(22), Some(("ext4".into(), "rw".into())));
        assert_eq!(mount(36), Some(("overlay".into(), "rw,upperdir=/u p\\".into())));
        assert_eq!(mount(2), None);
        assert_eq!(Filesystem::find_mount(b"garbage - \n\xff - x", 1), None);
    }
}
