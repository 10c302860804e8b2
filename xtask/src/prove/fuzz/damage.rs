//! Records of ours that lost a field: no decision may become more willing to reclaim by that.

use lock_core::evidence::Evidence;
use lock_core::filesystem::FsClass;
use lock_core::identity::{Comparison, Process};
use lock_core::policy::{Action, decide};
use lock_core::record::{Form, LockRecord, MAX_LEN};
use lock_core::verdict::{DeathProof, Verdict, judge};
use serde_json::{Map, Value};

use super::worlds::{World, ancient, fresh, here, policies};

/// Damage that takes a field away makes no decision more willing to reclaim, unless it is
/// [`excused`], or takes the pid: then the record names nobody.
pub(super) fn check(
    record: &LockRecord,
    json: &Map<String, Value>,
    number: u64,
) -> Result<(), String> {
    let here = here();
    // Some of them: which ones, the input's own number says.
    let first = usize::try_from(number % 8).unwrap_or(0);
    for path in fields(json, DEPTH).into_iter().skip(first).step_by(8) {
        let mut less = json.clone();
        remove(&mut less, &path);
        let path = path.join(".");
        let bytes = serde_json::to_vec(&less).map_err(|error| error.to_string())?;
        let less = match LockRecord::parse(&bytes) {
            // Renewals stand after the JSON.
            Some(less) => LockRecord { renewals: record.renewals, ..less },
            // A number may be spelled longer than it was.
            None if bytes.len() > MAX_LEN => continue,
            None => return Err(format!("no record any more without {path}")),
        };
        // Of two times, one in each spelling, the first hid the second.
        let other_time = less.created_at.is_some() && less.created_at != record.created_at;
        if less.form != Form::Ours || less.owner.is_none() || other_time {
            continue;
        }
        for world in World::some(number) {
            let (before, after) =
                (world.evidence(Some(record), &here), world.evidence(Some(&less), &here));
            let (old, new) = (judge(&before), judge(&after));
            if excused(&before, &after, new) {
                continue;
            }
            for (name, policy) in policies() {
                for ages in [fresh, ancient] {
                    let was = decide(old, &ages(Some(record)), &policy).action;
                    let is = decide(new, &ages(Some(&less)), &policy).action;
                    if was != Action::Reclaim && is == Action::Reclaim {
                        return Err(format!(
                            "{name}: without {path}, {old:?} became {new:?} in {world:?}"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The exceptions, which the walk over all evidence in `lock_core::verdict` proves to be the only
/// ones but for the last.
fn excused(before: &Evidence, after: &Evidence, verdict: Verdict) -> bool {
    // It was the proof of life.
    let life = before.incarnation == Comparison::Same;
    // It was the mark of another kernel.
    let kernel = before.boot == Comparison::Different && after.boot == Comparison::Unknown;
    // It was what a pid needs to mean anything, and the outranked free byte says "gone".
    let tie = before.process == Process::Running
        && after.fs == FsClass::GuestLocal
        && verdict == Verdict::Dead(DeathProof::LockReleased);
    // Without its id a namespace is known by its inode number, which only one that is gone, with
    // all its processes, can share with another.
    let inode = before.namespace == Comparison::Different && after.namespace == Comparison::Same;
    life || kernel || tie || inode
}

/// A record's own objects are no deeper: `owner.kernelLock.inode`.
const DEPTH: usize = 3;

/// Where the fields of an object are, and those of the objects in it.
fn fields(json: &Map<String, Value>, depth: usize) -> Vec<Vec<&str>> {
    let mut all = Vec::new();
    for (key, value) in json {
        all.push(vec![key.as_str()]);
        let inner = value.as_object().filter(|_| depth > 1);
        for path in inner.map(|inner| fields(inner, depth - 1)).unwrap_or_default() {
            all.push([&[key.as_str()], &path[..]].concat());
        }
    }
    all
}

fn remove(json: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [] => {}
        [key] => drop(json.remove(*key)),
        [key, rest @ ..] => {
            if let Some(inner) = json.get_mut(*key).and_then(Value::as_object_mut) {
                remove(inner, rest);
            }
        }
    }
}
