//! Commands to hold a lock for: this test program itself, which notices before its `main` that it is
//! meant to be one. There is no shell here that says its pid and stays.

use std::io::{BufRead, Write};
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::System::Threading::{GetExitCodeProcess, WaitForSingleObject};

use super::imp::Process;

/// The status of a command that was ended by [`let_go`].
pub(crate) const LET_GO: i32 = 137;

const MARK: &str = "--as-a-command";

/// The runtime calls what is listed in this section before `main`.
#[used]
#[unsafe(link_section = ".CRT$XCU")]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == MARK) {
        let words: Vec<&str> = words[2..].iter().map(String::as_str).collect();
        std::process::exit(play(&words));
    }
}

fn play(words: &[&str]) -> i32 {
    let say = |text: &str| {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    };
    let env = |name| std::env::var(name).unwrap_or_default();
    match words {
        ["exits", code] => return code.parse().expect("a status"),
        ["stays"] => {
            say(&std::process::id().to_string());
            std::thread::sleep(Duration::from_secs(1000));
        }
        ["listens"] => {
            say(&std::process::id().to_string());
            std::io::stdin().lock().lines().for_each(drop);
        }
        ["shows", file] => {
            let path = format!("{}{}", env("LOCKCTL_LOCK"), file.replace('/', "\\"));
            say(std::fs::read_to_string(path).expect("a record").trim_end());
            say(&env("LOCKCTL_ID"));
        }
        ["writes", text, file] => {
            for n in 1..=5 {
                let file = std::fs::File::options().append(true).create(true).open(file);
                writeln!(file.expect("a file"), "{text} {n}").expect("it takes a line");
            }
        }
        _ => panic!("no such command: {words:?}"),
    }
    0
}

fn this_program(words: &[&str]) -> Vec<String> {
    let program = std::env::current_exe().expect("this program");
    let program = program.to_str().expect("a plain name").to_owned();
    let words = words.iter().map(|word| (*word).to_owned());
    [program, MARK.to_owned()].into_iter().chain(words).collect()
}

/// Ends at once, with this status.
pub(crate) fn exits(code: u8) -> Vec<String> {
    this_program(&["exits", &code.to_string()])
}

/// Says its pid, and stays.
pub(crate) fn stays() -> Vec<String> {
    this_program(&["stays"])
}

/// Says its pid, and stays until its standard input ends.
pub(crate) fn listens() -> Vec<String> {
    this_program(&["listens"])
}

/// Shows what is in a file below the lock, and then the lock's id.
pub(crate) fn shows(file: &str) -> Vec<String> {
    this_program(&["shows", file])
}

/// Writes a text into a file five times, line by line.
pub(crate) fn writes(text: &str, file: &Path) -> Vec<String> {
    this_program(&["writes", text, file.to_str().expect("a plain name")])
}

/// Ends a command: nobody can be asked here without a console.
pub(crate) fn let_go(command: u32) {
    assert!(Process::of(command).kill(), "it is there");
}

/// There are no groups; `lockctl` puts its command into a job, which ends with it.
pub(crate) fn in_a_group(command: &mut Command) -> &mut Command {
    command
}

/// Kills a process, and with `lockctl` its command.
pub(crate) fn kill_group(child: &Child) {
    Process::of(child.id()).kill();
}

/// Waits for the end of a process: its status.
pub(crate) fn status_of(child: &Child, time: Duration) -> Option<i32> {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX - 1);
    let handle = child.as_raw_handle();
    // SAFETY: the child's handle is open.
    if unsafe { WaitForSingleObject(handle, millis) } != WAIT_OBJECT_0 {
        return None;
    }
    let mut code = 0;
    // SAFETY: as before, and the place is valid.
    let done = unsafe { GetExitCodeProcess(handle, &raw mut code) };
    (done != 0).then_some(code.cast_signed())
}
