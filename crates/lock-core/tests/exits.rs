//! Clean-up when a Windows process exits, by itself or because of its console. What cannot be had
//! here is listed as ignored, with the reason on standard error: Wine 8 does not call a program's
//! exit callbacks, and sends no events to a console.
//!
//! This program is the test and, started again with a role, the process that exits.

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
#[path = "exits/roles.rs"]
mod roles;
#[cfg(windows)]
#[path = "exits/sys.rs"]
mod sys;

#[cfg(windows)]
fn main() -> std::process::ExitCode {
    use libtest_mimic::{Arguments, Trial};

    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, role, path] = &arguments[..]
        && flag == "--role"
    {
        return roles::act(role, path.as_ref());
    }
    let callbacks = trials::are_callbacks_called();
    let console = trials::can_events_be_sent();
    if !callbacks {
        eprintln!("ignored: the system calls no callbacks of a program that exits");
    } else if !console {
        eprintln!("ignored in part: there is no console here that sends events");
    }
    let trial = |name, test: fn(), ignored: bool| {
        let test = move || {
            test();
            Ok(())
        };
        Trial::test(name, test).with_ignored_flag(ignored)
    };
    let trials = vec![
        trial("a_process_that_exits_removes_its_locks", trials::exits, !callbacks),
        trial("an_event_that_ends_the_process_does", trials::ends, !callbacks || !console),
        trial("an_event_that_the_program_handles_does_not", trials::goes_on, !console),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

#[cfg(windows)]
mod trials {
    //! The tests.

    use std::io::{BufRead, BufReader};
    use std::os::windows::process::CommandExt;
    use std::path::Path;
    use std::process::{Child, ChildStdout, Command, Stdio};

    use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

    use crate::sys;

    fn command(role: &str, path: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--role", role]).arg(path);
        command
    }

    /// Asks with a callback of this program's own.
    pub(super) fn are_callbacks_called() -> bool {
        let output = command("probe", Path::new("")).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(sys::SAID_AT_EXIT)
    }

    /// Asks with an event to a process that has nothing to do with locks.
    pub(super) fn can_events_be_sent() -> bool {
        let mut idle = command("idle", Path::new(""));
        idle.stdin(Stdio::piped()).creation_flags(CREATE_NEW_PROCESS_GROUP);
        let mut child = idle.spawn().unwrap();
        let sent = sys::ctrl_break(child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        sent
    }

    pub(super) fn exits() {
        let place = tempfile::tempdir().unwrap();
        for (role, name, stays) in [
            ("exit without", "s.lock", true),
            ("exit", "t.lock", false),
            ("exit", "directory", false),
            ("exit from another thread", "directory", false),
            ("return", "t.lock", false),
            ("exit while a thread writes", "v.lock", true),
        ] {
            let path = place.path().join(name);
            let output = command(role, &path).output().unwrap();
            assert_eq!(output.status.code(), Some(5), "{role}: {output:?}");
            assert_eq!(path.exists(), stays, "{role}, {name}");
        }
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    }

    fn holder(path: &Path, role: &str) -> (Child, BufReader<ChildStdout>) {
        let mut child = command(role, path)
            .stdout(Stdio::piped())
            .creation_flags(CREATE_NEW_PROCESS_GROUP)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert_eq!(line(&mut out).trim(), "held");
        (child, out)
    }

    fn line(out: &mut BufReader<ChildStdout>) -> String {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    }

    pub(super) fn ends() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s.lock");
        let (mut child, mut out) = holder(&path, "hold");
        assert!(path.exists());
        assert!(sys::ctrl_break(child.id()));
        assert!(!child.wait().unwrap().success());
        assert_eq!(line(&mut out), "", "it went on");
        assert!(!path.exists());
    }

    pub(super) fn goes_on() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s.lock");
        let (mut child, mut out) = holder(&path, "hold and handle");
        assert!(sys::ctrl_break(child.id()));
        assert_eq!(line(&mut out).trim(), "still held");
        assert!(child.wait().unwrap().success());
    }
}
