//! The scenarios, by the names that PLATFORM.md's facts go by, and what each runs behind.

use anyhow::Result;

use super::stage::Stage;
use super::{clocks, containers, oracle, pids, probes, procfs, programs, states};
use crate::prove::namespaces::OWN_PIDS;

/// How a scenario is played.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// In a process of its own, behind this command.
    Run(&'static [&'static str], fn(&mut Stage) -> Result<()>),
    NotRun(&'static str),
}

#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) how: How,
}

const NOTHING: &[&str] = &[];
const OWN_MOUNTS: &[&str] = &["unshare", "--mount"];
/// A new pid namespace that still has the procfs of the outer one.
const FOREIGN_PROC: &[&str] = &["unshare", "--pid", "--fork", "--kill-child"];

const fn run(
    name: &'static str,
    title: &'static str,
    within: &'static [&'static str],
    play: fn(&mut Stage) -> Result<()>,
) -> Scenario {
    Scenario { name, title, how: How::Run(within, play) }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    run("L1", "names that look like the text around them", NOTHING, states::names),
    run("L2", "the pid comes back, at another tick", OWN_PIDS, pids::at_another_tick),
    run("L3", "the pid comes back within the same tick", OWN_PIDS, pids::within_one_tick),
    run("L4", "the pid comes back as a thread's", OWN_PIDS, pids::as_a_thread),
    run("L5", "the owner is a zombie", NOTHING, states::zombie),
    run("L6", "the first thread is a zombie, another one lives", NOTHING, states::leaderless),
    run("L7", "stopped, traced, frozen", NOTHING, states::stopped),
    run("L8", "another user's owner, and hidepid", OWN_MOUNTS, procfs::hidepid),
    run("L9", "a living owner in a sibling namespace", NOTHING, containers::siblings),
    run("L10", "a restarted container", NOTHING, containers::restarted),
    run("L11", "parent and child namespaces", NOTHING, containers::nested),
    run("L12", "the procfs of another namespace", FOREIGN_PROC, procfs::foreign),
    run("L12", "no procfs", OWN_MOUNTS, procfs::none),
    run("L12", "a procfs with processes and nothing else", OWN_MOUNTS, procfs::subset),
    run("L13", "shifted clocks", NOTHING, clocks::shifted),
    run("L14", "a wall clock that somebody has set (injected)", NOTHING, clocks::wrong_wall),
    Scenario {
        name: "L14",
        title: "the machine's own clock is set",
        how: How::NotRun("it would be everybody's clock: that takes a machine of its own"),
    },
    run("L15", "a boot id that was mounted over", OWN_MOUNTS, procfs::boot_id),
    run("L16", "pids wrap in a storm of forks", OWN_PIDS, pids::storm),
    run("L17", "exec, and forked children", NOTHING, programs::exec_and_forks),
    run("L18", "no descriptors left, and numbers that are no pids", NOTHING, probes::limits),
    run(
        "L19",
        "reaped and reused in the middle of the judgement",
        OWN_PIDS,
        probes::reused_meanwhile,
    ),
    run("L20", "two clones of one machine (planted; as documented)", NOTHING, probes::clones),
    run("oracle", "everybody on this machine", NOTHING, oracle::everybody),
];
