//! Pids that were given to somebody else while a dead owner's lock still named them: real ones,
//! made to come back through `ns_last_pid`.
//!
//! Each scenario runs as pid 1 of a pid namespace of its own: this program started again by
//! `unshare(1)`. It has to say that it came to its end. Where this machine cannot do that the
//! scenarios are listed as ignored, with the reason on standard error.

#[cfg(target_os = "linux")]
#[path = "recycled/actor.rs"]
mod actor;
#[cfg(target_os = "linux")]
#[path = "recycled/scenarios.rs"]
mod scenarios;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    //! The three things that this program can be: the test, one scenario, an actor in one.

    use super::{actor, scenarios};
    use libtest_mimic::{Arguments, Failed, Trial};
    use std::process::{Command, ExitCode};

    const SCENARIOS: &[(&str, fn())] = &[
        ("at_another_tick", scenarios::at_another_tick),
        ("at_another_tick_without_process_ids", scenarios::at_another_tick_without_process_ids),
        ("within_one_tick", scenarios::within_one_tick),
        ("as_a_thread", scenarios::as_a_thread),
        ("the_record_as_it_was", scenarios::the_record_as_it_was),
        ("origin_at_another_tick", scenarios::origin_at_another_tick),
        ("origin_without_a_start_time", scenarios::origin_without_a_start_time),
        ("origin_as_a_thread", scenarios::origin_as_a_thread),
        ("a_living_owner", scenarios::a_living_owner),
    ];

    /// `--kill-child`: nothing outlives the test.
    const OWN_PIDS: &[&str] = &["--pid", "--fork", "--mount-proc", "--kill-child"];

    pub(crate) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().collect();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        match words[..] {
            ["--scenario", name] => {
                SCENARIOS.iter().find(|known| known.0 == name).unwrap().1();
                println!("done: {name}");
            }
            ["--actor", "hold", file] => actor::hold(file.as_ref()),
            ["--actor", "idle"] => actor::idle(),
            _ => return test(),
        }
        ExitCode::SUCCESS
    }

    fn test() -> ExitCode {
        let obstacle = obstacle();
        if let Some(why) = &obstacle {
            eprintln!("{} scenarios are ignored: {why}", SCENARIOS.len());
        }
        let trial = |&(name, _): &(&'static str, fn())| {
            Trial::test(name, move || run(name)).with_ignored_flag(obstacle.is_some())
        };
        let trials = SCENARIOS.iter().map(trial).collect();
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    }

    /// Why the scenarios cannot be had here, if so: they need root and `ns_last_pid`.
    fn obstacle() -> Option<String> {
        let probe = ["sh", "-c", "echo 299 > /proc/sys/kernel/ns_last_pid"];
        match Command::new("unshare").args(OWN_PIDS).args(probe).output() {
            Ok(done) if done.status.success() => None,
            Ok(done) => Some(String::from_utf8_lossy(&done.stderr).into_owned()),
            Err(error) => Some(format!("unshare(1): {error}")),
        }
    }

    fn run(name: &str) -> Result<(), Failed> {
        let me = std::env::current_exe()?;
        let done =
            Command::new("unshare").args(OWN_PIDS).arg(me).args(["--scenario", name]).output()?;
        let told = String::from_utf8_lossy(&done.stdout);
        if done.status.success() && told.contains(&format!("done: {name}")) {
            print!("{told}");
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(format!("{}\n{told}{said}", done.status).into())
    }
}
