//! Contention and crashes with real processes and threads, and with a system that is slow, has
//! no `RENAME_NOREPLACE`, or runs something else in between two calls.
//!
//! This program is the test and, started again with `--role`, each of the other processes. What
//! this machine cannot do is listed as ignored, with the reason on standard error.

mod actors;
mod bottom_up;
mod boundary;
mod crashes;
#[cfg(unix)]
mod leftovers;
mod litter;
#[path = "../../../lock-core/tests/os/mod.rs"]
mod os;
#[cfg(target_os = "linux")]
mod reboot;
mod root;
mod script;
mod seam;
#[cfg(unix)]
mod slow_path;
mod storm;
#[cfg(target_os = "linux")]
mod traced;

use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("released_on_success_error_and_panic", storm::releases),
    ("sixteen_processes", storm::processes),
    ("sixteen_threads_and_panics", storm::threads),
    ("planted_directories_met_by_threads", storm::planted_for_threads),
    ("planted_directories_met_by_processes", storm::planted_for_processes),
    ("the_end_of_a_grace_met_by_many", boundary::crossed_together),
    ("bottom_up_in_threads", bottom_up::threads),
    ("bottom_up_on_planted_directories", bottom_up::planted),
    ("bottom_up_late_removal_of_a_successors_directory", bottom_up::successor_holds),
    ("bottom_up_late_removal_of_an_empty_directory", bottom_up::successor_is_making_its_own),
    ("bottom_up_publication_into_an_emptied_directory", bottom_up::late_publication),
    ("bottom_up_foreign_files_stay", bottom_up::foreign_files),
    ("sweep_takes_only_what_nobody_owns", litter::only_what_nobody_owns),
    ("killed_at_random", crashes::at_random),
];

/// Where directories can be renamed and files linked, all by their names.
#[cfg(unix)]
const WITH_RENAMES: &[Test] = &[
    ("bottom_up_puts_back_what_is_not_its_own", bottom_up::replaced_meanwhile),
    ("slow_path_in_threads", slow_path::threads),
    ("slow_path_in_processes", storm::slow_processes),
    ("sluggish_on_planted_directories", slow_path::planted),
    ("slow_path_publication_into_a_tombstone", slow_path::publication_into_a_tombstone),
    ("slow_path_with_a_link_that_lies", slow_path::lying_link),
    ("sluggish_renames", slow_path::threads_with_renames),
    ("leftovers_are_swept_by_a_reclaim", leftovers::swept_by_a_reclaim),
    ("leftovers_are_not_swept_by_every_acquisition", leftovers::not_swept_by_every_acquisition),
    ("leftovers_are_swept_by_doctor", leftovers::swept_by_doctor),
    ("sweep_of_a_stage_that_is_published_meanwhile", litter::published_under_a_sweeper),
    ("sweep_of_a_stage_that_is_being_locked", litter::stager_under_a_sweeper),
];
#[cfg(not(unix))]
const WITH_RENAMES: &[Test] = &[];

#[cfg(target_os = "linux")]
const TRACED: &[Test] = &[
    ("killed_before_every_call_on_a_free_root", traced::before_every_call_on_a_free_root),
    ("killed_before_every_call_without_renames", traced::before_every_call_without_renames),
    ("killed_before_every_call_bottom_up", traced::before_every_call_bottom_up),
    (
        "killed_before_every_call_on_a_dead_owners_lock",
        traced::before_every_call_on_a_dead_owners_lock,
    ),
    (
        "killed_before_every_call_on_planted_directories",
        traced::before_every_call_on_planted_directories,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    if let ["--role", role, root, number] = words[..] {
        actors::act(role, Path::new(root), number);
        return ExitCode::SUCCESS;
    }
    let trial = |&(name, test): &Test| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    let trials = TESTS.iter().chain(WITH_RENAMES).map(trial);
    #[cfg(target_os = "linux")]
    let trials = {
        let trials =
            trials.chain([trial(&("a_record_of_the_previous_boot", reboot::previous_boot))]);
        let obstacle = traced::obstacle();
        if let Some(why) = &obstacle {
            eprintln!("{} tests are ignored: {why}", TRACED.len());
        }
        let traced = TRACED.iter().map(trial);
        trials.chain(traced.map(move |trial| trial.with_ignored_flag(obstacle.is_some())))
    };
    let trials = trials.collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
