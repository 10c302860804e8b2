//! Pid namespaces: L9, L10, L11. A pid from another one means nothing here.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::Value;

use super::people::{Holder, copies};
use super::programs::{Container, ask_within};
use super::stage::{BY_HANDLE, ELSEWHERE, GONE, HELD, RELEASED, REUSED, Stage, by_identity};
use crate::prove::namespaces::OWN_PIDS;

/// Judges a lock and its copies in a new container.
fn judge_there(
    stage: &mut Stage,
    when: &str,
    of: &[PathBuf; 3],
    expected: [&str; 3],
) -> Result<()> {
    let cases = ["as recorded", "by identity alone", "by start time alone"];
    for ((case, session), expected) in cases.iter().zip(of).zip(expected) {
        let got = ask_within(OWN_PIDS, "identity-judge", session)?;
        stage.expect(format!("{when}, {case}"), expected, got);
    }
    Ok(())
}

/// L9: in a sibling the owner's pid is absent, or a stranger's, or the contender's own.
pub(super) fn siblings(stage: &mut Stage) -> Result<()> {
    for (pid, what) in [(1, "the contender's own pid"), (300, "a pid that the sibling has not")] {
        let holder = Container::start(stage, OWN_PIDS, pid)?;
        let copies = copies(stage, &holder.session, &holder.record)?;
        judge_there(stage, what, &copies, [HELD, ELSEWHERE, ELSEWHERE])?;
        for session in &copies {
            let got = ask_within(OWN_PIDS, "identity-acquire", session)?;
            stage.expect(format!("{what}, acquired there"), "not had", got);
        }
    }
    Ok(())
}

/// L10: as many containers, one after the other, as it takes to get the number of an old one's
/// namespace again.
pub(super) fn restarted(stage: &mut Stage) -> Result<()> {
    let mut past: Vec<Value> = Vec::new();
    let mut recycled = None;
    for _ in 0..16 {
        let mut holder = Container::start(stage, OWN_PIDS, 1)?;
        holder.kill()?;
        let copies = copies(stage, &holder.session, &holder.record)?;
        if past.is_empty() {
            judge_there(stage, "a dead container's", &copies, [RELEASED, ELSEWHERE, ELSEWHERE])?;
            let got = ask_within(OWN_PIDS, "identity-acquire", &copies[0])?;
            stage.expect("a dead container's, acquired by the next", "had", got);
        }
        let inode = |record: &Value| record["owner"]["pidNamespace"]["inode"].clone();
        let again = past.iter().find(|old| inode(old) == inode(&holder.record));
        if let Some(old) = again.cloned() {
            recycled = Some(old);
            break;
        }
        past.push(holder.record.clone());
    }
    let Some(old) = recycled else {
        stage.expect("a namespace's number came back", "yes", "not in 16 containers".to_owned());
        return Ok(());
    };
    // The next container may get it once more. Judged by ids it is another one, whoever has it.
    let copy = stage.plant(&by_identity(&old))?;
    let got = ask_within(OWN_PIDS, "identity-judge", &copy)?;
    stage.expect("the namespace's number came back, with its unique id", ELSEWHERE, got);
    // On a kernel before 6.18 the number is all there is; its process is another one all the same.
    let mut numbered = by_identity(&old);
    if let Some(namespace) = numbered["owner"]["pidNamespace"].as_object_mut() {
        namespace.remove("id");
    }
    let copy = stage.plant(&numbered)?;
    let mut got = String::new();
    for _ in 0..16 {
        got = ask_within(OWN_PIDS, "identity-judge", &copy)?;
        if got != ELSEWHERE {
            break;
        }
    }
    stage.expect("the same without the id, in a namespace with its number", REUSED, got);
    Ok(())
}

/// L11: from around the owner's namespace its handle opens, from inside it does not.
pub(super) fn nested(stage: &mut Stage) -> Result<()> {
    let mut outer = Holder::start(stage)?;
    let of_outer = outer.copies(stage)?;
    judge_there(stage, "the owner is outside", &of_outer, [HELD, ELSEWHERE, ELSEWHERE])?;
    outer.child.kill_and_reap()?;
    judge_there(stage, "it was outside", &of_outer, [RELEASED, ELSEWHERE, ELSEWHERE])?;
    outer.judge(stage, "beside where it was", [RELEASED, GONE, GONE])?;

    let mut inner = Container::start(stage, OWN_PIDS, 300)?;
    let of_inner = copies(stage, &inner.session, &inner.record)?;
    let cases = ["as recorded", "by identity alone", "by start time alone"];
    for (case, (session, expected)) in
        cases.iter().zip(of_inner.iter().zip([HELD, BY_HANDLE, ELSEWHERE]))
    {
        stage.judge(&format!("the owner is inside, {case}"), session, expected)?;
    }
    inner.kill()?;
    for (case, (session, expected)) in
        cases.iter().zip(of_inner.iter().zip([RELEASED, ELSEWHERE, ELSEWHERE]))
    {
        stage.judge(&format!("it was inside, {case}"), session, expected)?;
    }
    Ok(())
}
