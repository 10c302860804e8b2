//! What an error number means for the protocol, where the number alone does not say it.
//!
//! Written with `==`: `ENOTSUP` and `EOPNOTSUPP` are one number on Linux and two on macOS.

use std::io;

use rustix::io::Errno;

/// What Linux never answers here: elsewhere a number may mean something else.
const BSD: bool = cfg!(not(target_os = "linux"));

/// Opening without following links failed.
pub(super) fn not_regular(e: Errno) -> io::Error {
    // A link; a directory, opened for writing; a FIFO or socket nobody reads.
    let other = [Errno::LOOP, Errno::ISDIR, Errno::NXIO].contains(&e)
        // FreeBSD's word for a link, and everybody's but Linux's for a socket (`open(2)`).
        || (BSD && [Errno::MLINK, Errno::OPNOTSUPP].contains(&e));
    if other { io::ErrorKind::InvalidInput.into() } else { e.into() }
}

/// Opening a directory without following links failed.
pub(super) fn not_a_directory(e: Errno) -> io::Error {
    let other = [Errno::NOTDIR, Errno::LOOP].contains(&e) || (BSD && e == Errno::MLINK);
    if other { io::ErrorKind::InvalidInput.into() } else { e.into() }
}

/// Linking failed. vfat and exfat have no links and say EPERM.
pub(super) fn no_links(e: Errno) -> io::Error {
    unsupported(e, &[Errno::PERM, Errno::OPNOTSUPP, Errno::NOTSUP])
}

/// Renaming without replacing failed. NFS and 9p answer EINVAL to the flag, kernels before
/// Linux 3.15 ENOSYS (and rustix for macOS before 10.12), a file system of macOS without
/// `VOL_CAP_INT_RENAME_EXCL` ENOTSUP.
pub(super) fn no_rename_new(e: Errno) -> io::Error {
    unsupported(e, &[Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP])
}

/// A lock call failed: what can only mean that there are no byte locks here, now and later, says so.
/// NFS without a lock daemon answers ENOLCK (as a kernel short of memory does, rarely), a FUSE or
/// SMB mount without locks EOPNOTSUPP or ENOTSUP, a kernel without these locks EINVAL, a FUSE server
/// ENOSYS.
pub(super) fn no_byte_locks(e: io::Error) -> io::Error {
    let these = [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::INVAL, Errno::NOSYS];
    if Errno::from_io_error(&e).is_some_and(|errno| these.contains(&errno)) {
        return io::Error::new(io::ErrorKind::Unsupported, format!("no byte locks here: {e}"));
    }
    e
}

fn unsupported(e: Errno, these: &[Errno]) -> io::Error {
    if these.contains(&e) { io::ErrorKind::Unsupported.into() } else { e.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{AlreadyExists, InvalidInput, NotFound, PermissionDenied, Unsupported};
    use rstest::rstest;

    #[rstest]
    #[case(not_regular, Errno::LOOP, InvalidInput)]
    #[case(not_regular, Errno::ISDIR, InvalidInput)]
    #[case(not_regular, Errno::NXIO, InvalidInput)]
    #[case(not_regular, Errno::NOENT, NotFound)]
    #[case(not_regular, Errno::ACCESS, PermissionDenied)]
    #[case(not_a_directory, Errno::NOTDIR, InvalidInput)]
    #[case(not_a_directory, Errno::LOOP, InvalidInput)]
    #[case(not_a_directory, Errno::NOENT, NotFound)]
    #[case(no_links, Errno::PERM, Unsupported)]
    #[case(no_links, Errno::OPNOTSUPP, Unsupported)]
    #[case(no_links, Errno::NOTSUP, Unsupported)]
    #[case(no_links, Errno::EXIST, AlreadyExists)]
    #[case(no_links, Errno::ACCESS, PermissionDenied)]
    #[case(no_rename_new, Errno::INVAL, Unsupported)]
    #[case(no_rename_new, Errno::NOSYS, Unsupported)]
    #[case(no_rename_new, Errno::OPNOTSUPP, Unsupported)]
    #[case(no_rename_new, Errno::NOTSUP, Unsupported)]
    #[case(no_rename_new, Errno::EXIST, AlreadyExists)]
    #[case(no_rename_new, Errno::NOENT, NotFound)]
    // May be a directory that nobody can write to: another way would fail as well.
    #[case(no_rename_new, Errno::PERM, PermissionDenied)]
    fn means(
        #[case] of: fn(Errno) -> io::Error,
        #[case] errno: Errno,
        #[case] kind: io::ErrorKind,
    ) {
        assert_eq!(of(errno).kind(), kind);
    }

    #[rstest]
    #[case(Errno::NOLCK, Unsupported)]
    #[case(Errno::OPNOTSUPP, Unsupported)]
    #[case(Errno::INVAL, Unsupported)]
    #[case(Errno::NOSYS, Unsupported)]
    // Of one call, or of this descriptor: says nothing about locks.
    #[case(Errno::IO, io::Error::from(Errno::IO).kind())]
    #[case(Errno::BADF, io::Error::from(Errno::BADF).kind())]
    fn means_no_locks(#[case] errno: Errno, #[case] kind: io::ErrorKind) {
        let told = no_byte_locks(errno.into());
        assert_eq!(told.kind(), kind);
        assert!(told.to_string().contains(&io::Error::from(errno).to_string()));
    }

    #[test]
    fn a_number_that_linux_never_answers_keeps_its_own_name_there() {
        for of in [not_regular, not_a_directory] {
            assert_eq!(of(Errno::MLINK).kind() == InvalidInput, BSD);
        }
    }
}
