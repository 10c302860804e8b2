//! Signals and clean-up: a program's own handlers decide, and so does a container's init.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use lock_core::cleanup;
use lock_core::lockfile::Layout;
use lock_core::lockfile::sys::Native;
use rustix::process::Signal;

use crate::crew::Orders;
use crate::given::{Given, say, wait_for_go};
use crate::help::{hold, millis};
use crate::support::{Arena, Dice, Terms, acquire, lock_over, scaled};

const LONG: Duration = Duration::from_secs(300);

/// A handler that was installed before ours or after it goes on working, and the lock is kept
/// under a program that goes on.
pub(crate) fn own_handlers() {
    for when in ["before", "after", "chained", "ignored"] {
        let arena = Arena::new();
        let orders = Orders::new("handler").path("session", &arena.session());
        let mut handler = orders.with("when", when).start();
        handler.expect("held");
        handler.signal(Signal::TERM);
        if when != "ignored" {
            handler.expect("handled");
        }
        std::thread::sleep(millis(50));
        assert!(handler.is_running(), "{when}: the program decides when it ends");
        assert_eq!(arena.leftovers(), ["chat.jsonl.lock"], "{when}: removed under a live program");
        handler.tell("go on");
        handler.expect("held on");
        drop(handler.finish());
        assert_eq!(arena.leftovers(), [""; 0], "{when}");
    }
}

pub(crate) fn handler(given: &Given) {
    match given.word("when") {
        Some("before") => {
            sys::handle(libc::SIGTERM, false);
            cleanup::install().expect("handlers");
        }
        Some("ignored") => {
            sys::ignore(libc::SIGTERM);
            cleanup::install().expect("handlers");
        }
        when => {
            cleanup::install().expect("handlers");
            sys::handle(libc::SIGTERM, when == Some("chained"));
        }
    }
    let guard = hold(&given.path("session"), LONG);
    say("held");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a pipe");
    guard.section(millis(100), || ()).expect("it is held");
    say("held on");
    wait_for_go();
    std::mem::forget(guard);
    std::process::exit(0);
}

/// The first process of a pid namespace survives such signals, and so keeps its locks.
pub(crate) fn first_process() {
    let arena = Arena::new();
    let below = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let first = Orders::new("first").path("session", &arena.session()).below(&below);
    let mut first = first.start_in_a_namespace();
    first.expect("survived");
    assert_eq!(arena.leftovers(), ["chat.jsonl.lock"]);
    drop(first.finish());
    assert_eq!(arena.leftovers(), [""; 0]);
}

pub(crate) fn first(given: &Given) {
    assert_eq!(std::process::id(), 1);
    cleanup::install().expect("handlers");
    let guard = hold(&given.path("session"), LONG);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        rustix::process::kill_process(rustix::process::getpid(), signal).expect("it is there");
    }
    std::thread::sleep(millis(100));
    assert!(guard.is_held(), "it lost its lock by a signal that it survived");
    say("survived");
    wait_for_go();
    std::process::exit(0);
}

/// A signal at about the moment when the watchdog evicts: one of them removes the file, and what
/// a successor published stays.
pub(crate) fn racing_eviction() {
    let arena = Arena::new();
    let mut dice = Dice::new();
    let (mut ended, mut found) = (0, 0);
    for _ in 0..scaled(150) {
        let mut late = Orders::new("late").path("session", &arena.session()).start();
        late.expect("held");
        std::thread::sleep(Duration::from_micros(18_000 + dice.below(4_000)));
        let handle = late.handle();
        let successor = std::thread::spawn({
            let path = arena.lock();
            move || {
                let terms = Terms { layout: Layout::File, timeout: LONG, max_hold: LONG };
                let guard = acquire(&lock_over(Native, &path, Layout::File), terms);
                let guard = guard.expect("the lock");
                std::thread::sleep(millis(5));
                assert!(guard.is_held(), "a successor's lock was removed");
                guard
            }
        });
        handle.signal(Signal::TERM);
        let (status, _) = late.end();
        ended += u32::from(status.signal() == Some(libc::SIGTERM));
        let guard = successor.join().expect("no panic");
        assert!(guard.is_held(), "a successor's lock was removed");
        found += 1;
        drop(guard);
        assert_eq!(arena.leftovers(), [""; 0]);
    }
    println!("signals::racing_eviction: {ended} ended by the signal, {found} successors");
    assert_eq!(ended, found);
}

pub(crate) fn late(given: &Given) {
    cleanup::install().expect("handlers");
    let guard = hold(&given.path("session"), millis(20));
    say("held");
    loop {
        let _ = guard.section(millis(1), || std::thread::sleep(Duration::from_micros(200)));
    }
}

pub(crate) mod sys {
    //! Handlers of a program's own.
    #![allow(unsafe_code, reason = "signal handlers are C")]

    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use crate::sys::Fork;

    /// A fork that runs no hooks.
    pub(crate) fn raw_fork() -> Fork {
        // SAFETY: without flags and without a stack this is a fork: a copy of the process.
        let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        assert!(pid >= 0, "clone: {}", std::io::Error::last_os_error());
        #[allow(clippy::useless_conversion, reason = "c_long has 32 bits on 32-bit systems")]
        let pid = i32::try_from(pid).expect("a pid");
        rustix::process::Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent)
    }

    /// What was there before.
    static BEFORE: AtomicUsize = AtomicUsize::new(0);

    pub(crate) fn ignore(signal: i32) {
        // SAFETY: ignoring a signal runs nothing.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }

    extern "C" fn on_signal(signal: i32) {
        let before = BEFORE.load(SeqCst);
        if before > 1 {
            // SAFETY: it is the handler that was installed before, and not one of the two
            // constants that mean none.
            let before = unsafe { std::mem::transmute::<usize, extern "C" fn(i32)>(before) };
            before(signal);
        }
        let text = b"handled\n";
        // SAFETY: write is async-signal-safe, `text` is valid.
        unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    }

    /// Installs a handler, which passes on to what was there before if `chained`.
    pub(crate) fn handle(signal: i32, chained: bool) {
        // SAFETY: the handler only calls what is async-signal-safe.
        let before = unsafe { libc::signal(signal, on_signal as *const () as usize) };
        BEFORE.store(if chained { before } else { 0 }, SeqCst);
    }

    extern "C" fn linger() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    /// Makes the end of the process take 200 ms, after clean-up has run.
    pub(crate) fn at_exit_linger() {
        // SAFETY: a plain function that lives for ever; handlers run in reverse order.
        unsafe { libc::atexit(linger) };
    }
}
