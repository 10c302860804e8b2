//! The three structures about a process, and the id of the boot session.

use lock_core::identity::{Process, StartTime};

/// `sizeof(struct kinfo_proc)` in 64-bit programs.
pub const KINFO_LEN: usize = 648;
/// `sizeof(struct proc_bsdinfo)`.
pub const BSD_INFO_LEN: usize = 136;
/// `sizeof(struct proc_uniqidentifierinfo)`.
pub const UNIQUE_INFO_LEN: usize = 56;

/// Where the used fields of `kinfo_proc` are.
mod kinfo_at {
    pub(super) const SECONDS: usize = 0;
    pub(super) const MICROS: usize = 8;
    pub(super) const STATUS: usize = 36;
    pub(super) const PID: usize = 40;
}

/// Where the used fields of `proc_bsdinfo` are.
mod bsd_info_at {
    pub(super) const STATUS: usize = 4;
    pub(super) const PID: usize = 12;
    pub(super) const SECONDS: usize = 120;
    pub(super) const MICROS: usize = 128;
}

/// Where `p_uniqueid` is in `proc_uniqidentifierinfo`: after the UUID of the executable.
const UNIQUE_ID_AT: usize = 16;

/// One process, as one structure shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// From `p_stat`.
    pub process: Process,
    /// `p_starttime`; the same in both structures, to the microsecond.
    pub start: Option<StartTime>,
}

/// Reads a `kinfo_proc` as that of `pid`; `None` for any other length or pid.
#[must_use]
pub fn kinfo(bytes: &[u8], pid: u32) -> Option<Snapshot> {
    if bytes.len() != KINFO_LEN || u32::from_ne_bytes(field(bytes, kinfo_at::PID)?) != pid {
        return None;
    }
    let seconds = i64::from_ne_bytes(field(bytes, kinfo_at::SECONDS)?);
    let micros = i32::from_ne_bytes(field(bytes, kinfo_at::MICROS)?);
    let [status] = field(bytes, kinfo_at::STATUS)?;
    Some(Snapshot {
        process: process(status.into()),
        start: start(seconds.try_into().ok(), micros.try_into().ok()),
    })
}

/// Reads a `proc_bsdinfo` as that of `pid`; `None` for any other length or pid.
#[must_use]
pub fn bsd_info(bytes: &[u8], pid: u32) -> Option<Snapshot> {
    if bytes.len() != BSD_INFO_LEN || u32::from_ne_bytes(field(bytes, bsd_info_at::PID)?) != pid {
        return None;
    }
    let seconds = u64::from_ne_bytes(field(bytes, bsd_info_at::SECONDS)?);
    let micros = u64::from_ne_bytes(field(bytes, bsd_info_at::MICROS)?);
    Some(Snapshot {
        process: process(u32::from_ne_bytes(field(bytes, bsd_info_at::STATUS)?)),
        start: start(Some(seconds), Some(micros)),
    })
}

/// Reads `p_uniqueid` from a `proc_uniqidentifierinfo`; `None` for any other length. The
/// kernel counts from one, so zero is no id.
#[must_use]
pub fn unique_id(bytes: &[u8]) -> Option<u64> {
    if bytes.len() != UNIQUE_INFO_LEN {
        return None;
    }
    Some(u64::from_ne_bytes(field(bytes, UNIQUE_ID_AT)?)).filter(|id| *id != 0)
}

/// Reads `kern.bootsessionuuid`: a UUID in text and a NUL, 37 bytes. In lower case; `None` for
/// any other shape, and for the UUID of zeros, which is one that nobody has made yet.
#[must_use]
pub fn boot_session(bytes: &[u8]) -> Option<String> {
    let id = bytes.strip_suffix(b"\0")?;
    let well_formed = id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let is_made = id.iter().any(|byte| !matches!(byte, b'0' | b'-'));
    let text = std::str::from_utf8(id).ok().filter(|_| well_formed && is_made)?;
    Some(text.to_ascii_lowercase())
}

/// What `p_stat` says. A process is `SZOMB` once its last thread has left; that its first one
/// has is not enough, unlike on Linux.
fn process(status: u32) -> Process {
    const SIDL: u32 = 1;
    const SSTOP: u32 = 4;
    const SZOMB: u32 = 5;
    match status {
        SIDL..=SSTOP => Process::Running,
        SZOMB => Process::Exited,
        _ => Process::Unknown,
    }
}

/// A time of zero is a field that the kernel has not filled in.
fn start(seconds: Option<u64>, micros: Option<u64>) -> Option<StartTime> {
    let micros = micros.filter(|micros| *micros < 1_000_000)?;
    let total = seconds?.checked_mul(1_000_000)?.checked_add(micros)?;
    (total != 0).then_some(StartTime::UnixMicros(total))
}

/// The `N` bytes at `at`.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::mem::{offset_of, size_of};

    /// The beginning of `extern_proc` (`bsd/sys/proc.h`) in the order of its fields, and the
    /// length of what follows it: `kinfo_proc` (`bsd/sys/sysctl.h`) starts with it. As every Mac
    /// lays it out: 32-bit hosts align 64-bit integers otherwise.
    #[cfg(target_pointer_width = "64")]
    #[repr(C)]
    struct KinfoProc {
        start_seconds: i64,
        start_micros: i32,
        vm_space: u64,
        signal_actions: u64,
        flag: i32,
        stat: u8,
        pid: i32,
        rest: [u8; 604],
    }
    #[cfg(target_pointer_width = "64")]
    const _: () = {
        assert!(size_of::<KinfoProc>() == KINFO_LEN);
        assert!(offset_of!(KinfoProc, start_seconds) == kinfo_at::SECONDS);
        assert!(offset_of!(KinfoProc, start_micros) == kinfo_at::MICROS);
        assert!(offset_of!(KinfoProc, stat) == kinfo_at::STATUS);
        assert!(offset_of!(KinfoProc, pid) == kinfo_at::PID);
    };

    /// `proc_bsdinfo` (`bsd/sys/proc_info.h`).
    #[repr(C)]
    struct ProcBsdInfo {
        flags: u32,
        status: u32,
        exit_status: u32,
        pid: u32,
        parent: u32,
        ids_and_reserved: [u32; 7],
        command: [u8; 16],
        name: [u8; 32],
        files: u32,
        group: u32,
        job_control: u32,
        terminal: u32,
        terminal_group: u32,
        nice: i32,
        start_seconds: u64,
        start_micros: u64,
    }
    const _: () = assert!(size_of::<ProcBsdInfo>() == BSD_INFO_LEN);
    const _: () = assert!(offset_of!(ProcBsdInfo, status) == bsd_info_at::STATUS);
    const _: () = assert!(offset_of!(ProcBsdInfo, pid) == bsd_info_at::PID);
    const _: () = assert!(offset_of!(ProcBsdInfo, start_seconds) == bsd_info_at::SECONDS);
    const _: () = assert!(offset_of!(ProcBsdInfo, start_micros) == bsd_info_at::MICROS);

    /// `proc_uniqidentifierinfo` (`bsd/sys/proc_info_private.h`).
    #[repr(C)]
    struct ProcUniqIdentifierInfo {
        executable: [u8; 16],
        unique_id: u64,
        parents_unique_id: u64,
        id_version: i32,
        original_parents_id_version: i32,
        reserved: [u64; 2],
    }
    const _: () = assert!(size_of::<ProcUniqIdentifierInfo>() == UNIQUE_INFO_LEN);
    const _: () = assert!(offset_of!(ProcUniqIdentifierInfo, unique_id) == UNIQUE_ID_AT);

    /// Everything that is not set holds this, so that a read at a wrong place shows.
    const FILLER: u8 = 0xa5;

    fn filled<const N: usize>(fields: &[(usize, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![FILLER; N];
        for (at, field) in fields {
            bytes[*at..at + field.len()].copy_from_slice(field);
        }
        bytes
    }

    pub(in crate::parse) fn kinfo_bytes(
        pid: u32,
        status: u8,
        seconds: i64,
        micros: i32,
    ) -> Vec<u8> {
        filled::<KINFO_LEN>(&[
            (0, &seconds.to_ne_bytes()),
            (8, &micros.to_ne_bytes()),
            (36, &[status]),
            (40, &pid.to_ne_bytes()),
        ])
    }

    pub(in crate::parse) fn bsd_info_bytes(
        pid: u32,
        status: u32,
        seconds: u64,
        micros: u64,
    ) -> Vec<u8> {
        filled::<BSD_INFO_LEN>(&[
            (4, &status.to_ne_bytes()),
            (12, &pid.to_ne_bytes()),
            (120, &seconds.to_ne_bytes()),
            (128, &micros.to_ne_bytes()),
        ])
    }

    pub(in crate::parse) fn unique_bytes(id: u64) -> Vec<u8> {
        filled::<UNIQUE_INFO_LEN>(&[(16, &id.to_ne_bytes())])
    }

    const START: Option<StartTime> = Some(StartTime::UnixMicros(1_700_000_000_123_456));

    #[rstest]
    #[case::no_status(0, Process::Unknown)]
    #[case::idle(1, Process::Running)]
    #[case::running(2, Process::Running)]
    #[case::sleeping(3, Process::Running)]
    #[case::stopped(4, Process::Running)]
    #[case::zombie(5, Process::Exited)]
    #[case::of_the_future(6, Process::Unknown)]
    fn both_structures_say_the_same(#[case] status: u8, #[case] process: Process) {
        let expected = Some(Snapshot { process, start: START });
        assert_eq!(kinfo(&kinfo_bytes(42, status, 1_700_000_000, 123_456), 42), expected);
        let bytes = bsd_info_bytes(42, status.into(), 1_700_000_000, 123_456);
        assert_eq!(bsd_info(&bytes, 42), expected);
    }

    #[rstest]
    #[case::not_filled_in(0, 0)]
    #[case::before_the_epoch(-1, 0)]
    #[case::negative_micros(1, -1)]
    #[case::too_many_micros(1, 1_000_000)]
    #[case::too_late(i64::MAX, 0)]
    fn no_start_time_is_made_up(#[case] seconds: i64, #[case] micros: i32) {
        let seen = kinfo(&kinfo_bytes(42, 3, seconds, micros), 42);
        assert_eq!(seen, Some(Snapshot { process: Process::Running, start: None }));
    }

    #[test]
    fn of_another_pid() {
        assert_eq!(kinfo(&kinfo_bytes(43, 3, 1, 0), 42), None);
        assert_eq!(bsd_info(&bsd_info_bytes(43, 3, 1, 0), 42), None);
    }

    #[test]
    fn of_another_length() {
        let (kinfo_bytes, bsd_bytes) = (kinfo_bytes(42, 3, 1, 0), bsd_info_bytes(42, 3, 1, 0));
        let unique = unique_bytes(9);
        for len in 0..KINFO_LEN {
            assert_eq!(kinfo(&kinfo_bytes[..len], 42), None);
            assert_eq!(bsd_info(&bsd_bytes[..len.min(BSD_INFO_LEN - 1)], 42), None);
            assert_eq!(unique_id(&unique[..len.min(UNIQUE_INFO_LEN - 1)]), None);
        }
        assert_eq!(kinfo(&[&kinfo_bytes[..], b"x"].concat(), 42), None);
        assert_eq!(bsd_info(&[&bsd_bytes[..], b"x"].concat(), 42), None);
        assert_eq!(unique_id(&[&unique[..], b"x"].concat()), None);
    }

    #[rstest]
    #[case(1, Some(1))]
    #[case(u64::MAX, Some(u64::MAX))]
    #[case(0, None)]
    fn unique_ids(#[case] id: u64, #[case] expected: Option<u64>) {
        assert_eq!(unique_id(&unique_bytes(id)), expected);
    }

    #[rstest]
    #[case(b"0A1B2C3D-0000-4000-8000-123456789ABC\0", Some("0a1b2c3d-0000-4000-8000-123456789abc"))]
    #[case::no_end(b"0A1B2C3D-0000-4000-8000-123456789ABC", None)]
    #[case::empty(b"", None)]
    #[case::only_the_end(b"\0", None)]
    #[case::not_made_yet(b"00000000-0000-0000-0000-000000000000\0", None)]
    #[case::dash_elsewhere(b"0A1B2C3D0-000-4000-8000-123456789ABC\0", None)]
    #[case::not_hex(b"0A1B2C3G-0000-4000-8000-123456789ABC\0", None)]
    #[case::cut(b"0A1B2C3D-0000-4000-8000-123456789AB\0", None)]
    #[case::not_utf8(b"0A1B2C3D-0000-4000-8000-123456789AB\xff\0", None)]
    fn boot_sessions(#[case] bytes: &[u8], #[case] expected: Option<&str>) {
        assert_eq!(boot_session(bytes).as_deref(), expected);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..700), pid: u32) {
            let _ = kinfo(&bytes, pid);
            let _ = bsd_info(&bytes, pid);
            let _ = unique_id(&bytes);
            let _ = boot_session(&bytes);
        }

        #[test]
        fn start_times_differ_when_the_fields_do(
            a in (0i64..1 << 40, 0i32..1_000_000), b in (0i64..1 << 40, 0i32..1_000_000),
        ) {
            let start = |(s, us)| kinfo(&kinfo_bytes(42, 3, s, us), 42).unwrap().start;
            prop_assert_eq!(start(a) == start(b), a == b);
        }
    }
}
