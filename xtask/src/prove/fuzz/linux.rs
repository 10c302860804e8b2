//! What Linux writes: `/proc`, and the mount table.

use std::collections::BTreeSet;

use identity_linux::parse;
use lock_core::filesystem::{Filesystem, FsClass};

use super::engine::{Target, shape};

const fn target(
    name: &'static str,
    words: &'static [&'static str],
    check: fn(&[u8]) -> Result<u64, String>,
) -> Target {
    Target { name, json: false, words, available: true, check }
}

/// Longer than a process's name for itself can be.
const LONGEST_NAME: usize = 16;

pub(super) const STAT: Target =
    target("stat", &["(", ")", " ", ") Z ", " S ", "\n", " 1 1", "-1 "], |bytes| {
        let digits: Vec<u8> = bytes.iter().copied().take_while(u8::is_ascii_digit).collect();
        let pid = std::str::from_utf8(&digits).ok().and_then(|text| text.parse().ok());
        let Some(pid) = pid else {
            return match parse::stat(bytes, 42) {
                None => Ok(shape(&"no pid")),
                Some(stat) => Err(format!("{stat:?} of nobody")),
            };
        };
        if parse::stat(bytes, u32::wrapping_add(pid, 1)).is_some() {
            return Err(format!("{pid} is taken for its neighbour"));
        }
        let Some(stat) = parse::stat(bytes, pid) else { return Ok(shape(&"none")) };
        let name =
            bytes.iter().rposition(|b| *b == b')').zip(bytes.iter().position(|b| *b == b'('));
        if let Some((close, open)) = name
            && close - open <= LONGEST_NAME
        {
            for cut in 0..bytes.len() {
                if let Some(other) = parse::stat(&bytes[..cut], pid).filter(|other| *other != stat)
                {
                    return Err(format!("{stat:?} cut at {cut} reads {other:?}"));
                }
            }
        }
        Ok(shape(&(stat.state, stat.threads.min(3), stat.has_exited(), stat.start_ticks == 0)))
    });

pub(super) const STATUS: Target =
    target("status", &["Tgid:\t", "NSpid:\t", "Pid:\t", "\n", "Name:\t", "\t"], |bytes| {
        let status = parse::status(bytes);
        if let Some(group) = status.thread_group
            && !contains(bytes, group.to_string().as_bytes())
        {
            return Err(format!("{group} is nowhere in it"));
        }
        Ok(shape(&(status.thread_group.is_some(), status.namespace_depth.map(|d| d.min(4)))))
    });

pub(super) const BOOT_ID: Target =
    target("boot-id", &["-", "\n", "0a1b2c3d-0000-4000-8000-123456789abc"], |bytes| {
        let Some(id) = parse::boot_id(bytes) else { return Ok(shape(&bytes.len().min(40))) };
        let well_formed =
            id.len() == 36 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        let again = parse::boot_id(id.as_bytes());
        if !well_formed || again.as_ref() != Some(&id) {
            return Err(format!("{id:?} is no boot id"));
        }
        Ok(shape(&"an id"))
    });

pub(super) const TIME_OFFSETS: Target = target(
    "time-offsets",
    &["monotonic ", "boottime ", "1 ", "7 ", "\n", "-", "999999999"],
    |bytes| {
        let Some(offset) = parse::time_offsets(bytes) else { return Ok(shape(&"none")) };
        // As the kernel writes them: whole seconds, rounded down, and the rest.
        let line = |ns: i64| {
            format!("{:>10} {:>9}", ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000))
        };
        let written = format!(
            "monotonic  {}\nboottime   {}\n",
            line(offset.monotonic_ns),
            line(offset.boottime_ns)
        );
        // The seconds of the most negative offset, rounded down, have no nanoseconds of their own.
        let lowest = offset.monotonic_ns.min(offset.boottime_ns) / 1_000_000_000;
        if parse::time_offsets(written.as_bytes()) != Some(offset)
            && lowest > i64::MIN / 1_000_000_000
        {
            return Err(format!("{offset:?} reads otherwise as the kernel writes it"));
        }
        Ok(shape(&(offset.monotonic_ns.signum(), offset.boottime_ns.signum())))
    },
);

pub(super) const FDINFO: Target = target(
    "fdinfo",
    &["lock:\t", "OFDLCK", "POSIX", "FLOCK", " ADVISORY  WRITE ", "-1 ", "fe:00:", "EOF", "\n"],
    |bytes| {
        let locks: Vec<_> = parse::byte_range_locks(bytes).collect();
        let lines = bytes.split(|b| *b == b'\n').filter(|line| line.starts_with(b"lock:")).count();
        if locks.len() > lines {
            return Err(format!("{} locks in {lines} lines", locks.len()));
        }
        for lock in &locks {
            let covers = lock.first <= lock.last;
            if lock.covers(lock.first) != covers || lock.covers(lock.last) != covers {
                return Err(format!("{lock:?} does not cover its own ends"));
            }
        }
        Ok(shape(&(locks.len().min(4), lines.min(4), locks.iter().any(|l| l.last == u64::MAX))))
    },
);

pub(super) const MOUNTINFO: Target = target(
    "mountinfo",
    &[
        " - ",
        "22 ",
        "36 ",
        "\n",
        "ext4",
        "tmpfs",
        "overlay",
        "nfs4",
        "cifs",
        "9p",
        "fuse.sshfs",
        "upperdir=",
        "lowerdir=",
        "local_lock=none",
        "nobrl",
        "\\040",
        "\\134",
        "\\777",
        ",",
        "rw",
    ],
    |bytes| {
        let mut seen = BTreeSet::new();
        for id in [0, 22, 36, 64] {
            let Some((kind, options)) = Filesystem::find_mount(bytes, id) else { continue };
            if !contains(&lossy(bytes), kind.as_bytes()) {
                return Err(format!("{kind:?} is nowhere in it"));
            }
            let above = |class| Filesystem { class, ..Filesystem::unknown() };
            for class in [FsClass::Local, FsClass::Network, FsClass::Unknown] {
                let fs = Filesystem::classify(&kind, &options, |_| Some(above(class)));
                let proves_death = matches!(fs.class, FsClass::Local | FsClass::Volatile);
                if kind == "overlay" && proves_death && class != FsClass::Local {
                    return Err("an overlay is trusted more than what it writes to".to_owned());
                }
                // What follows `fuse.` is the program's own choice.
                if proves_death && kind.contains('.') {
                    return Err(format!("{kind:?} is trusted"));
                }
                seen.insert(format!("{:?} {}", fs.class, fs.locks_exclude));
            }
        }
        Ok(shape(&seen))
    },
);

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

fn lossy(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}
