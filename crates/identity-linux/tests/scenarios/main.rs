//! Scenarios with real processes: hostile names, reused pids, zombies, namespaces, a `/proc`
//! that lies or is missing.
//!
//! Each one runs in a process of its own, mostly behind `unshare(1)`: this program started
//! again with `--scenario <name>`. It has to say that it came to its end; a scenario that this
//! machine cannot do is listed as ignored, with the reason on standard error.

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod clocks;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod record;
#[cfg(target_os = "linux")]
mod reuse;
#[cfg(target_os = "linux")]
mod states;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    //! The scenarios, and the three things that this program can be: the test, one scenario,
    //! a helper of one.

    use super::{capture, clocks, holders, mounts, namespaces, programs, reuse, states, sys};
    use libtest_mimic::{Arguments, Failed, Trial};
    use std::process::{Command, ExitCode};

    /// What a scenario runs behind.
    type Within = &'static [&'static str];

    const NOTHING: Within = &[];
    pub(crate) const OWN_PIDS: Within = &["unshare", "--pid", "--fork", "--mount-proc"];
    /// A new pid namespace that still has the procfs of the outer one.
    const FOREIGN_PROC: Within = &["unshare", "--pid", "--fork"];
    const OWN_MOUNTS: Within = &["unshare", "--mount"];

    /// What any user may do.
    const PLAIN: &[(&str, Within, fn())] = &[
        ("l1_hostile_names", NOTHING, states::hostile_names),
        ("l4_dead_leader_of_a_living_group", NOTHING, reuse::number_of_a_living_group),
        ("l5_zombie", NOTHING, states::zombie),
        ("l6_zombie_leader_with_a_living_thread", NOTHING, states::zombie_leader),
        ("l6_captured_without_a_leader", NOTHING, states::without_a_leader),
        ("l7_stopped", NOTHING, states::stopped),
        ("l13_clocks_that_may_not_be_seen", NOTHING, clocks::hidden),
        ("l17_exec_keeps_the_identity", NOTHING, capture::exec),
        ("l17_forked_children_capture_anew", NOTHING, capture::forks),
        ("l18_no_descriptors_left", NOTHING, states::no_descriptors_left),
        ("l18_impossible_pids", NOTHING, states::impossible_pids),
        ("everything_is_known_here", NOTHING, capture::everything_is_known),
        ("sysinfo_agrees_on_start_times", NOTHING, clocks::oracle),
        ("holders_of_a_byte", NOTHING, holders::of_a_byte),
        ("holders_without_their_leader", NOTHING, holders::without_their_leader),
    ];

    /// What takes root: namespaces, mounts, another user.
    const PRIVILEGED: &[(&str, Within, fn())] = &[
        ("l2_pid_reused_at_another_tick", OWN_PIDS, reuse::at_another_tick),
        ("l3_pid_reused_within_one_tick", OWN_PIDS, reuse::within_one_tick),
        ("l4_pid_reused_as_a_thread", OWN_PIDS, reuse::as_a_thread),
        ("l8_hidepid", OWN_MOUNTS, mounts::hidepid),
        ("l9_sibling_namespaces", NOTHING, namespaces::siblings),
        ("l10_restarted_container", NOTHING, namespaces::restarted),
        ("l11_parent_and_child_namespaces", NOTHING, namespaces::nested),
        ("l11_other_boots_handle", NOTHING, namespaces::handle_of_another_boot),
        ("l12_procfs_of_the_parent_namespace", FOREIGN_PROC, mounts::foreign_procfs),
        (
            "l12_procfs_of_the_parent_same_number",
            OWN_PIDS,
            mounts::foreign_procfs_with_the_same_number,
        ),
        ("l12_procfs_of_a_child_namespace", NOTHING, namespaces::procfs_of_a_child),
        ("l12_no_procfs", OWN_MOUNTS, mounts::no_procfs),
        ("l12_subset_pid", OWN_MOUNTS, mounts::subset_pid),
        ("l13_shifted_clocks", NOTHING, clocks::shifted),
        ("l13_shifted_by_less_than_a_tick", NOTHING, clocks::shifted_by_less_than_a_tick),
        ("l13_moved_to_other_clocks", NOTHING, clocks::moved),
        ("l13_held_in_place_by_a_thread", NOTHING, clocks::held_in_place_by_a_thread),
        ("l15_boot_id_mounted_over", OWN_MOUNTS, mounts::boot_id_mounted_over),
        ("l17_same_pid_in_a_new_namespace", OWN_PIDS, capture::same_pid_in_a_new_namespace),
        ("holders_behind_an_overlay", OWN_MOUNTS, holders::behind_an_overlay),
    ];

    const CHECKS: &[(&str, fn())] = &[
        ("elsewhere", namespaces::check_elsewhere),
        ("procfs_of_a_child", namespaces::check_procfs_of_a_child),
        ("shifted", clocks::check_shifted),
    ];

    pub(crate) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().collect();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        match words[..] {
            ["--scenario", name] => {
                sys::do_not_outlive();
                let mut all = PLAIN.iter().chain(PRIVILEGED);
                let (_, _, scenario) = all.find(|known| known.0 == name).unwrap();
                scenario();
                println!("done: {name}");
            }
            ["--role", "hold", pid] => programs::hold(pid.parse().unwrap()),
            ["--role", "report"] => capture::report(),
            ["--role", "contend", check] => {
                sys::do_not_outlive();
                CHECKS.iter().find(|known| known.0 == check).unwrap().1();
                println!("contended");
            }
            _ => return test(),
        }
        ExitCode::SUCCESS
    }

    fn test() -> ExitCode {
        let obstacle = obstacle();
        if let Some(why) = &obstacle {
            eprintln!("{} scenarios are ignored: {why}", PRIVILEGED.len());
        }
        let trial = |&(name, within, _): &(&'static str, Within, fn())| {
            Trial::test(name, move || run(name, within))
        };
        let privileged =
            PRIVILEGED.iter().map(|known| trial(known).with_ignored_flag(obstacle.is_some()));
        let trials = PLAIN.iter().map(trial).chain(privileged).collect();
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    /// Why the privileged scenarios cannot be had here, if so.
    fn obstacle() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("they need root".into());
        }
        let probe = ["--mount", "--time", "--pid", "--fork", "--mount-proc", "true"];
        match Command::new("unshare").args(probe).output() {
            Ok(done) if done.status.success() => None,
            Ok(done) => Some(String::from_utf8_lossy(&done.stderr).into_owned()),
            Err(error) => Some(format!("unshare(1): {error}")),
        }
    }

    fn run(name: &str, within: Within) -> Result<(), Failed> {
        let done = programs::in_namespaces(within).args(["--scenario", name]).output()?;
        let told = String::from_utf8_lossy(&done.stdout);
        if done.status.success() && told.contains(&format!("done: {name}")) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(format!("{}\n{told}{said}", done.status).into())
    }
}
