//! `lockctl` and the events of a Windows console. Where no console sends events (Wine 8), that is
//! listed as ignored.

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial};

    let console = windows::can_events_be_sent();
    if !console {
        eprintln!("ignored: there is no console here that sends events");
    }
    let trial = Trial::test("an_event_ends_the_command_and_the_tool_releases", || {
        windows::an_event_ends_the_command_and_the_tool_releases();
        Ok(())
    });
    let trials = vec![trial.with_ignored_flag(!console)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[cfg(windows)]
mod windows {
    use std::io::{BufRead, BufReader};
    use std::os::windows::process::CommandExt;
    use std::process::{Command, Stdio};

    use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

    /// Asks with an event to a process that has nothing to do with locks.
    pub(super) fn can_events_be_sent() -> bool {
        let mut idle = Command::new("cmd");
        idle.args(["/c", "pause"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut idle = idle.creation_flags(CREATE_NEW_PROCESS_GROUP).spawn().unwrap();
        let sent = sys::ctrl_break(idle.id());
        drop(idle.stdin.take());
        idle.wait().unwrap();
        sent
    }

    /// Ctrl-Break reaches the command, which it ends; the tool outlives it and releases.
    pub(super) fn an_event_ends_the_command_and_the_tool_releases() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("chat.jsonl");
        let lock = place.path().join("chat.jsonl.lock");
        // The command is this tool again, as a program that the event ends by default.
        let tool = env!("CARGO_BIN_EXE_lockctl");
        let inner = place.path().join("inner.jsonl");
        let mut held = Command::new(tool)
            .args(["session", "run"])
            .arg(&inner)
            .args(["--"])
            .args(["cmd", "/c", "echo held & pause"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        BufReader::new(held.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();

        let mut holder = Command::new(tool)
            .args(["session", "run"])
            .arg(&file)
            .args(["--", tool, "session", "run", "--timeout", "60s"])
            .arg(&inner)
            .args(["--", "cmd", "/c", "exit 0"])
            .stderr(Stdio::piped())
            .creation_flags(CREATE_NEW_PROCESS_GROUP)
            .spawn()
            .unwrap();
        // It waits for a lock that is held: nothing but the event ends it in time.
        let mut said = BufReader::new(holder.stderr.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        assert!(lock.exists());
        assert!(sys::ctrl_break(holder.id()));
        let code = holder.wait().unwrap().code();
        assert_eq!(code, Some(130));
        assert!(!lock.exists());
        drop(held.stdin.take());
        held.wait().unwrap();
    }

    mod sys {
        #![allow(unsafe_code, reason = "calls that std does not have")]

        use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};

        /// Sends Ctrl-Break to a process group of this console. `false`: there is none that could.
        pub(super) fn ctrl_break(group: u32) -> bool {
            // SAFETY: takes two numbers.
            unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) != 0 }
        }
    }
}
