//! What Windows answers about a process, and the firmware's tables.

use identity_windows::parse::{End, Handle, Machine, firmware_uuid, observed};
use lock_core::identity::{BootId, OwnerId, OwnerKind, Process, StartTime};

use super::engine::{Target, shape};

const NO_SUCH_PROCESS: u32 = 87;
const PID: u32 = 42;

pub(super) const FIRMWARE: Target = Target {
    name: "firmware",
    json: false,
    words: &["\0\0", "\u{1}\u{1b}\0\0", "\u{7f}\u{4}\0\0", "\u{1}", "\u{4}", "Vendor\0"],
    available: true,
    check: |bytes| {
        let uuid = firmware_uuid(bytes);
        if let Some(uuid) = uuid
            && !bytes.windows(16).any(|window| window == uuid)
        {
            return Err(format!("{uuid:?} is nowhere in it"));
        }
        let text = std::str::from_utf8(bytes).ok();
        let half = text.and_then(|t| t.split_once('\n')).unwrap_or_default();
        let machine = Machine::new(Some(half.0), Some(half.1), uuid);
        let named = !half.0.trim().is_empty() && !half.1.trim().is_empty() && uuid.is_some();
        if (machine.boot != BootId::Unknown) != named || machine.namespace.is_some() != named {
            return Err(format!("{machine:?} is named by half"));
        }
        Ok(shape(&(uuid.is_some(), named, bytes.len().min(64))))
    },
};

/// Ten words of four bytes: the error of each call, or its answer.
pub(super) const OBSERVED: Target = Target {
    name: "windows",
    json: false,
    words: &["\0\0\0\0", "*\0\0\0", "W\0\0\0", "\u{5}\0\0\0", "\u{2}\u{1}\0\0", "\u{3}\u{1}\0\0"],
    available: true,
    check: |bytes| {
        let word = |at: usize| {
            let word = bytes.get(at * 4..).and_then(<[u8]>::first_chunk);
            u32::from_le_bytes(word.copied().unwrap_or_default())
        };
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 1));
        let handle = Handle {
            pid: match word(1) {
                0 => Ok(PID),
                other if other % 2 == 0 => Ok(other),
                code => Err(code),
            },
            created: if word(2) % 5 == 4 { Err(word(2)) } else { Ok(long(2)) },
            sequence: (word(4) % 3 != 0).then(|| long(4)),
            end: match word(6) % 3 {
                0 => End::Waited(word(7)),
                1 => End::ExitCode(Ok(word(7))),
                _ => End::ExitCode(Err(word(7))),
            },
        };
        let recorded = OwnerId {
            start: (word(8) % 4 != 0).then(|| StartTime::FileTime(long(2))),
            unique: (word(9) % 4 != 0).then(|| long(4)),
            ..OwnerId::bare(OwnerKind::Windows, PID)
        };
        let opened = if word(0) == 0 { Ok(&handle) } else { Err(word(0)) };
        let seen = observed(&recorded, opened);
        let named = opened.is_ok() && handle.pid == Ok(PID);
        match seen.process {
            Process::Gone if opened.err() != Some(NO_SUCH_PROCESS) => {
                Err("gone, but the system did not say so".to_owned())
            }
            Process::Running | Process::Exited if !named => {
                Err(format!("{seen:?}, which is not about {PID}"))
            }
            Process::Exited if matches!(handle.end, End::Waited(258) | End::ExitCode(Ok(259))) => {
                Err("exited, but it may run".to_owned())
            }
            Process::Unknown if seen.gaps.is_empty() => Err("unknown, without a reason".to_owned()),
            process => {
                let known = (seen.unique.is_some(), seen.start.is_some(), seen.gaps.len());
                Ok(shape(&(process, known)))
            }
        }
    },
};
