//! Lock records: reading, writing again, and what damage may do to a judgement.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use lock_core::evidence::{Evidence, KernelLock, Own};
use lock_core::filesystem::FsClass;
use lock_core::identity::{Comparison, Process};
use lock_core::policy::{Action, Ages, Decision, Reason, decide};
use lock_core::record::{Dialect, Form, LockRecord, MAX_LEN};
use lock_core::verdict::{DeathProof, Life, Verdict, judge};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::damage;
use super::engine::{Target, shape};
use super::worlds::{World, ancient, fresh, here, policies};

pub(super) const KEYS: &[&str] = &[
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
    "name",
    "label",
    "doubtfulBootId",
    "processId",
    "ticksPerSecond",
    "startUnixMicros",
    "startFileTime",
    "pidNamespace",
    "inode",
    "timeOffset",
    "monotonicNs",
    "boottimeNs",
    "kernelLock",
    "device",
];

pub(super) const TARGET: Target =
    Target { name: "record", json: true, words: KEYS, available: true, check };

fn check(bytes: &[u8]) -> Result<u64, String> {
    let record = LockRecord::parse(bytes);
    let json = serde_json::from_slice::<Map<String, Value>>(bytes).ok();
    // By its grammar: a value that only the origin can read costs its own field.
    let text = String::from_utf8_lossy(bytes);
    let is_object = serde_json::from_str::<HashMap<String, IgnoredAny>>(&text).is_ok();
    if record.is_some() != (is_object && bytes.len() <= MAX_LEN) {
        return Err("a record is a JSON object that is not too long, and nothing else".to_owned());
    }
    if let Some(record) = &record {
        round_trip(record)?;
    }
    let number = shape(&bytes);
    let mut verdicts = BTreeSet::new();
    for world in World::some(number) {
        verdicts.insert(judged(record.as_ref(), world)?);
    }
    if let (Some(record), Some(json)) = (&record, json)
        && record.form == Form::Ours
    {
        damage::check(record, &json, number)?;
    }
    Ok(shape(&(record.map(|r| outline(&r)), verdicts)))
}

/// What was read can be written, and reads the same; but for what cannot be said in a dialect.
fn round_trip(record: &LockRecord) -> Result<(), String> {
    let max_hold = record.max_hold.unwrap_or(Duration::from_secs(1));
    for dialect in [Dialect::Session { max_hold }, Dialect::RuntimeDeps] {
        let bytes = record.to_bytes(dialect);
        let again = match LockRecord::parse(&bytes) {
            Some(again) => again,
            // Publishing refuses these.
            None if bytes.len() > MAX_LEN => continue,
            None => return Err(format!("cannot be read again: {bytes:?}")),
        };
        if LockRecord::parse(&again.to_bytes(dialect)).as_ref() != Some(&again) {
            return Err(format!("changes each time it is written: {again:?}"));
        }
        let same = LockRecord {
            created_at: again.created_at,
            max_hold: again.max_hold,
            renewals: 0,
            names_boot: again.names_boot,
            ..record.clone()
        };
        if record.form == Form::Ours && again != same {
            return Err(format!("{record:?} became {again:?}"));
        }
    }
    Ok(())
}

/// Judges and decides in one world. Answers the verdict, as text.
fn judged(record: Option<&LockRecord>, world: &World) -> Result<String, String> {
    let e = world.evidence(record, &here());
    let verdict = judge(&e);
    check_verdict(&e, verdict).map_err(|broken| format!("{broken}: {verdict:?} in {world:?}"))?;
    for (name, policy) in policies() {
        for ages in [fresh(record), ancient(record)] {
            let decision = decide(verdict, &ages, &policy);
            check_decision(name, verdict, &ages, &decision).map_err(|broken| {
                format!("{name}: {broken}: {verdict:?}, {decision:?} in {world:?}")
            })?;
        }
    }
    Ok(format!("{verdict:?}"))
}

/// What no bytes may lead to, whatever they say.
fn check_verdict(e: &Evidence, verdict: Verdict) -> Result<(), &'static str> {
    let Verdict::Dead(proof) = verdict else { return Ok(()) };
    let trusted = matches!(e.fs, FsClass::Local | FsClass::Volatile);
    let known_here = e.boot == Comparison::Same && e.namespace == Comparison::Same;
    match proof {
        _ if e.kernel_lock == KernelLock::Held => Err("dead although the owner byte is held"),
        _ if e.form.is_none() => Err("dead although nobody is named"),
        DeathProof::LockReleased if e.own == Own::Other => {
            let network = matches!(e.fs, FsClass::Network | FsClass::Unknown);
            let proved = e.kernel_lock == KernelLock::Free && e.claimed && e.same_file && !network;
            if proved { Ok(()) } else { Err("released without a free byte that counts") }
        }
        DeathProof::LockReleased if trusted || known_here => Ok(()),
        DeathProof::Rebooted if e.boot == Comparison::Different => {
            let one_kernel = e.fs == FsClass::Local || e.single_host;
            if one_kernel { Ok(()) } else { Err("rebooted where another kernel may be meant") }
        }
        DeathProof::NoSuchProcess | DeathProof::Exited | DeathProof::PidReused
            if !known_here || !e.interpretable =>
        {
            Err("a pid that means nothing here is taken for the owner's")
        }
        DeathProof::NoSuchProcess if e.process != Process::Gone => Err("gone, but not seen gone"),
        DeathProof::PidReused
            if e.incarnation != Comparison::Different && e.process != Process::Thread =>
        {
            Err("reused, but nothing differs")
        }
        DeathProof::Attested => Err("nobody attested anything"),
        _ => Ok(()),
    }
}

fn check_decision(
    policy: &str,
    verdict: Verdict,
    ages: &Ages,
    decision: &Decision,
) -> Result<(), &'static str> {
    if decision.action != Action::Reclaim {
        return Ok(());
    }
    let because = |reason| decision.reasons.contains(&reason);
    match verdict {
        Verdict::Dead(_) => Ok(()),
        Verdict::Alive(Life::HeldHere) => Err("a lock of this process is given up"),
        _ if because(Reason::HoldExceeded) && policy == "session" && ages.names_owner => Ok(()),
        Verdict::Unverifiable(_) if because(Reason::MissingPid) && !ages.names_owner => Ok(()),
        _ => Err("given up without proof"),
    }
}

/// Which kind of record it is.
fn outline(record: &LockRecord) -> String {
    let owner = record.owner.as_ref().map(|owner| {
        let start = owner.start.map(|start| std::mem::discriminant(&start));
        let facts = [
            owner.unique.is_some(),
            owner.namespace.is_some(),
            owner.namespace.is_some_and(|n| n.id.is_some()),
            owner.time_offset.is_some(),
            owner.name.is_some(),
        ];
        (std::mem::discriminant(&owner.kind), start, std::mem::discriminant(&owner.boot), facts)
    });
    let facts = [
        record.created_at.is_some(),
        record.max_hold.is_some(),
        record.monotonic.is_some(),
        record.id.is_some(),
        record.label.is_some(),
        record.kernel_lock.is_some(),
        record.names_boot,
        record.renewals > 0,
    ];
    format!("{:?} {:?} {owner:?} {facts:?}", record.form, record.version.map(|v| v.min(4)))
}
