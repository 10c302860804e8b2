//! The boot id and the offsets of a time namespace.

use super::{lines, number, words};
use lock_core::identity::TimeOffset;

/// Reads a boot id: the lower-case UUID in it, or `None` for any other shape.
#[must_use]
pub fn boot_id(bytes: &[u8]) -> Option<String> {
    let id = bytes.trim_ascii();
    let well_formed = id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let text = std::str::from_utf8(id).ok().filter(|_| well_formed)?;
    Some(text.to_ascii_lowercase())
}

/// Reads `/proc/self/timens_offsets`: one line per clock, with seconds and nanoseconds.
///
/// `None` unless both clocks are there and representable.
#[must_use]
pub fn time_offsets(bytes: &[u8]) -> Option<TimeOffset> {
    // Linux 5.6 wrote the number of the clock, later versions write its name.
    let offset = |name: &[u8], id: &[u8]| {
        let mut line = lines(bytes).map(words).find_map(|mut line| {
            line.next().filter(|clock| *clock == name || *clock == id).map(|_| line)
        })?;
        let seconds = signed(line.next()?)?;
        let nanoseconds = signed(line.next()?)?;
        seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
    };
    Some(TimeOffset {
        monotonic_ns: offset(b"monotonic", b"1")?,
        boottime_ns: offset(b"boottime", b"7")?,
    })
}

fn signed(digits: &[u8]) -> Option<i64> {
    match digits.strip_prefix(b"-") {
        Some(magnitude) => number::<i64>(magnitude).map(std::ops::Neg::neg),
        None => number(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"0a1b2c3d-0000-4000-8000-123456789abc\n", Some("0a1b2c3d-0000-4000-8000-123456789abc"))]
    #[case(b"  0A1B2C3D-0000-4000-8000-123456789ABC", Some("0a1b2c3d-0000-4000-8000-123456789abc"))]
    #[case::empty(b"", None)]
    #[case::no_dashes(b"0a1b2c3d00004000800012345678 9abc", None)]
    #[case::dash_elsewhere(b"0a1b2c3d0-000-4000-8000-123456789abc", None)]
    #[case::not_hex(b"0a1b2c3g-0000-4000-8000-123456789abc", None)]
    #[case::too_long(b"0a1b2c3d-0000-4000-8000-123456789abcd", None)]
    #[case::two(b"0a1b2c3d-0000-4000-8000-123456789abc\n0a1b2c3d", None)]
    #[case::not_utf8(b"\xffa1b2c3d-0000-4000-8000-123456789abc", None)]
    fn boot_ids(#[case] bytes: &[u8], #[case] expected: Option<&str>) {
        assert_eq!(boot_id(bytes).as_deref(), expected);
    }

    #[rstest]
    #[case(b"monotonic           0         0\nboottime            0         0\n", Some((0, 0)))]
    #[case(b"monotonic -1 999000000\nboottime 1000 5000000\n", Some((-1_000_000, 1_000_005_000_000)))]
    #[case::by_number(b"1 2 0\n7 -300 0\n", Some((2_000_000_000, -300_000_000_000)))]
    #[case::empty(b"", None)]
    #[case::one_clock(b"boottime 0 0\n", None)]
    #[case::cut(b"monotonic 0 0\nboottime 0", None)]
    #[case::words(b"monotonic 0 0\nboottime x 0", None)]
    #[case::overflow(b"monotonic 0 0\nboottime 9223372036854775807 0\n", None)]
    fn offsets(#[case] bytes: &[u8], #[case] expected: Option<(i64, i64)>) {
        let expected =
            expected.map(|(monotonic_ns, boottime_ns)| TimeOffset { monotonic_ns, boottime_ns });
        assert_eq!(time_offsets(bytes), expected);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = boot_id(&bytes);
            let _ = time_offsets(&bytes);
        }

        #[test]
        fn any_numbers_are_safe(s in "-{0,2}[0-9]{0,25}", ns in "-{0,2}[0-9]{0,25}") {
            let _ = time_offsets(format!("monotonic {s} {ns}\nboottime {ns} {s}\n").as_bytes());
        }
    }
}
