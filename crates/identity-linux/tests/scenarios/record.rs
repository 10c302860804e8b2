//! Identities as one line of text, on their way between the processes of a scenario.

use lock_core::identity::{BootId, OwnerId, OwnerKind, PidNamespace, StartTime, TimeOffset};

/// One line for an [`OwnerId`].
pub(crate) fn encode(owner: &OwnerId) -> String {
    let number = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let (ticks, rate) = match owner.start {
        Some(StartTime::Ticks { ticks, per_second }) => (Some(ticks), Some(per_second)),
        _ => (None, None),
    };
    let boot = match &owner.boot {
        BootId::Kernel(id) => format!("kernel:{id}"),
        BootId::Doubtful(id) => format!("doubtful:{id}"),
        BootId::Unknown => "-".into(),
    };
    [
        owner.pid.to_string(),
        number(ticks.map(|n| n.to_string())),
        number(rate.map(|n| n.to_string())),
        number(owner.unique.map(|n| n.to_string())),
        boot,
        number(owner.namespace.map(|namespace| namespace.inode.to_string())),
        number(owner.namespace.and_then(|namespace| namespace.id).map(|n| n.to_string())),
        number(owner.time_offset.map(|offset| offset.monotonic_ns.to_string())),
        number(owner.time_offset.map(|offset| offset.boottime_ns.to_string())),
    ]
    .join(" ")
}

/// The inverse, except for the name.
pub(crate) fn decode(line: &str) -> OwnerId {
    fn value<T: std::str::FromStr>(word: &str) -> Option<T> {
        (word != "-").then(|| word.parse().unwrap_or_else(|_| panic!("not a value: {word:?}")))
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[pid, ticks, rate, unique, boot, inode, id, monotonic, boottime] = &words[..] else {
        panic!("not a record: {line:?}");
    };
    OwnerId {
        kind: OwnerKind::Linux,
        pid: value(pid).unwrap(),
        start: value(ticks)
            .map(|ticks| StartTime::Ticks { ticks, per_second: value(rate).unwrap() }),
        unique: value(unique),
        boot: match boot.split_once(':') {
            Some(("kernel", id)) => BootId::Kernel(id.into()),
            Some(("doubtful", id)) => BootId::Doubtful(id.into()),
            _ => BootId::Unknown,
        },
        namespace: value(inode).map(|inode| PidNamespace { inode, id: value(id) }),
        time_offset: value(monotonic)
            .map(|monotonic_ns| TimeOffset { monotonic_ns, boottime_ns: value(boottime).unwrap() }),
        name: None,
    }
}
