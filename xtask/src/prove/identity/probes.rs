//! The judging process itself: what it lacks, what it is told, and what happens under its hands:
//! L18, L19, L20.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::people::{Child, Holder, next_pid};
use super::stage::{GONE, NO_OWNER, PROCESS_UNKNOWN, REUSED, SAME, Stage, by_identity, judged};
use crate::prove::actors::Orders;
use crate::prove::tracer::{self, Call, Next};

/// L18.
pub(super) fn limits(stage: &mut Stage) -> Result<()> {
    few_descriptors(stage)?;
    let holder = Holder::start(stage)?;
    // Numbers that no process can have, spelled as numbers that no reader may misread.
    let pids = [
        ("0", NO_OWNER),
        ("-1", NO_OWNER),
        ("1.5", NO_OWNER),
        ("\"7\"", NO_OWNER),
        ("null", NO_OWNER),
        ("4294967303", NO_OWNER),
        ("18446744073709551616", NO_OWNER),
        ("99999999999999999999999999", NO_OWNER),
        ("1e300", NO_OWNER),
        ("2147483648", PROCESS_UNKNOWN),
        ("4294967295", PROCESS_UNKNOWN),
        ("4194305", PROCESS_UNKNOWN),
        ("4194304", GONE),
    ];
    for (pid, expected) in pids {
        let mut record = by_identity(&holder.record);
        record["pid"] = json!("PID");
        let text = record.to_string().replace("\"PID\"", pid);
        let session = stage.plant_text(&text)?;
        stage.judge(&format!("pid {pid}"), &session, expected)?;
        ensure!(!kills_groups(&session)?, "kill(2) was asked for a group, for pid {pid}");
    }
    Ok(())
}

/// Whether judging the lock calls `kill(2)` with a number that means a group, or everybody.
fn kills_groups(session: &Path) -> Result<bool> {
    let orders = Orders::new("identity-traced").path("session", session);
    let mut command = orders.with("acquires", false).command()?;
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let traced = tracer::trace(command, |_| Next::Go)?;
    ensure!(traced.status.success(), "a traced judge: {}", traced.status);
    let of_a_group = |call: &Call| call.which == libc::SYS_kill && call.arguments[0] as i32 <= 0;
    Ok(traced.calls.iter().any(of_a_group))
}

/// With few descriptors left, less is known, and never the wrong thing.
fn few_descriptors(stage: &mut Stage) -> Result<()> {
    let alive = Holder::start(stage)?;
    let mut dead = Holder::start(stage)?;
    dead.child.kill_and_reap()?;
    for (holder, wrong, case) in [(&alive, "Dead", "lives"), (&dead, "Alive", "is gone")] {
        for (session, how) in
            holder.copies(stage)?.iter().zip(["as recorded", "by identity", "by start"])
        {
            let mut told = Vec::new();
            for free in 0..8 {
                told.push(Child::ask(|| with_free_descriptors(free, session))?);
            }
            let got = match told.iter().find(|told| told.starts_with(wrong)) {
                Some(told) => told.clone(),
                None => format!("never {wrong}"),
            };
            let case = format!("{case}, 0 to 7 descriptors left, {how}");
            stage.expect(case, &format!("never {wrong}"), got);
        }
    }
    Ok(())
}

fn with_free_descriptors(free: u64, session: &Path) -> Result<String> {
    use std::os::fd::AsRawFd;
    let next = u64::try_from(std::fs::File::open("/")?.as_raw_fd())?;
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + free), maximum: usual.maximum })?;
    let told = judged(session);
    setrlimit(Resource::Nofile, usual)?;
    told
}

const PID: u32 = 300;

/// Calls about the process's own memory and threads: to be swapped before one of them is to be
/// swapped before the next other one.
const OWN_BUSINESS: &[libc::c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_sched_getaffinity,
    libc::SYS_clone3,
    libc::SYS_getrandom,
];

/// L19: before each of the judge's system calls in turn, the owner dies, is reaped, and its pid is
/// somebody else's. What the judge says must have been true at some moment of its judgement, and an
/// acquisition must come through.
pub(super) fn reused_meanwhile(stage: &mut Stage) -> Result<()> {
    let by_lock = ["Alive(KernelLock)", "Alive(Inherited)", "Dead(LockReleased)"];
    let by_pid = ["Alive(SameProcess)", "Dead(NoSuchProcess)", "Dead(Exited)", "Dead(PidReused)"];
    let cases: [(bool, bool, &[&str]); 4] = [
        (false, true, &by_lock),
        (false, false, &by_pid),
        (true, true, &["had"]),
        // Nothing tells a waiter that a process is gone which has no lock: it looks once a second.
        (true, false, &["had"]),
    ];
    for (acquires, claims, allowed) in cases {
        if stage.short && acquires && !claims {
            continue;
        }
        // A dead owner's: as many calls as there are for certain.
        let (first, calls) = swapped_before(stage, 1, claims, acquires)?;
        let mut told = vec![first];
        for call in 2..=calls {
            let (said, _) = swapped_before(stage, call, claims, acquires)?;
            if !told.contains(&said) {
                told.push(said);
            }
        }
        ensure!(acquires || told.len() > 1, "the swap was never noticed: {told:?}");
        told.sort();
        let what = if acquires { "acquired" } else { "judged" };
        let how = if claims { "as recorded" } else { "by identity alone" };
        let case = format!("{what}, {how}, swapped before each of {calls} calls");
        let untrue: Vec<_> = told.iter().filter(|told| !allowed.contains(&&***told)).collect();
        let expected = if untrue.is_empty() { told.join(" or ") } else { allowed.join(" or ") };
        stage.expect(case, &expected, told.join(" or "));
    }
    Ok(())
}

/// What the judge says then, and how many calls it makes.
fn swapped_before(
    stage: &mut Stage,
    call: usize,
    claims: bool,
    acquires: bool,
) -> Result<(String, usize)> {
    next_pid(PID)?;
    let mut holder = Holder::start(stage)?;
    ensure!(holder.child.pid() == PID, "the owner got the pid {}", holder.child.pid());
    let session =
        if claims { holder.session.clone() } else { stage.plant(&by_identity(&holder.record))? };
    let orders = Orders::new("identity-traced").path("session", &session);
    let mut command = orders.with("acquires", acquires).command()?;
    let (from, to) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(to);
    let mut successor: Option<Result<Child>> = None;
    let swap = |holder: &mut Holder| -> Result<Child> {
        holder.child.kill_and_reap()?;
        next_pid(PID)?;
        Child::idle()
    };
    let mut calls = 0;
    let traced = tracer::trace(command, |at| {
        calls += usize::from(at.thread == 0 && !OWN_BUSINESS.contains(&at.which));
        if calls == call && successor.is_none() {
            successor = Some(swap(&mut holder));
        }
        Next::Go
    })?;
    ensure!(traced.status.success(), "swapped before call {call}: {}", traced.status);
    // One line: the successor, a fork of this process, has the other end of the pipe as well.
    let mut said = String::new();
    BufReader::new(from).read_line(&mut said)?;
    let successor = successor.with_context(|| format!("it makes {calls} calls, not {call}"))??;
    ensure!(successor.pid() == PID, "the successor got the pid {}", successor.pid());
    if !claims && !acquires {
        let afterwards = Child::ask(|| judged(&session))?;
        ensure!(afterwards == REUSED, "afterwards: {afterwards}");
    }
    let verdict = said.split_once("), ").map_or(said.trim(), |(verdict, _)| verdict);
    let verdict = if acquires { verdict.to_owned() } else { format!("{verdict})") };
    Ok((verdict, calls))
}

/// L20: a snapshot of a running machine was cloned, and both use one directory. Boot id, pids and
/// start times are the same in both, and so nothing tells that the owner lives in the other one.
pub(super) fn clones(stage: &mut Stage) -> Result<()> {
    let mut holder = Holder::start(stage)?;
    // Another inode, as seen through another mount: the claim does not count.
    let session = stage.plant(&holder.record)?;
    stage.judge("both clones have the process", &session, SAME)?;
    holder.child.kill_and_reap()?;
    stage.judge("only the other one still has it", &session, GONE)
}
