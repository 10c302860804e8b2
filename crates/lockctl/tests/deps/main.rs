//! `lockctl deps` with real processes: exit statuses, inheritance, containers, npm.
//!
//! What this machine cannot do is listed as ignored, with the reason on standard error.

#[cfg(target_os = "linux")]
mod containers;
#[cfg(target_os = "linux")]
mod inheritance;
#[cfg(target_os = "linux")]
mod npm;
#[path = "../../../lock-core/tests/os/mod.rs"]
mod os;
mod statuses;
mod support;

fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial};

    type Tests = &'static [(&'static str, fn())];
    let groups: &[(Tests, Option<String>)] = &[
        (statuses::TESTS, None),
        #[cfg(target_os = "linux")]
        (inheritance::TESTS, None),
        #[cfg(target_os = "linux")]
        (containers::TESTS, containers::obstacle()),
        #[cfg(target_os = "linux")]
        (npm::TESTS, npm::obstacle()),
    ];
    let mut trials = Vec::new();
    for (tests, obstacle) in groups {
        if let Some(why) = obstacle {
            eprintln!("{} tests are ignored: {why}", tests.len());
        }
        trials.extend(tests.iter().map(|&(name, test)| {
            let trial = Trial::test(name, move || {
                test();
                Ok(())
            });
            trial.with_ignored_flag(obstacle.is_some())
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
