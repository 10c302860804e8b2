//! The holder's side: a holder that is stuck, evicted, forked, signalled or killed harms nobody.
//!
//! This program is the trials and, started again with `actor:<role>` as its first argument, the
//! holders that get into trouble. `STORM_SCALE` multiplies the number of rounds (default 1).
#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "Linux only"))]

/// What the storms have, too.
macro_rules! shared {
    ($($name:ident: $path:literal)*) => {
        $(
            #[cfg(target_os = "linux")]
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
    sys: "../storm/sys.rs"
}

#[cfg(target_os = "linux")]
mod callbacks;
#[cfg(target_os = "linux")]
mod corruption;
#[cfg(target_os = "linux")]
mod exits;
#[cfg(target_os = "linux")]
mod extend;
#[cfg(target_os = "linux")]
mod forked;
#[cfg(target_os = "linux")]
mod help;
#[cfg(target_os = "linux")]
mod lost;
#[cfg(target_os = "linux")]
mod promises;
#[cfg(target_os = "linux")]
mod races;
#[cfg(target_os = "linux")]
mod reentrant;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(all(target_os = "linux", feature = "tokio"))]
mod tasks;
#[cfg(target_os = "linux")]
mod watchdog;
#[cfg(target_os = "linux")]
mod writes;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
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
        ("lost::directory_renamed", lost::directory_renamed),
        ("callbacks::may_do_anything", callbacks::may_do_anything),
        ("callbacks::stop_nobody", callbacks::stop_nobody),
        ("extend::contender_waits", extend::contender_waits),
        ("extend::limit", extend::limit),
        ("extend::killed", extend::killed),
        ("extend::races", promises::races),
        ("writes::patience", writes::patience),
        ("writes::threads", writes::threads),
        ("writes::partial", writes::partial),
        ("writes::full", writes::full),
        ("writes::replaced", writes::replaced),
        ("corruption::fenced", corruption::fenced),
        ("corruption::unfenced", corruption::unfenced),
        ("exits::ways", exits::ways),
        ("exits::inherited", exits::inherited),
        ("exits::inside_a_section", exits::inside_a_section),
        ("exits::of_a_child", exits::of_a_child),
        ("signals::own_handlers", signals::own_handlers),
        ("signals::first_process", signals::first_process),
        ("signals::racing_eviction", signals::racing_eviction),
        ("forked::bystander", forked::bystander),
        ("forked::foreign_handles", forked::foreign_handles),
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
