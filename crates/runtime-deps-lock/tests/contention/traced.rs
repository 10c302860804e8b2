//! Processes that are killed before every single system call, by `strace`.

use std::process::{Command, Stdio};

use crate::actors::{Actor, command};
use crate::crashes::{acquire_at_once, clean};
use crate::root::{Planted, Root};

/// The system calls of an acquisition and a release.
const CALLS: [&str; 11] = [
    "linkat",
    "mkdirat",
    "openat",
    "fcntl",
    "pwrite64",
    "pread64",
    "renameat2",
    "renameat",
    "unlinkat",
    "newfstatat",
    "close",
];

/// What is at the path when the victim comes.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    /// Nothing, on a file system that cannot rename without clobbering.
    NothingAndNoRenames,
    /// Nothing, where directories cannot be renamed at all.
    NothingAndBottomUp,
    DeadOwner,
    Planted(Planted),
}

/// Why strace cannot be used here, if so.
pub(crate) fn obstacle() -> Option<String> {
    let probe = ["-o", "/dev/null", "-e", "trace=none", "true"];
    match Command::new("strace").args(probe).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(String::from_utf8_lossy(&done.stderr).trim().to_owned()),
        Err(error) => Some(format!("strace(1): {error}")),
    }
}

pub(crate) fn before_every_call_on_a_free_root() {
    before_every_call(Before::Nothing);
}

pub(crate) fn before_every_call_without_renames() {
    before_every_call(Before::NothingAndNoRenames);
}

pub(crate) fn before_every_call_bottom_up() {
    before_every_call(Before::NothingAndBottomUp);
}

pub(crate) fn before_every_call_on_a_dead_owners_lock() {
    before_every_call(Before::DeadOwner);
}

pub(crate) fn before_every_call_on_planted_directories() {
    for planted in Planted::ALL {
        before_every_call(Before::Planted(*planted));
    }
}

/// Kills an installer before its first, second, … call of each kind, until it survives.
fn before_every_call(before: Before) {
    let mut deaths = 0;
    for call in CALLS {
        // What the program does before `main` is of no interest, and takes no more than these.
        for nth in first_in_protocol(call).. {
            let root = Root::new();
            prepare(&root, before);
            let context = format!("{before:?}: killed before {call} number {nth}");
            if survives(&root, before, call, nth) {
                break;
            }
            deaths += 1;
            if matches!(
                before,
                Before::Planted(Planted::Dangling)
                    | Before::NothingAndNoRenames
                    | Before::NothingAndBottomUp
            ) {
                // Killed after it removed the link, before it published into its directory, or
                // before it removed that: it waits out a grace like any ownerless one.
                crate::root::make_old_if_there(&root.lock_dir());
            }
            acquire_at_once(&root, &context);
            clean(&root, &context);
            assert!(nth < 400, "{context}: it never ends");
        }
    }
    assert!(deaths > 20, "{before:?}: only {deaths} deaths");
    println!("{before:?}: {deaths} deaths");
}

/// Start-up makes some of these calls, too; dying there leaves nothing.
fn first_in_protocol(call: &str) -> usize {
    match call {
        "openat" | "close" => 4,
        _ => 1,
    }
}

fn prepare(root: &Root, before: Before) {
    match before {
        Before::Nothing | Before::NothingAndNoRenames | Before::NothingAndBottomUp => {}
        Before::DeadOwner => {
            let mut owner = Actor::start("hold", &root.path(), 0);
            assert_eq!(owner.line(), "held\n");
            owner.kill();
        }
        Before::Planted(planted) => planted.plant(&root.lock_dir()),
    }
}

fn survives(root: &Root, before: Before, call: &str, nth: usize) -> bool {
    let inject = format!("inject={call}:signal=SIGKILL:when={nth}");
    let role = if matches!(before, Before::NothingAndBottomUp) { "bottom-up" } else { "once" };
    let victim = command(role, &root.path(), 0);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call},renameat2")]);
    if matches!(before, Before::NothingAndNoRenames) && call != "renameat2" {
        // What NFS and 9p answer.
        strace.args(["-e", "inject=renameat2:error=EINVAL"]);
    }
    strace
        .args(["-e", &inject])
        .arg(victim.get_program())
        .args(victim.get_args())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}
