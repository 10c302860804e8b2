//! Records that are damaged, hostile, or of the future: dropped field by field, never a panic.

use super::*;
use crate::evidence::{FileEvidence, KernelLock, Own, gather};
use crate::filesystem::FsClass;
use proptest::prelude::*;

#[rstest]
#[case::zero("0", None)]
#[case::negative("-1", None)]
#[case::fraction("1.5", None)]
#[case::string("\"7\"", None)]
#[case::beyond_any_kernel("2147483648", Some(2_147_483_648))]
#[case::wraps_to_seven("4294967303", None)]
#[case::wraps_in_64_bits("18446744073709551623", None)]
#[case::exponent("1e3", Some(1_000))]
#[case::float("7.0", Some(7))]
#[case::minus_zero("-0.0", None)]
#[case::null("null", None)]
#[case::array("[7]", None)]
#[case::bool("true", None)]
fn pids(#[case] pid: &str, #[case] expected: Option<u32>) {
    let text = format!(r#"{{"pid": {pid}, "createdAt": "2026-11-20T23:59:59Z"}}"#);
    let record = parsed(&text);
    assert_eq!(record.owner.map(|o| o.pid), expected);
    assert!(record.created_at.is_some(), "the rest is kept");
}

/// A single invalid field counts as missing, whatever is in it.
#[rstest]
#[case::zero("0")]
#[case::negative("-5")]
#[case::fraction("0.5")]
#[case::string("\"12345\"")]
#[case::text("\"soon\"")]
#[case::null("null")]
#[case::bool("false")]
#[case::array("[]")]
#[case::object("{}")]
#[case::huge("1e40")]
fn an_invalid_field_is_a_missing_one(#[case] value: &str) {
    let of = |key: &str| {
        let keys = [("pid", "42"), ("starttime", "9"), ("createdAt", "\"2026-11-20T23:59:59Z\"")];
        let others = keys.iter().filter(|(k, _)| *k != key);
        let fields: String = others.map(|(k, v)| format!("\"{k}\": {v}, ")).collect();
        (
            parsed(&format!("{{{fields}\"{key}\": {value}}}")),
            parsed(&format!("{{{fields}\"x\": 0}}")),
        )
    };
    for key in ["pid", "createdAt", "maxHoldMs", "bootId", "version"] {
        // A version as a string can only make a record ours, which is judged more carefully.
        let text = key == "bootId" || key == "version";
        if value.starts_with('"') && text {
            continue;
        }
        let (with, without) = of(key);
        let without = if key == "version" && value == "0" {
            LockRecord { version: Some(0), ..without }
        } else {
            without
        };
        assert_eq!(with, without, "{key}");
    }
    if value != "0" {
        let (with, without) = of("starttime");
        assert_eq!(with, without);
    }
}

#[rstest]
#[case::empty("\"\"")]
#[case::blank("\" \\t\\n\"")]
fn a_blank_boot_id_names_no_boot(#[case] blank: &str) {
    let record = parsed(&format!(r#"{{"pid": 42, "bootId": {blank}}}"#));
    assert_eq!(record, origin(42, None));
}

#[rstest]
#[case::nothing(b"")]
#[case::half(b"{")]
#[case::cut_off(br#"{"pid": 42, "createdAt": "2026-"#)]
#[case::null(b"null")]
#[case::number(b"42")]
#[case::string(b"\"pid\"")]
#[case::array(br#"[{"pid": 42}]"#)]
#[case::binary(b"\x00\xff\xfe\x7fELF")]
#[case::zeroes(&[0; 4096])]
#[case::trailing_garbage(br#"{"pid": 42} x"#)]
#[case::byte_order_mark(b"\xef\xbb\xbf{\"pid\": 42}")]
#[case::no_number(br#"{"pid": 42, "starttime": 1e}"#)]
#[case::two_records(br#"{"pid": 42}{"pid": 43}"#)]
fn no_record_at_all(#[case] bytes: &[u8]) {
    assert_eq!(LockRecord::parse(bytes), None);
}

/// What `JSON.parse` reads and serde_json refuses costs its own field, and no other.
#[rstest]
#[case::number_out_of_range(b"1e400")]
#[case::many_digits(b"123456789012345678901234567890")]
#[case::lone_surrogate(br#""\ud800""#)]
#[case::bad_utf8(b"\"\xff\"")]
#[case::deep(&[[b'['; 200], [b']'; 200]].concat())]
fn a_field_that_only_the_origin_can_read_is_a_missing_one(
    #[case] value: &[u8],
    #[values("maxHoldMs", "starttime", "x")] key: &str,
) {
    let head = format!(r#"{{"pid": 42, "createdAt": "2026-11-20T23:59:59Z", "{key}": "#);
    let bytes = [head.as_bytes(), value, b"}"].concat();
    let without = parsed(r#"{"pid": 42, "createdAt": "2026-11-20T23:59:59Z"}"#);
    assert_eq!(LockRecord::parse(&bytes), Some(without));
}

#[test]
fn an_owner_that_cannot_be_read_still_makes_a_record_ours() {
    let record = parsed(r#"{"pid": 42, "owner": {"kind": "linux", "x": 1e400}}"#);
    assert_eq!((record.form, record.owner.unwrap().kind), (Form::Ours, OwnerKind::from_name("")));
}

/// Skipped without recursion, or refused; the stack is not at stake.
#[test]
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"pid\": 42, \"x\": {}0{}}}", open.repeat(8000), close.repeat(8000));
        assert_eq!(LockRecord::parse(deep.as_bytes()), Some(origin(42, None)));
        assert_eq!(LockRecord::parse(open.repeat(8000).as_bytes()), None);
    }
}

#[test]
fn reading_stops_at_64_kib() {
    let padded = |len| {
        let mut bytes = b"{\"pid\": 42}".to_vec();
        bytes.resize(len, b' ');
        bytes
    };
    assert_eq!(MAX_LEN, 65_536);
    assert!(LockRecord::parse(&padded(MAX_LEN)).is_some());
    assert_eq!(LockRecord::parse(&padded(MAX_LEN + 1)), None);
}

/// Either mark makes a record ours, however damaged: the origin's rules take more for granted.
#[rstest]
#[case::number(r#"{"pid": 42, "owner": 5}"#, None)]
#[case::null(r#"{"pid": 42, "owner": null}"#, None)]
#[case::empty(r#"{"pid": 42, "owner": {}}"#, None)]
#[case::version_alone(r#"{"pid": 42, "version": 2}"#, Some(2))]
#[case::not_a_version(r#"{"pid": 42, "version": "3b", "owner": {"kind": "linux"}}"#, None)]
#[case::of_the_future(r#"{"pid": 42, "version": 3, "owner": {"kind": "linux"}}"#, Some(3))]
#[case::unknown_kind(r#"{"pid": 42, "version": 2, "owner": {"kind": "plan9"}}"#, Some(2))]
fn damaged_or_foreign_records_of_ours_are_never_judged_as_the_origins(
    #[case] text: &str,
    #[case] version: Option<u64>,
) {
    let record = parsed(text);
    assert_eq!((record.form, record.version), (Form::Ours, version));
    let file = FileEvidence {
        kernel_lock: KernelLock::Unknown,
        device_inode: (0, 0),
        fs: FsClass::Local,
        single_host: false,
    };
    let evidence = gather(Some(&record), &owner(), None, file, Own::Other, None);
    assert!(!evidence.interpretable && !evidence.claimed, "{evidence:?}");
}

/// In our own part, numbers and strings of digits both count; the rest is missing.
#[test]
fn fields_of_ours_are_dropped_one_by_one() {
    let with =
        |inner: &str| parsed(&format!(r#"{{"pid": 1, "version": 2, "owner": {{{inner}}}}}"#));
    let unique = |value: &str| with(&format!("\"processId\": {value}")).owner.unwrap().unique;
    assert_eq!(unique("\"18446744073709551615\""), Some(u64::MAX));
    assert_eq!(unique("5"), Some(5));
    for bad in ["\"18446744073709551616\"", "\"+5\"", "\"-5\"", "\"\"", "\" 5\"", "\"5.0\"", "-5"] {
        assert_eq!(unique(bad), None, "{bad}");
    }
    let claim = |inner: &str| with(&format!("\"kernelLock\": {inner}")).kernel_lock;
    assert!(claim(r#"{"device": "1", "inode": 2}"#).is_some());
    for bad in ["true", "{}", r#"{"device": "1"}"#, r#"{"device": "1", "inode": "-2"}"#] {
        assert_eq!(claim(bad), None, "{bad}");
    }
    // A start time without its rate, half a namespace, half an offset.
    let half = parsed(
        r#"{"pid": 1, "starttime": 7, "version": 2, "owner": {"kind": "linux",
            "pidNamespace": {"id": "5"}, "timeOffset": {"monotonicNs": "0"}}}"#,
    );
    let half = half.owner.unwrap();
    assert_eq!((half.start, half.namespace, half.time_offset), (None, None, None));
}

fn digits() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(prop_oneof![any::<u64>(), Just(u64::MAX), Just(1 << 53)])
}

fn words() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(".{0,20}")
}

prop_compose! {
    fn any_owner()(
        kind in prop_oneof![
            Just(OwnerKind::Linux), Just(OwnerKind::Macos), Just(OwnerKind::Windows),
            Just(OwnerKind::Other("plan9".to_owned())),
        ],
        pid in 1..=u32::MAX,
        start in proptest::option::of(prop_oneof![
            (any::<u64>(), 1..2000_u32)
                .prop_map(|(ticks, per_second)| StartTime::Ticks { ticks, per_second }),
            any::<u64>().prop_map(StartTime::UnixMicros),
            any::<u64>().prop_map(StartTime::FileTime),
        ]),
        unique in digits(),
        boot in prop_oneof![
            "[0-9a-f-]{1,36}".prop_map(BootId::Kernel),
            ".{1,36}".prop_map(BootId::Doubtful),
            Just(BootId::Unknown),
        ],
        namespace in proptest::option::of((any::<u64>(), digits())),
        offset in proptest::option::of((any::<i64>(), any::<i64>())),
        name in words(),
    ) -> OwnerId {
        OwnerId {
            kind, pid, start, unique, boot, name,
            namespace: namespace.map(|(inode, id)| PidNamespace { inode, id }),
            time_offset: offset
                .map(|(monotonic_ns, boottime_ns)| TimeOffset { monotonic_ns, boottime_ns }),
        }
    }
}

prop_compose! {
    fn any_record()(
        owner in any_owner(),
        created_ms in proptest::option::of(0..253_402_207_200_000_i64),
        monotonic in digits(),
        id in ".{1,30}",
        label in words(),
        claim in proptest::option::of((any::<u64>(), any::<u64>())),
    ) -> LockRecord {
        LockRecord {
            names_boot: owner.boot.kernel().is_some(),
            created_at: created_ms.map(|ms| Timestamp::from_millisecond(ms).unwrap()),
            monotonic: monotonic.map(Duration::from_nanos),
            label,
            kernel_lock: claim.map(|(device, inode)| KernelLockClaim { device, inode }),
            ..LockRecord::new(owner, id)
        }
    }
}

/// Any JSON, of keys and values that records have or resemble.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(|n| Value::from(n.to_string())),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("2026-11-20T23:59:59.123Z")),
        Just(Value::from("linux")),
    ];
    let key = proptest::sample::select(vec![
        "pid",
        "createdAt",
        "createdAtMs",
        "maxHoldMs",
        "starttime",
        "bootId",
        "version",
        "owner",
        "kind",
        "id",
        "processId",
        "ticksPerSecond",
        "startUnixMicros",
        "pidNamespace",
        "inode",
        "timeOffset",
        "monotonicNs",
        "boottimeNs",
        "kernelLock",
        "device",
        "doubtfulBootId",
        "x",
    ]);
    leaf.prop_recursive(4, 64, 12, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..12).prop_map(|pairs| {
                pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = LockRecord::parse(&bytes);
    }

    #[test]
    fn arbitrary_json_never_panics_and_is_a_record_if_it_is_an_object(json in any_json()) {
        let record = LockRecord::parse(&serde_json::to_vec(&json).unwrap());
        prop_assert_eq!(record.is_some(), json.is_object());
        // What was read can be written, and reads the same.
        if let Some(record) = record {
            for dialect in [SESSION, Dialect::RuntimeDeps] {
                let again = LockRecord::parse(&record.to_bytes(dialect)).unwrap();
                prop_assert_eq!(again.owner.map(|o| o.pid), record.owner.as_ref().map(|o| o.pid));
                prop_assert_eq!(again.form, Form::Ours);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back_whatever_it_is(
        record in any_record(),
        max_hold_ms in 1..=2_147_000_000_u64,
    ) {
        let max_hold = Duration::from_millis(max_hold_ms);
        let session = LockRecord { max_hold: Some(max_hold), ..record.clone() };
        let bytes = session.to_bytes(Dialect::Session { max_hold });
        prop_assert_eq!(LockRecord::parse(&bytes), Some(session));
        let bytes = record.to_bytes(Dialect::RuntimeDeps);
        prop_assert_eq!(LockRecord::parse(&bytes), Some(record));
    }
}
