//! The record's JSON: the only place that knows serde and the spelling of a key.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Dialect, Form, KernelLockClaim, LockRecord, MAX_LEN};
use crate::filesystem::FsClass;
use crate::identity::{BootId, OwnerId, OwnerKind, PidNamespace, StartTime, TimeOffset};

/// Room for a record without a long label, so that writing one grows no buffer.
const USUAL_LEN: usize = 1024;

/// An integer that is written as a string, without making one: a record has eight of them.
struct Digits<N>(N);

impl<N: itoa::Integer + Copy> Serialize for Digits<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(itoa::Buffer::new().format(self.0))
    }
}

/// The written form. Field order is the order of the keys in the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_hold_ms: Option<u64>,
    #[serde(rename = "starttime", skip_serializing_if = "Option::is_none")]
    start_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    owner: WireOwner<'a>,
}

/// Everything that is ours alone. Integers that may pass 2^53 are strings, because the other
/// reader's numbers are doubles.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireOwner<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubtful_boot_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<Digits<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticks_per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_unix_micros: Option<Digits<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_file_time: Option<Digits<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid_namespace: Option<WireNamespace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_offset: Option<WireOffset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monotonic_ns: Option<Digits<u128>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_lock: Option<WireKernelLock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<&'static str>,
}

#[derive(Serialize)]
struct WireNamespace {
    inode: Digits<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Digits<u64>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireOffset {
    monotonic_ns: Digits<i64>,
    boottime_ns: Digits<i64>,
}

#[derive(Serialize)]
struct WireKernelLock {
    device: Digits<u64>,
    inode: Digits<u64>,
}

pub(super) fn to_bytes(record: &LockRecord, dialect: Dialect) -> Vec<u8> {
    let created = record.created_at;
    let owner = record.owner.as_ref();
    let start = owner.and_then(|o| o.start);
    let wire = Wire {
        pid: owner.map(|o| o.pid),
        created_at: created
            .filter(|_| matches!(dialect, Dialect::Session { .. }))
            .map(|t| format!("{t:.3}")),
        max_hold_ms: match dialect {
            Dialect::Session { max_hold } => {
                Some(u64::try_from(max_hold.as_millis()).unwrap_or(u64::MAX))
            }
            Dialect::RuntimeDeps => None,
        },
        start_time: match start {
            Some(StartTime::Ticks { ticks, .. }) => Some(ticks),
            _ => None,
        },
        created_at_ms: created
            .filter(|_| matches!(dialect, Dialect::RuntimeDeps))
            .map(|t| t.as_millisecond()),
        // A doubtful id is kept out of OpenClaw's sight: its reader would take two containers'
        // made-up ids for a reboot, and rob a live owner.
        boot_id: owner.and_then(|o| o.boot.kernel()),
        version: record.version,
        owner: WireOwner {
            kind: owner.map_or("unknown", |o| o.kind.as_str()),
            id: record.id.as_deref(),
            name: owner.and_then(|o| o.name.as_deref()),
            label: record.label.as_deref(),
            doubtful_boot_id: owner.and_then(|o| match &o.boot {
                BootId::Doubtful(id) => Some(id.as_str()),
                BootId::Kernel(_) | BootId::Unknown => None,
            }),
            process_id: owner.and_then(|o| o.unique).map(Digits),
            ticks_per_second: match start {
                Some(StartTime::Ticks { per_second, .. }) => Some(per_second),
                _ => None,
            },
            start_unix_micros: match start {
                Some(StartTime::UnixMicros(n)) => Some(Digits(n)),
                _ => None,
            },
            start_file_time: match start {
                Some(StartTime::FileTime(n)) => Some(Digits(n)),
                _ => None,
            },
            pid_namespace: owner
                .and_then(|o| o.namespace)
                .map(|n| WireNamespace { inode: Digits(n.inode), id: n.id.map(Digits) }),
            time_offset: owner.and_then(|o| o.time_offset).map(|t| WireOffset {
                monotonic_ns: Digits(t.monotonic_ns),
                boottime_ns: Digits(t.boottime_ns),
            }),
            monotonic_ns: record.monotonic.map(|m| Digits(m.as_nanos())),
            kernel_lock: record
                .kernel_lock
                .map(|k| WireKernelLock { device: Digits(k.device), inode: Digits(k.inode) }),
            reach: record.seen_as.reach(),
        },
    };
    // Strings and integers only: there is no map with a key that is not a string, and no
    // writer that could fail.
    let mut bytes = Vec::with_capacity(USUAL_LEN);
    serde_json::to_writer_pretty(&mut bytes, &wire).expect("a record of plain data serialises");
    bytes.push(b'\n');
    bytes
}

/// The fields of the outermost object. One whose value cannot be read is null, which is to say
/// missing, and takes no other along: the origin reads numbers beyond a double, lone surrogates,
/// deep nesting and broken UTF-8, and here a whole record refused would be a live owner unnamed.
fn fields(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = String::from_utf8_lossy(bytes);
    // Only skips over the values, without recursion. White space after the object, which newer
    // OpenClaw appends, is ignored; of two fields with one name, the last counts, as in the origin.
    let raw: BTreeMap<String, &RawValue> = serde_json::from_str(&text).ok()?;
    // Here serde_json stops at 128 levels of nesting.
    let read = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_default();
    Some(raw.into_iter().map(|(name, value)| (name, read(value))).collect())
}

pub(super) fn parse(bytes: &[u8]) -> Option<LockRecord> {
    if bytes.len() > MAX_LEN {
        return None;
    }
    let map = fields(bytes)?;
    let empty = Map::new();
    let own = map.get("owner").and_then(Value::as_object).unwrap_or(&empty);
    let version = map.get("version").and_then(integer);
    // Either mark makes it ours, even a damaged one: the origin's rules take more for granted.
    let form = if map.contains_key("owner") || version >= Some(super::VERSION) {
        Form::Ours
    } else {
        Form::Origin
    };
    let text = |key: &str| own.get(key).and_then(Value::as_str).map(str::to_owned);
    let boot_id = map.get("bootId").and_then(Value::as_str).map(str::trim);
    let boot_id = boot_id.filter(|id| !id.is_empty());
    let boot = match (boot_id, own.get("doubtfulBootId").and_then(Value::as_str)) {
        (Some(id), _) => BootId::Kernel(id.to_ascii_lowercase()),
        (None, Some(id)) => BootId::Doubtful(id.to_owned()),
        (None, None) => BootId::Unknown,
    };
    let pid =
        map.get("pid").and_then(number).and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
    let owner = pid.map(|pid| OwnerId {
        kind: match form {
            Form::Ours => {
                OwnerKind::from_name(own.get("kind").and_then(Value::as_str).unwrap_or(""))
            }
            // `starttime` and pids mean what the reader's system means by them.
            Form::Origin => OwnerKind::from_name(std::env::consts::OS),
        },
        pid,
        start: start_time(form, &map, own),
        unique: own.get("processId").and_then(integer),
        boot,
        namespace: own.get("pidNamespace").and_then(Value::as_object).and_then(|n| {
            Some(PidNamespace {
                inode: n.get("inode").and_then(integer)?,
                id: n.get("id").and_then(integer),
            })
        }),
        time_offset: match form {
            // The origin knows no time namespaces: it is taken to have been in none.
            Form::Origin => Some(TimeOffset::default()),
            Form::Ours => own.get("timeOffset").and_then(Value::as_object).and_then(|t| {
                Some(TimeOffset {
                    monotonic_ns: t.get("monotonicNs").and_then(signed)?,
                    boottime_ns: t.get("boottimeNs").and_then(signed)?,
                })
            }),
        },
        name: text("name"),
    });
    Some(LockRecord {
        form,
        version,
        owner,
        created_at: created_at(&map),
        max_hold: map
            .get("maxHoldMs")
            .and_then(number)
            .filter(|&ms| ms > 0)
            .map(Duration::from_millis),
        renewals: match form {
            // The record itself ends with one newline.
            Form::Ours => {
                let after = bytes.len() - bytes.trim_ascii_end().len();
                u32::try_from(after.saturating_sub(1)).unwrap_or(0)
            }
            // OpenClaw may append white space too, and means nothing by it.
            Form::Origin => 0,
        },
        monotonic: own.get("monotonicNs").and_then(integer).map(Duration::from_nanos),
        id: text("id"),
        label: text("label"),
        kernel_lock: own.get("kernelLock").and_then(Value::as_object).and_then(|k| {
            Some(KernelLockClaim {
                device: k.get("device").and_then(integer)?,
                inode: k.get("inode").and_then(integer)?,
            })
        }),
        seen_as: match own.get("reach") {
            None => FsClass::Local,
            Some(word) => FsClass::from_reach(Some(word.as_str().unwrap_or(""))),
        },
        names_boot: boot_id.is_some(),
    })
}

fn start_time(form: Form, map: &Map<String, Value>, own: &Map<String, Value>) -> Option<StartTime> {
    if let Some(n) = own.get("startUnixMicros").and_then(integer) {
        return Some(StartTime::UnixMicros(n));
    }
    if let Some(n) = own.get("startFileTime").and_then(integer) {
        return Some(StartTime::FileTime(n));
    }
    let ticks = map.get("starttime").and_then(number)?;
    let per_second = match form {
        Form::Ours => own.get("ticksPerSecond").and_then(integer)?.try_into().ok()?,
        // USER_HZ is 100 wherever the origin's runtime exists.
        Form::Origin => 100,
    };
    Some(StartTime::Ticks { ticks, per_second })
}

fn created_at(map: &Map<String, Value>) -> Option<Timestamp> {
    if let Some(text) = map.get("createdAt").and_then(Value::as_str) {
        return text.parse().ok();
    }
    let ms = map.get("createdAtMs").and_then(number)?;
    Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()
}

/// A non-negative integer in a key of the origin's: a JSON number without a fraction. It reads
/// no numbers from strings, and what it drops must not count for us.
fn number(value: &Value) -> Option<u64> {
    let Value::Number(n) = value else { return None };
    n.as_u64().or_else(|| {
        // JavaScript writes 7 and 7.0 alike, and reads them alike.
        let f = n.as_f64()?;
        (f.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&f)).then_some(f as u64)
    })
}

/// A non-negative integer in a key of ours: the same, or decimal digits in a string.
fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::String(s) if s.bytes().all(|b| b.is_ascii_digit()) => s.parse().ok(),
        _ => number(value),
    }
}

fn signed(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
