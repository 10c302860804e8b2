//! The holder's side: a holder that is stuck, evicted, forked, signalled or killed harms nobody.
//!
//! This program is the trials and, started again with `actor:<role>` as its first argument, the
//! holders that get into trouble. `STORM_SCALE` multiplies the number of rounds (default 1; less
//! where processes start slowly). Forks, signals and resource limits are for Linux.

/// What the storms have, too.
macro_rules! shared {
    ($($name:ident: $path:literal)*) => {
        $(
            #[path = $path]
            #[allow(dead_code, reason = "the storms use the rest")]
            mod $name;
        )*
    };
}

shared! {
    crew: "../storm/crew.rs"
    given: "../storm/given.rs"
    journal: "../storm/journal.rs"
    mutant: "../storm/mutant.rs"
    support: "../storm/support.rs"
    os: "../../../lock-core/tests/os/mod.rs"
}

mod callbacks;
mod corruption;
#[cfg(target_os = "linux")]
mod exits;
mod extend;
#[cfg(target_os = "linux")]
mod forked;
mod help;
#[cfg(target_os = "linux")]
mod limits;
mod lost;
mod promises;
mod races;
mod reentrant;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
#[path = "../storm/sys.rs"]
mod sys;
#[cfg(feature = "tokio")]
mod tasks;
mod watchdog;
mod writes;

fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Failed, Trial};

    let first = std::env::args().nth(1);
    if let Some(role) = first.as_deref().and_then(|arg| arg.strip_prefix("actor:")) {
        return help::play(role);
    }

    let trials: &[(&str, fn())] = &[
        // The quiet ones first: see `support::quiet`.
        #[cfg(feature = "tokio")]
        ("watchdog::blocked_workers", tasks::blocked_workers),
        ("watchdog::several_guards", watchdog::several_guards),
        ("watchdog::idle", watchdog::idle),
        ("watchdog::blind_and_uninherited", watchdog::blind_and_uninherited),
        ("lost::told", lost::told),
        ("lost::during_a_section", lost::during_a_section),
        // Windows renames no directory in which a file is open.
        #[cfg(unix)]
        ("lost::directory_renamed", lost::directory_renamed),
        ("callbacks::may_do_anything", callbacks::may_do_anything),
        ("callbacks::stop_nobody", callbacks::stop_nobody),
        ("extend::contender_waits", extend::contender_waits),
        ("extend::limit", extend::limit),
        ("extend::killed", extend::killed),
        ("extend::races", promises::races),
        ("writes::patience", writes::patience),
        ("writes::behind_somebody_stopped", writes::behind_somebody_stopped),
        ("writes::threads", writes::threads),
        #[cfg(target_os = "linux")]
        ("writes::partial", limits::partial),
        #[cfg(target_os = "linux")]
        ("writes::full", limits::full),
        ("writes::replaced", writes::replaced),
        ("corruption::fenced", corruption::fenced),
        ("corruption::unfenced", corruption::unfenced),
        #[cfg(target_os = "linux")]
        ("exits::ways", exits::ways),
        #[cfg(target_os = "linux")]
        ("exits::inherited", exits::inherited),
        #[cfg(target_os = "linux")]
        ("exits::inside_a_section", exits::inside_a_section),
        #[cfg(target_os = "linux")]
        ("exits::of_a_child", exits::of_a_child),
        #[cfg(target_os = "linux")]
        ("signals::own_handlers", signals::own_handlers),
        #[cfg(target_os = "linux")]
        ("signals::first_process", signals::first_process),
        #[cfg(target_os = "linux")]
        ("signals::racing_eviction", signals::racing_eviction),
        #[cfg(target_os = "linux")]
        ("forked::bystander", forked::bystander),
        #[cfg(target_os = "linux")]
        ("forked::foreign_handles", forked::foreign_handles),
        #[cfg(target_os = "linux")]
        ("forked::storm", forked::storm),
        ("reentrant::longest_promise", reentrant::longest_promise),
        ("reentrant::old_handle", reentrant::old_handle),
        ("races::eviction", races::eviction),
    ];
    let trials = trials.iter().map(|&(name, trial)| {
        Trial::test(name, move || {
            trial();
            Ok::<(), Failed>(())
        })
    });
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    support::give_up_after(std::time::Duration::from_secs(170));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
