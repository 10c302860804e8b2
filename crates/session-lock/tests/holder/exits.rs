//! Exit clean-up: whatever ends the process, its own locks go, and nobody else's.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use lock_core::cleanup;
use lock_core::lockfile::Layout;
use lock_core::lockfile::sys::Native;
use rustix::process::{Pid, Signal};
use session_lock::{SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say, wait_for_go};
use crate::help::{hold, millis, now_or_never, owner_byte_is_held};
use crate::support::{Arena, Terms, acquire, lock_over};
use crate::sys::{Fork, exit_now, fork, must_succeed};

const LONG: Duration = Duration::from_secs(300);

/// Signals, `exit`, `abort`, a panic, and the end of `main` with leaked guards.
pub(crate) fn ways() {
    let signals = [
        ("int", libc::SIGINT),
        ("term", libc::SIGTERM),
        ("quit", libc::SIGQUIT),
        ("abrt", libc::SIGABRT),
        ("hup", libc::SIGHUP),
    ];
    for (way, number) in signals {
        let signal = Signal::from_named_raw(number).expect("a signal");
        let status = leave("signal", Some(signal), true);
        assert_eq!(status.signal(), Some(number), "SIG{way} takes its default course");
    }
    assert_eq!(leave("exit", None, true).code(), Some(7));
    assert_eq!(leave("main", None, true).code(), Some(0));
    assert_eq!(leave("panic", None, true).code(), Some(101));
    assert_eq!(leave("abort", None, true).signal(), Some(libc::SIGABRT));
    // The test can fail: what nothing can catch leaves the locks, which are to be had at once.
    assert_eq!(leave("signal", Some(Signal::KILL), false).signal(), Some(libc::SIGKILL));
}

fn leave(how: &str, signal: Option<Signal>, clean: bool) -> std::process::ExitStatus {
    let arena = Arena::new();
    let mut leaver = Orders::new("leaver").path("dir", &arena.path()).with("how", how).start();
    leaver.expect("held");
    assert_eq!(arena.leftovers(), ["a.lock", "b.lock", "directory", "theirs.lock"]);
    if let Some(signal) = signal {
        leaver.signal(signal);
    }
    let (status, _) = leaver.end();
    let left = arena.leftovers();
    if clean {
        assert_eq!(left, ["theirs.lock"], "{how} {signal:?}");
    } else {
        assert_eq!(left, ["a.lock", "b.lock", "directory", "theirs.lock"], "{how} {signal:?}");
    }
    drop(now_or_never(&arena.path().join("a")).expect("a dead process holds nothing"));
    status
}

fn directory_terms() -> Terms {
    Terms { layout: Layout::Directory, timeout: Duration::ZERO, max_hold: LONG }
}

pub(crate) fn leaver(given: &Given) {
    let dir = given.path("dir");
    cleanup::install().expect("handlers");
    cleanup::install().expect("once more does no harm");
    let (a, b) = (hold(&dir.join("a"), LONG), hold(&dir.join("b"), LONG));
    let directory = lock_over(Native, &dir.join("directory"), Layout::Directory);
    let directory = acquire(&directory, directory_terms()).expect("the lock");
    // One that was lost, and that somebody else has by now.
    let lost = hold(&dir.join("theirs"), LONG);
    crate::help::remove(lost.path());
    std::fs::write(lost.path(), "{}").expect("a file");
    let guards = (a, b, directory, lost);
    // A thread that is not the one a signal meets.
    std::thread::spawn(|| std::thread::sleep(LONG));
    say("held");
    wait_for_go();
    match given.word("how") {
        Some("exit") => std::process::exit(7),
        Some("abort") => std::process::abort(),
        Some("panic") => panic!("on purpose"),
        Some("main") => std::mem::forget(guards),
        _ => std::thread::sleep(LONG),
    }
}

/// A lock that a child inherited is left to it; private ones of the same process go.
pub(crate) fn inherited() {
    let arena = Arena::new();
    let mut lender = Orders::new("lender").path("dir", &arena.path()).start();
    let child: i32 = lender.expect("child ").parse().expect("a pid");
    lender.signal(Signal::TERM);
    let (status, _) = lender.end();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    assert_eq!(arena.leftovers(), ["lent.lock"]);
    assert!(owner_byte_is_held(&arena.path().join("lent.lock")));
    assert!(now_or_never(&arena.path().join("lent")).is_none(), "its child holds it still");
    let child = Pid::from_raw(child).expect("a pid");
    rustix::process::kill_process(child, Signal::KILL).expect("it is there");
    crate::help::eventually(Duration::from_secs(5), "the child's lock", || {
        now_or_never(&arena.path().join("lent")).is_some()
    });
}

pub(crate) fn lender(given: &Given) {
    let dir = given.path("dir");
    cleanup::install().expect("handlers");
    let options = SessionOptions::default().inheritable(true);
    let lent = SessionLock::new(dir.join("lent"), options).expect("a lock").acquire();
    let private = hold(&dir.join("private"), LONG);
    let guards = (lent.expect("the lock"), private);
    let null = std::process::Stdio::null;
    let mut command = std::process::Command::new("sleep");
    let child = command.arg("60").stdin(null()).stdout(null()).stderr(null()).spawn();
    say(&format!("child {}", child.expect("sleep").id()));
    std::thread::sleep(LONG);
    drop(guards);
}

/// Ended while a thread is inside a write section: no successor before the process is gone. The
/// handler may have met the writing thread itself, or another.
pub(crate) fn inside_a_section() {
    for how in ["itself", "another"] {
        let arena = Arena::new();
        let session = arena.session();
        let orders = Orders::new("inside").path("session", &session).with("how", how);
        let mut inside = orders.start();
        inside.expect("inside");
        let successor = std::thread::spawn({
            let session = session.clone();
            move || {
                let guard = hold_soon(&session);
                guard.append(b"successor\n").expect("it is held");
            }
        });
        inside.tell("go on");
        let (status, _) = inside.end();
        assert_eq!(status.code(), Some(3), "{how}");
        successor.join().expect("no panic");
        let text = std::fs::read_to_string(&session).expect("a session");
        let lines: Vec<_> = text.lines().collect();
        let at = lines.iter().position(|line| *line == "successor").expect("it wrote");
        assert_eq!(at, lines.len() - 1, "{how}: written after the lock was gone");
        assert!(at > 5, "{how}: {at} lines only");
    }
}

fn hold_soon(session: &Path) -> session_lock::SessionGuard {
    let options = SessionOptions::default().timeout(Duration::from_secs(20));
    SessionLock::new(session, options).expect("a lock").acquire().expect("the lock")
}

pub(crate) fn inside(given: &Given) {
    // Keeps the process busy between clean-up and its end, as other exit handlers may.
    crate::signals::sys::at_exit_linger();
    cleanup::install().expect("handlers");
    let guard = hold(&given.path("session"), LONG);
    let file = std::fs::File::options().append(true).open(guard.session()).expect("a session");
    let write = |lines: u32| {
        for _ in 0..lines {
            std::io::Write::write_all(&mut &file, b"line\n").expect("it takes a line");
            std::thread::sleep(millis(1));
        }
    };
    let go_on = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("a pipe");
    };
    std::thread::scope(|scope| {
        let (tell, started) = std::sync::mpsc::channel();
        let (guard, write) = (&guard, &write);
        if given.word("how") == Some("itself") {
            let _ = guard.section(millis(100), || {
                write(10);
                say("inside");
                go_on();
                std::process::exit(3);
            });
        }
        scope.spawn(move || {
            let _ = guard.section(millis(100), || {
                write(10);
                tell.send(()).expect("somebody listens");
                write(100_000);
            });
        });
        started.recv().expect("it gets in");
        say("inside");
        go_on();
        std::process::exit(3);
    });
}

/// A forked child that has taken a lock of its own, and leaves with clean-up, takes its own lock
/// along and not its parent's.
pub(crate) fn of_a_child() {
    let arena = Arena::new();
    drop(Orders::new("parent").path("dir", &arena.path()).start().finish());
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn parent(given: &Given) {
    let dir = given.path("dir");
    cleanup::install().expect("handlers");
    let guard = hold(&dir.join("parents"), LONG);
    for way in ["exit", "signal", "raw"] {
        let forked = if way == "raw" { crate::signals::sys::raw_fork() } else { fork() };
        let Fork::Parent(child) = forked else {
            let own = hold(&dir.join("childs"), LONG);
            if way == "signal" {
                // Ends here, and by that signal.
                let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::TERM);
                std::thread::sleep(LONG);
            }
            drop(hold(&dir.join("more"), LONG));
            std::mem::forget(own);
            if !dir.join("childs.lock").exists() {
                exit_now(1);
            }
            std::process::exit(0);
        };
        if way == "signal" {
            let mut status = None;
            crate::help::eventually(Duration::from_secs(10), "the child ends", || {
                status = crate::sys::ended(child, rustix::process::WaitOptions::NOHANG);
                status.is_some()
            });
            let by = status.and_then(|s| s.terminating_signal());
            assert_eq!(by, Some(libc::SIGTERM));
        } else {
            must_succeed(child, way);
        }
        assert!(!dir.join("childs.lock").exists(), "{way}: the child's own lock stayed");
        assert!(guard.is_held(), "{way}: a child removed its parent's lock");
        guard.section(millis(100), || ()).expect("it is held");
    }
}
