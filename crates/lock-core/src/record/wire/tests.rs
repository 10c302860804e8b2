//! The wire format: golden bytes, what the other reader makes of them, and every form that
//! is read. What is hostile is in [`hostile`].

mod hostile;

use super::*;
use rstest::rstest;
use serde::Deserialize;

const SESSION: Dialect = Dialect::Session { max_hold: Duration::from_secs(300) };
const BOOT: &str = "0b6f1a5e-6a1c-4c0e-9f5d-2f8a7d0c9b11";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Linux owner of whom everything is known.
fn owner() -> OwnerId {
    OwnerId {
        start: Some(StartTime::Ticks { ticks: 8_675_309, per_second: 100 }),
        unique: Some(12_297_829_382_473_034_410),
        boot: BootId::Kernel(BOOT.to_owned()),
        namespace: Some(PidNamespace { inode: 4_026_531_836, id: Some(4_294_967_297) }),
        time_offset: Some(TimeOffset { monotonic_ns: 0, boottime_ns: -5 }),
        name: Some("agent".to_owned()),
        ..OwnerId::bare(OwnerKind::Linux, 4242)
    }
}

/// Everything that a record can say.
fn full() -> LockRecord {
    LockRecord {
        created_at: Some(time("2026-11-20T23:59:59.123Z")),
        max_hold: Some(Duration::from_secs(300)),
        monotonic: Some(Duration::from_nanos(86_753_090_000_001)),
        label: Some("nightly \"import\"".to_owned()),
        kernel_lock: Some(KernelLockClaim { device: 65_024, inode: 18_446_744_073_709_551_615 }),
        ..LockRecord::new(owner(), "00c0ffee00c0ffee-7".to_owned())
    }
}

fn text(record: &LockRecord, dialect: Dialect) -> String {
    String::from_utf8(record.to_bytes(dialect)).unwrap()
}

fn parsed(text: &str) -> LockRecord {
    LockRecord::parse(text.as_bytes()).unwrap_or_else(|| panic!("no record: {text}"))
}

/// What is under `owner` in both dialects.
const OWNER: &str = r#"  "bootId": "0b6f1a5e-6a1c-4c0e-9f5d-2f8a7d0c9b11",
  "version": 2,
  "owner": {
    "kind": "linux",
    "id": "00c0ffee00c0ffee-7",
    "name": "agent",
    "label": "nightly \"import\"",
    "processId": "12297829382473034410",
    "ticksPerSecond": 100,
    "pidNamespace": {
      "inode": "4026531836",
      "id": "4294967297"
    },
    "timeOffset": {
      "monotonicNs": "0",
      "boottimeNs": "-5"
    },
    "monotonicNs": "86753090000001",
    "kernelLock": {
      "device": "65024",
      "inode": "18446744073709551615"
    }
  }
}
"#;

#[test]
fn the_bytes_of_a_session_record() {
    let keys = r#"{
  "pid": 4242,
  "createdAt": "2026-11-20T23:59:59.123Z",
  "maxHoldMs": 300000,
  "starttime": 8675309,
"#;
    assert_eq!(text(&full(), SESSION), format!("{keys}{OWNER}"));
}

#[test]
fn the_bytes_of_an_install_record() {
    let keys = r#"{
  "pid": 4242,
  "starttime": 8675309,
  "createdAtMs": 1795219199123,
"#;
    let record = LockRecord { max_hold: None, ..full() };
    assert_eq!(text(&record, Dialect::RuntimeDeps), format!("{keys}{OWNER}"));
}

#[test]
fn the_bytes_of_a_record_that_knows_next_to_nothing() {
    let record = LockRecord::new(OwnerId::bare(OwnerKind::Other("plan9".into()), 7), "a-0".into());
    let expected = r#"{
  "pid": 7,
  "version": 2,
  "owner": {
    "kind": "plan9",
    "id": "a-0"
  }
}
"#;
    assert_eq!(text(&record, Dialect::RuntimeDeps), expected);
}

#[rstest]
#[case::session(full(), SESSION)]
#[case::install(LockRecord { max_hold: None, ..full() }, Dialect::RuntimeDeps)]
fn what_is_written_is_read_back(#[case] record: LockRecord, #[case] dialect: Dialect) {
    assert_eq!(LockRecord::parse(&record.to_bytes(dialect)), Some(record));
}

#[rstest]
#[case::whole_second("2026-11-20T23:59:59Z", "2026-11-20T23:59:59.000Z")]
#[case::milliseconds("2026-11-20T23:59:59.12Z", "2026-11-20T23:59:59.120Z")]
#[case::finer_is_cut_off("2026-11-20T23:59:59.999999999Z", "2026-11-20T23:59:59.999Z")]
#[case::always_utc("2026-11-21T01:29:59.123+01:30", "2026-11-20T23:59:59.123Z")]
fn created_at_is_spelled_as_the_origin_does(#[case] at: &str, #[case] spelled: &str) {
    let record = LockRecord { created_at: Some(time(at)), ..full() };
    assert!(text(&record, SESSION).contains(&format!("\"createdAt\": \"{spelled}\"")));
}

/// A made-up boot id, in the other reader's sight, would look like a reboot.
#[test]
fn a_doubtful_boot_id_is_never_written_as_the_boot_id() {
    let doubtful = OwnerId { boot: BootId::Doubtful("made-up".to_owned()), ..owner() };
    let record = LockRecord { names_boot: false, ..LockRecord::new(doubtful, "a-0".to_owned()) };
    let text = text(&record, Dialect::RuntimeDeps);
    assert!(!text.contains("bootId"), "{text}");
    assert!(text.contains("\"doubtfulBootId\": \"made-up\""), "{text}");
    assert_eq!(parsed(&text), record);
}

#[rstest]
#[case::macos(
    OwnerKind::Macos,
    StartTime::UnixMicros(u64::MAX),
    "\"startUnixMicros\": \"18446744073709551615\""
)]
#[case::windows(OwnerKind::Windows, StartTime::FileTime(1 << 62), "\"startFileTime\": \"4611686018427387904\"")]
fn other_start_times_are_kept_from_the_other_reader(
    #[case] kind: OwnerKind,
    #[case] start: StartTime,
    #[case] written: &str,
) {
    let owner = OwnerId { kind, start: Some(start), ..owner() };
    let record = LockRecord::new(owner, "a-0".to_owned());
    let text = text(&record, Dialect::RuntimeDeps);
    assert!(text.contains(written) && !text.contains("starttime"), "{text}");
    assert_eq!(parsed(&text), record);
}

/// OpenClaw's readers: their own keys only, every number a double.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenClaw {
    pid: f64,
    created_at: Option<String>,
    max_hold_ms: Option<f64>,
    starttime: Option<f64>,
    created_at_ms: Option<f64>,
    boot_id: Option<String>,
}

#[test]
fn openclaw_reads_ours() {
    let read: OpenClaw = serde_json::from_slice(&full().to_bytes(SESSION)).unwrap();
    assert_eq!((read.pid, read.starttime), (4242.0, Some(8_675_309.0)));
    assert_eq!(read.created_at.as_deref(), Some("2026-11-20T23:59:59.123Z"));
    assert_eq!((read.max_hold_ms, read.boot_id.as_deref()), (Some(300_000.0), Some(BOOT)));

    let read: OpenClaw = serde_json::from_slice(&full().to_bytes(Dialect::RuntimeDeps)).unwrap();
    assert_eq!((read.pid, read.starttime), (4242.0, Some(8_675_309.0)));
    assert_eq!(read.created_at_ms, Some(1_795_219_199_123.0));
    assert!(read.created_at.is_none() && read.max_hold_ms.is_none());
}

/// No number in a record is one that a double cannot hold.
#[test]
fn integers_that_doubles_cannot_hold_are_strings() {
    fn check(value: &Value) {
        match value {
            Value::Number(n) => assert!(n.as_i64().is_some_and(|n| n.abs() < 1 << 53), "{n}"),
            Value::Object(map) => map.values().for_each(check),
            Value::Array(all) => all.iter().for_each(check),
            Value::String(_) | Value::Bool(_) | Value::Null => {}
        }
    }
    for dialect in [SESSION, Dialect::RuntimeDeps] {
        check(&serde_json::from_slice(&full().to_bytes(dialect)).unwrap());
    }
}

/// A record of the origin, as it is understood.
fn origin(pid: u32, start: Option<u64>) -> LockRecord {
    let owner = OwnerId {
        start: start.map(|ticks| StartTime::Ticks { ticks, per_second: 100 }),
        time_offset: Some(TimeOffset::default()),
        ..OwnerId::bare(OwnerKind::from_name(std::env::consts::OS), pid)
    };
    LockRecord {
        form: Form::Origin,
        version: None,
        id: None,
        names_boot: false,
        ..LockRecord::new(owner, String::new())
    }
}

#[test]
fn every_form_of_the_origin_is_read() {
    let created_at = Some(time("2026-11-20T23:59:59.123Z"));
    let max_hold = Some(Duration::from_secs(300));
    let dated = LockRecord { created_at, ..origin(42, None) };
    let of_boot = |mut record: LockRecord| {
        record.owner.as_mut().unwrap().boot = BootId::Kernel(BOOT.to_owned());
        LockRecord { names_boot: true, ..record }
    };
    for (text, expected) in [
        (r#"{"pid": 42}"#, origin(42, None)),
        (r#"{"pid": 42, "createdAt": "2026-11-20T23:59:59.123Z"}"#, dated.clone()),
        (
            r#"{"pid": 42, "createdAt": "2026-11-20T23:59:59.123Z", "maxHoldMs": 300000}"#,
            LockRecord { max_hold, ..dated.clone() },
        ),
        (
            r#"{"pid": 42, "createdAt": "2026-11-20T23:59:59.123Z", "maxHoldMs": 300000,
                "starttime": 12345}"#,
            LockRecord { created_at, max_hold, ..origin(42, Some(12_345)) },
        ),
        (
            r#"{"pid": 42, "createdAt": "2026-11-20T23:59:59.123Z",
                "bootId": " 0B6F1A5E-6A1C-4C0E-9F5D-2F8A7D0C9B11\n"}"#,
            of_boot(dated.clone()),
        ),
        (r#"{"pid": 42, "createdAtMs": 1795219199123}"#, dated.clone()),
        (
            r#"{"pid": 42, "starttime": 12345, "createdAtMs": 1795219199123}"#,
            LockRecord { created_at, ..origin(42, Some(12_345)) },
        ),
        (r#"{"createdAt": "2026-11-20T23:59:59.123Z"}"#, LockRecord { owner: None, ..dated }),
        (r#"{"pid": 42, "unknown": [1, {"deep": null}]}"#, origin(42, None)),
        ("{}", LockRecord { owner: None, ..origin(42, None) }),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
        // Newer OpenClaw pads its records.
        assert_eq!(parsed(&format!("{text}\n \t\r\n{}", " ".repeat(4096))), expected, "{text}");
    }
}

#[rstest]
#[case::utc("2026-11-20T23:59:59.123Z", true)]
#[case::offset("2026-11-21T01:29:59.123+01:30", true)]
#[case::negative_offset("2026-11-20T18:59:59.123-05:00", true)]
#[case::lower_case("2026-11-20t23:59:59.123z", true)]
#[case::space("2026-11-20 23:59:59.123Z", true)]
#[case::nanoseconds("2026-11-20T23:59:59.123000000Z", true)]
#[case::no_offset("2026-11-20T23:59:59.123", false)]
#[case::date_only("2026-11-20", false)]
#[case::no_such_day("2026-02-30T00:00:00Z", false)]
#[case::out_of_range("99999-01-01T00:00:00Z", false)]
#[case::words("yesterday", false)]
#[case::empty("", false)]
fn created_at_is_read_leniently(#[case] spelled: &str, #[case] valid: bool) {
    let record = parsed(&format!(r#"{{"pid": 42, "createdAt": "{spelled}"}}"#));
    let expected = valid.then(|| time("2026-11-20T23:59:59.123Z"));
    assert_eq!(record.created_at, expected);
    assert_eq!(record.owner.map(|o| o.pid), Some(42), "an invalid time is no more than that");
}
