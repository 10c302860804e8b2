//! What macOS does in its own way: renaming without replacing, and naming file systems.

use std::ffi::c_char;
use std::os::fd::BorrowedFd;

use rustix::fs::RenameFlags;

use super::At;
use super::unix::Native;
use crate::filesystem::Filesystem;

/// `renameatx_np` with `RENAME_EXCL` (`rename(2)`): APFS and HFS+ have it.
pub(super) fn rename_new(from: At<'_, Native>, to: At<'_, Native>) -> rustix::io::Result<()> {
    let (from_dir, to_dir) = (from.dir.fd(), to.dir.fd());
    rustix::fs::renameat_with(from_dir, from.name, to_dir, to.name, RenameFlags::NOREPLACE)
}

/// Asked of the file itself (`statfs(2)`), so no mount can be taken for another.
pub(super) fn filesystem(fd: BorrowedFd<'_>) -> Filesystem {
    let Ok(found) = rustix::fs::fstatfs(fd) else { return Filesystem::unknown() };
    let name: Vec<u8> = found.f_fstypename.iter().map(|&c: &c_char| c.cast_unsigned()).collect();
    let name = name.split(|&b| b == 0).next().unwrap_or_default();
    let local = found.f_flags & libc::MNT_LOCAL.cast_unsigned() != 0;
    Filesystem::classify_macos(&String::from_utf8_lossy(name), local)
}
