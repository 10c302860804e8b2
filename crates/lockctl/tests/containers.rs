//! Containers that share a directory of locks: pid namespaces, a `/proc` that is foreign or
//! missing, boot ids that are made up, and file systems that have to be mounted first.
//!
//! All of it takes root and `unshare(1)`. Where they are not to be had the scenarios are listed
//! as ignored, with the reason on standard error.

#[cfg(target_os = "linux")]
mod common;
#[cfg(target_os = "linux")]
#[path = "containers/filesystems.rs"]
mod filesystems;
#[cfg(target_os = "linux")]
#[path = "containers/namespaces.rs"]
mod namespaces;
#[cfg(target_os = "linux")]
#[path = "containers/views.rs"]
mod views;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Failed, Trial};

    type Scenario = (&'static str, fn());
    const SCENARIOS: &[Scenario] = &[
        ("siblings_with_the_same_pid", namespaces::siblings_with_the_same_pid),
        ("a_pid_that_the_sibling_has_not", namespaces::a_pid_that_the_sibling_has_not),
        ("a_killed_container", namespaces::a_killed_container),
        ("a_restarted_container", namespaces::a_restarted_container),
        ("records_without_a_claim", namespaces::records_without_a_claim),
        ("seen_from_around", namespaces::seen_from_around),
        ("the_procfs_of_the_parent", views::the_procfs_of_the_parent),
        ("no_procfs", views::no_procfs),
        ("a_boot_id_mounted_over", views::a_boot_id_mounted_over),
        ("another_boot_on_a_local_disk", filesystems::another_boot_on_a_local_disk),
        ("another_boot_on_a_tmpfs", filesystems::another_boot_on_a_tmpfs),
        (
            "another_boot_on_what_others_may_have_mounted",
            filesystems::another_boot_on_what_others_may_have_mounted,
        ),
        ("two_overlays_of_one_file", filesystems::two_overlays_of_one_file),
        ("a_full_file_system", filesystems::a_full_file_system),
        ("a_read_only_file_system", filesystems::a_read_only_file_system),
        ("a_device_at_the_path", filesystems::a_device_at_the_path),
    ];
    const FROZEN: Scenario = ("a_frozen_command", filesystems::a_frozen_command);

    let ignored = |why: &Option<String>, count: usize| {
        if let Some(why) = why {
            eprintln!("{count} scenarios are ignored: {why}");
        }
        why.is_some()
    };
    let trial = |&(name, scenario): &Scenario, ignored| {
        let run = move || -> Result<(), Failed> {
            scenario();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let all = ignored(&obstacle(), SCENARIOS.len());
    let frozen = all || ignored(&filesystems::no_freezer(), 1);
    let trials = SCENARIOS.iter().map(|s| trial(s, all)).chain([trial(&FROZEN, frozen)]);
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Why namespaces cannot be had here, if so.
#[cfg(target_os = "linux")]
fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("they need root".into());
    }
    let probe = ["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "true"];
    match std::process::Command::new("unshare").args(probe).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(String::from_utf8_lossy(&done.stderr).into_owned()),
        Err(error) => Some(format!("unshare(1): {error}")),
    }
}
