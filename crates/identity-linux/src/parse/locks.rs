//! The `lock:` lines of `/proc/<pid>/fdinfo/<fd>`.

use super::{lines, number, words};

/// One granted byte-range lock, as a `lock:` line shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRangeLock {
    /// Device number of the *file system*, major and minor. Not always the one that `stat(2)`
    /// shows for the file: btrfs and overlay have one of their own per subvolume or layer.
    pub device: (u32, u32),
    /// The inode number within that file system.
    pub inode: u64,
    /// The first byte.
    pub first: u64,
    /// The last byte, inclusive.
    pub last: u64,
}

impl ByteRangeLock {
    /// Whether the byte at `offset` is locked.
    #[must_use]
    pub fn covers(&self, offset: u64) -> bool {
        (self.first..=self.last).contains(&offset)
    }
}

/// The byte-range locks in `fdinfo`: of open file descriptions (`OFDLCK`) and of processes
/// (`POSIX`), which exclude each other. `flock(2)` locks and leases are of another kind and
/// keep nobody from a byte.
///
/// ```text
/// lock:   1: OFDLCK ADVISORY  WRITE -1 fe:00:10010749 1073741824 1073741824
/// ```
///
/// The device number is hexadecimal, the inode number decimal, the end may be `EOF`.
pub fn byte_range_locks(fdinfo: &[u8]) -> impl Iterator<Item = ByteRangeLock> {
    lines(fdinfo).filter_map(|line| lock(line.strip_prefix(b"lock:")?))
}

fn lock(line: &[u8]) -> Option<ByteRangeLock> {
    // Number, kind, "ADVISORY" or "MANDATORY", "READ" or "WRITE", pid, file, start, end.
    let mut fields = words(line).skip(1);
    if !matches!(fields.next()?, b"OFDLCK" | b"POSIX") {
        return None;
    }
    let mut file = fields.nth(3)?.splitn(3, |byte| *byte == b':');
    let device = (hexadecimal(file.next()?)?, hexadecimal(file.next()?)?);
    let inode = number(file.next()?)?;
    let first = number(fields.next()?)?;
    let last = match fields.next()? {
        b"EOF" => u64::MAX,
        end => number(end)?,
    };
    Some(ByteRangeLock { device, inode, first, last })
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const FDINFO: &[u8] = b"pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t10010749\n\
        lock:\t1: FLOCK  ADVISORY  WRITE 4242 fe:00:10010749 0 EOF\n\
        lock:\t2: OFDLCK ADVISORY  WRITE -1 fe:1a:10010749 1073741824 1073741824\n\
        lock:\t3: POSIX  ADVISORY  READ 4242 00:2b:7 5 EOF\n\
        lock:\t4: LEASE  ACTIVE    READ 4242 fe:00:10010749 0 EOF\n";

    #[test]
    fn byte_ranges_of_either_kind_and_nothing_else() {
        let locks: Vec<_> = byte_range_locks(FDINFO).collect();
        let owner_byte = ByteRangeLock {
            device: (0xfe, 0x1a),
            inode: 10_010_749,
            first: 0x4000_0000,
            last: 0x4000_0000,
        };
        let to_the_end = ByteRangeLock { device: (0, 0x2b), inode: 7, first: 5, last: u64::MAX };
        assert_eq!(locks, [owner_byte, to_the_end]);
    }

    #[rstest]
    #[case(5, 5, 5, true)]
    #[case(5, 7, 7, true)]
    #[case(5, 7, 4, false)]
    #[case(5, 7, 8, false)]
    #[case(5, u64::MAX, u64::MAX, true)]
    fn covered(#[case] first: u64, #[case] last: u64, #[case] offset: u64, #[case] expected: bool) {
        assert_eq!(
            ByteRangeLock { device: (0, 0), inode: 0, first, last }.covers(offset),
            expected
        );
    }

    #[rstest]
    #[case::no_inode(b"lock:\t1: POSIX  *NOINODE* WRITE 1 <none>:0 0 EOF\n")]
    #[case::cut(b"lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:1 10\n")]
    #[case::decimal_inode(b"lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:ff 1 1\n")]
    #[case::bad_device(b"lock:\t1: OFDLCK ADVISORY  WRITE -1 +e:00:1 1 1\n")]
    #[case::indented(b" lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:1 1 1\n")]
    fn other_shapes_are_skipped(#[case] fdinfo: &[u8]) {
        assert_eq!(byte_range_locks(fdinfo).count(), 0);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = byte_range_locks(&[b"lock:", &bytes[..]].concat()).count();
        }

        #[test]
        fn any_words_are_safe(line in "lock:( [A-Z0-9a-f:-]{0,24}){0,10}") {
            let _ = byte_range_locks(line.as_bytes()).count();
        }
    }
}
