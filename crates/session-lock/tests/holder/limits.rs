//! Fenced writes that meet a limit, as Linux sets them: so much of a file, so much of a disk.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use session_lock::AppendError;

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::help::hold;
use crate::signals::sys::ignore;
use crate::support::Arena;

const LONG: Duration = Duration::from_secs(300);

/// A limit in the middle of a line: the error says how much of it is in the file.
pub(crate) fn partial() {
    let arena = Arena::new();
    drop(Orders::new("limited").path("session", &arena.session()).start().finish());
}

pub(crate) fn limited(given: &Given) {
    let guard = hold(&given.path("session"), LONG);
    ignore(libc::SIGXFSZ);
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: Some(1000), maximum: None })
        .expect("a lower limit");
    guard.append(&[b'a'; 600]).expect("there is room");
    let error = guard.append(&[b'b'; 600]).expect_err("there is no room");
    assert!(error.to_string().contains("400 of 600 bytes"), "{error}");
    assert!(matches!(error, AppendError::Io { written: 400, wanted: 600, .. }), "{error:?}");
    assert_eq!(std::fs::metadata(guard.session()).expect("a session").len(), 1000);
    assert!(guard.is_held());
}

/// The same on a full file system.
pub(crate) fn full() {
    let arena = Arena::new();
    let dir = arena.path();
    let mount = "mount -t tmpfs -o size=256k none \"$0\" && exec \"$@\"";
    let below = ["unshare", "-m", "sh", "-c", mount, dir.to_str().expect("a plain name")];
    let crammer = Orders::new("crammer").path("session", &arena.session()).below(&below);
    drop(crammer.start().finish());
}

pub(crate) fn crammer(given: &Given) {
    let guard = hold(&given.path("session"), LONG);
    let line = vec![b'c'; 100_000];
    let mut whole = 0;
    let error = loop {
        match guard.append(&line) {
            Ok(()) => whole += 1,
            Err(error) => break error,
        }
    };
    let AppendError::Io { written, wanted, source, .. } = error else { panic!("{error}") };
    assert_eq!((wanted, source.kind()), (line.len(), io::ErrorKind::StorageFull));
    assert!((1..line.len()).contains(&written), "{written}");
    let length = std::fs::metadata(guard.session()).expect("a session").len();
    assert_eq!(length, (whole * line.len() + written) as u64);
    say(&format!("{whole} lines and {written} bytes"));
}
