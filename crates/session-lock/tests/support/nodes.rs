//! What Unix has at paths besides files and directories.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use super::alone::DEAD;

pub(crate) fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_fifo());
}

pub(crate) fn socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
}

pub(crate) fn link(to: &str, path: &Path) {
    symlink(to, path).unwrap();
}

/// A link to another file, which has every reason to go.
pub(crate) fn bystander(path: &Path) {
    let bystander = path.with_file_name("bystander");
    fs::write(&bystander, DEAD).unwrap();
    super::os::make_old(&bystander, std::time::Duration::from_secs(3600));
    link("bystander", path);
}
