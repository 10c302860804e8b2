//! The boot id, and whether it is the kernel's own word.

use super::procfs::read_to_end;
use crate::parse;
use lock_core::identity::BootId;
use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, FsWord, Mode, OFlags, PROC_SUPER_MAGIC, StatxAttributes, StatxFlags, fstatfs, open,
    statx,
};
use rustix::io::Errno;

const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// What `uname -v` says in every gVisor sandbox. Its procfs looks like the kernel's, but makes
/// up a boot id per instance.
const GVISOR: &[u8] = b"#1 SMP Sun Jan 10 15:06:54 PST 2016";

/// Reads the boot id.
///
/// It is the kernel's own word if the very file is procfs's and nothing is mounted over it:
/// LXC and systemd-nspawn bind a file with a random id there. `openat2` with
/// `RESOLVE_NO_XDEV` would be simpler and wrong: container runtimes bind `/proc/sys` to
/// itself, to make it read-only, and that id is genuine.
pub(super) fn boot_id() -> Result<BootId, Errno> {
    let file = match open(PATH, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()) {
        Ok(file) => file,
        // No procfs, one mounted with `subset=pid`, WSL 1: there is no id to be had.
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(BootId::Unknown),
        Err(errno) => return Err(errno),
    };
    let Some(id) = parse::boot_id(&read_to_end(&file)?) else { return Ok(BootId::Unknown) };
    let mounted_over = is_mount_root(&file);
    let version = rustix::system::uname();
    Ok(if is_kernels_word(fstatfs(&file)?.f_type, mounted_over, version.version().to_bytes()) {
        BootId::Kernel(id)
    } else {
        BootId::Doubtful(id)
    })
}

/// Whether a file of this type, on a kernel that calls itself `version`, tells the truth.
fn is_kernels_word(file_system: FsWord, mounted_over: bool, version: &[u8]) -> bool {
    file_system == PROC_SUPER_MAGIC && !mounted_over && version != GVISOR
}

/// Whether something is known to be mounted at this very file. Kernels before 5.8 cannot say;
/// there, only the type of the file system tells.
fn is_mount_root(file: impl AsFd) -> bool {
    statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::empty()).is_ok_and(|found| {
        found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            && found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LINUX: &[u8] = b"#1 SMP PREEMPT_DYNAMIC Mon Jan 1 00:00:00 UTC 2024";
    const TMPFS: FsWord = 0x0102_1994;

    #[rstest]
    #[case::genuine(PROC_SUPER_MAGIC, false, LINUX, true)]
    #[case::lxc_and_nspawn(TMPFS, true, LINUX, false)]
    #[case::below_a_mount(TMPFS, false, LINUX, false)]
    #[case::another_file_of_procfs(PROC_SUPER_MAGIC, true, LINUX, false)]
    #[case::gvisor(PROC_SUPER_MAGIC, false, GVISOR, false)]
    fn whose_word(
        #[case] file_system: FsWord,
        #[case] mounted_over: bool,
        #[case] version: &[u8],
        #[case] expected: bool,
    ) {
        assert_eq!(is_kernels_word(file_system, mounted_over, version), expected);
    }
}
