//! Storms: many real processes on one lock, killed, stopped and slowed down on the way.
//!
//! This program is the trials and, started again with `actor:<role>` as its first argument, the
//! processes that they send into the storm. Actors tell through pipes where they are; what they
//! do under the lock goes into a journal, which is checked for overlaps afterwards.
//!
//! `STORM_SCALE` multiplies the number of rounds (default 1; less where processes start slowly). Storms
//! that rest on forks or `strace` are for Linux.

mod actor;
#[cfg(feature = "tokio")]
mod cancel;
mod contention;
#[cfg(target_os = "linux")]
mod cost;
#[allow(dead_code, reason = "the holder's trials use the rest")]
mod crew;
mod directory;
#[cfg(target_os = "linux")]
mod forks;
mod given;
mod journal;
#[allow(dead_code, reason = "the holder's trials use the rest")]
mod mutant;
#[path = "../../../lock-core/tests/os/mod.rs"]
mod os;
mod overdue;
#[cfg(target_os = "linux")]
mod slow;
mod stale;
mod support;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the holder's trials use the rest")]
mod sys;
mod waiting;

fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Failed, Trial};

    let first = std::env::args().nth(1);
    if let Some(role) = first.as_deref().and_then(|arg| arg.strip_prefix("actor:")) {
        actor::run(role);
        return std::process::ExitCode::SUCCESS;
    }

    let storms: &[(&str, fn())] = &[
        // The quiet ones first: see `support::quiet`.
        ("waiting::kill_latency", waiting::kill_latency),
        #[cfg(feature = "tokio")]
        ("waiting::kill_latency_async", waiting::kill_latency_async),
        ("waiting::release_latency", waiting::release_latency),
        ("waiting::deadlines", waiting::deadlines),
        ("waiting::idle_waiter_costs_nothing", waiting::idle),
        ("waiting::behind_a_stopped_writer", waiting::behind_a_stopped_writer),
        #[cfg(target_os = "linux")]
        ("cost::system_calls", cost::system_calls),
        ("contention::processes_and_kills", contention::processes),
        ("contention::threads", contention::threads),
        ("contention::named_stages", contention::named_stages),
        // Locks on Windows are never linked: not every file system there can.
        #[cfg(unix)]
        ("contention::linked_stages", contention::linked_stages),
        ("contention::reentrant_threads", contention::reentrant_threads),
        ("stale::killed_holders", stale::killed_holders),
        ("overdue::stopped_holders", overdue::stopped_holders),
        ("overdue::racing_holders", overdue::racing_holders),
        ("overdue::fenced_writers", overdue::fenced_writers),
        #[cfg(target_os = "linux")]
        ("slow::killed_holders", slow::slow_motion),
        #[cfg(target_os = "linux")]
        ("slow::catches_the_mutant", slow::catches_the_mutant),
        #[cfg(target_os = "linux")]
        ("forks::children_touch_nothing", forks::children_touch_nothing),
        #[cfg(target_os = "linux")]
        ("forks::children_of_busy_threads", forks::children_of_busy_threads),
        #[cfg(target_os = "linux")]
        ("forks::children_keep_no_binding_byte", forks::children_keep_no_binding_byte),
        #[cfg(feature = "tokio")]
        ("cancel::dropped_futures", cancel::dropped_futures),
        ("directory::processes_threads_and_planted", directory::storm),
        ("directory::made_in_place", directory::made_in_place),
        ("directory::half_swept_stage", directory::half_swept_stage),
        ("directory::foreign_files_stay", directory::foreign_files_stay),
        #[cfg(target_os = "linux")]
        ("directory::slow_motion", slow::directory),
    ];
    let trials = storms.iter().map(|&(name, storm)| {
        Trial::test(name, move || {
            storm();
            Ok::<(), Failed>(())
        })
    });
    let mut arguments = Arguments::from_args();
    // Most of them wait most of the time, for delays and for processes to die.
    arguments.test_threads.get_or_insert(4);
    support::give_up_after(std::time::Duration::from_secs(170));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
