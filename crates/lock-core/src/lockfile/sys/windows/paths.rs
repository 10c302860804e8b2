//! Paths as the system takes them literally, whatever their length.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf, Prefix};

use super::{Dir, Place};

/// The `\\?\` form of a place: no limit of 260 characters, and nothing in it means anything else.
///
/// What is not in that form yet is first read as every other program reads it: `/` separates,
/// trailing dots and blanks of a name fall away, `NUL` and its like name devices, which no lock
/// can be on.
pub(super) fn verbatim(at: Place<'_, Dir>) -> io::Result<PathBuf> {
    let full = std::path::absolute(at.dir.join(at.name))?;
    let Some(Component::Prefix(prefix)) = full.components().next() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (start, rest) = match prefix.kind() {
        Prefix::Verbatim(_) | Prefix::VerbatimUNC(..) | Prefix::VerbatimDisk(_) => return Ok(full),
        Prefix::Disk(_) => (r"\\?\", full.as_os_str()),
        Prefix::UNC(..) => return Ok(verbatim_share(&full)),
        Prefix::DeviceNS(_) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut long = OsString::from(start);
    long.push(rest);
    Ok(long.into())
}

/// `\\?\UNC\server\share\…` for `\\server\share\…`.
fn verbatim_share(full: &Path) -> PathBuf {
    let mut long = PathBuf::from(r"\\?\UNC");
    for part in full.components() {
        match part {
            Component::Prefix(prefix) => {
                if let Prefix::UNC(server, share) = prefix.kind() {
                    long.push(server);
                    long.push(share);
                }
            }
            Component::Normal(name) => long.push(name),
            Component::RootDir | Component::CurDir | Component::ParentDir => {}
        }
    }
    long
}

/// A place as zero-terminated UTF-16, in the `\\?\` form.
#[derive(Debug)]
pub(crate) struct Wide(Box<[u16]>);

impl Wide {
    pub(super) fn of(at: Place<'_, Dir>) -> io::Result<Self> {
        let path = verbatim(at)?;
        let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
        if units.contains(&0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        units.push(0);
        Ok(Self(units.into_boxed_slice()))
    }

    /// The same for an absolute path.
    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Self::of(Place::absolute(path))
    }

    pub(super) fn as_ptr(&self) -> *const u16 {
        self.0.as_ptr()
    }

    /// Without the zero.
    pub(super) fn without_end(&self) -> &[u16] {
        self.0.split_last().map_or(&[], |(_, name)| name)
    }
}
