//! Contention and crashes with real processes and threads, and with a system that is slow, has
//! no `RENAME_NOREPLACE`, or runs something else in between two calls.
//!
//! This program is the test and, started again with `--role`, each of the other processes. What
//! this machine cannot do is listed as ignored, with the reason on standard error.

#[cfg(target_os = "linux")]
mod actors;
#[cfg(target_os = "linux")]
mod bottom_up;
#[cfg(target_os = "linux")]
mod crashes;
#[cfg(target_os = "linux")]
mod litter;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod seam;
#[cfg(target_os = "linux")]
mod slow_path;
#[cfg(target_os = "linux")]
mod storm;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    //! The list of tests.

    use super::{actors, bottom_up, crashes, litter, slow_path, storm};
    use libtest_mimic::{Arguments, Trial};
    use std::path::Path;
    use std::process::ExitCode;

    const TESTS: &[(&str, fn())] = &[
        ("released_on_success_error_and_panic", storm::releases),
        ("sixteen_processes", storm::processes),
        ("sixteen_threads_and_panics", storm::threads),
        ("planted_directories_met_by_threads", storm::planted_for_threads),
        ("planted_directories_met_by_processes", storm::planted_for_processes),
        ("slow_path_in_threads", slow_path::threads),
        ("slow_path_in_processes", storm::slow_processes),
        ("sluggish_on_planted_directories", slow_path::planted),
        ("slow_path_publication_into_a_tombstone", slow_path::publication_into_a_tombstone),
        ("slow_path_with_a_link_that_lies", slow_path::lying_link),
        ("sluggish_renames", slow_path::threads_with_renames),
        ("bottom_up_in_threads", bottom_up::threads),
        ("bottom_up_on_planted_directories", bottom_up::planted),
        ("bottom_up_late_removal_of_a_successors_directory", bottom_up::successor_holds),
        ("bottom_up_late_removal_of_an_empty_directory", bottom_up::successor_is_making_its_own),
        ("bottom_up_publication_into_an_emptied_directory", bottom_up::late_publication),
        ("bottom_up_foreign_files_stay", bottom_up::foreign_files),
        ("bottom_up_puts_back_what_is_not_its_own", bottom_up::replaced_meanwhile),
        ("sweep_of_a_stage_that_is_published_meanwhile", litter::published_under_a_sweeper),
        ("sweep_of_a_stage_that_is_being_locked", litter::stager_under_a_sweeper),
        ("sweep_takes_only_what_nobody_owns", litter::only_what_nobody_owns),
        ("killed_at_random", crashes::at_random),
    ];

    const TRACED: &[(&str, fn())] = &[
        ("killed_before_every_call_on_a_free_root", crashes::before_every_call_on_a_free_root),
        ("killed_before_every_call_without_renames", crashes::before_every_call_without_renames),
        ("killed_before_every_call_bottom_up", crashes::before_every_call_bottom_up),
        (
            "killed_before_every_call_on_a_dead_owners_lock",
            crashes::before_every_call_on_a_dead_owners_lock,
        ),
        (
            "killed_before_every_call_on_planted_directories",
            crashes::before_every_call_on_planted_directories,
        ),
    ];

    pub(crate) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().collect();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        if let ["--role", role, root, number] = words[..] {
            actors::act(role, Path::new(root), number);
            return ExitCode::SUCCESS;
        }
        let obstacle = crashes::obstacle();
        if let Some(why) = &obstacle {
            eprintln!("{} tests are ignored: {why}", TRACED.len());
        }
        let trial = |&(name, test): &(&'static str, fn())| {
            Trial::test(name, move || {
                test();
                Ok(())
            })
        };
        let traced = TRACED.iter().map(|t| trial(t).with_ignored_flag(obstacle.is_some()));
        let trials = TESTS.iter().map(trial).chain(traced).collect();
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }
}
