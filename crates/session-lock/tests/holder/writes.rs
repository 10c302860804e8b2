//! Fenced writes: one at a time, whole or counted, to the file that is at the path.

use std::time::{Duration, Instant};

use session_lock::{AppendError, ReleaseOutcome, SectionError};

use crate::help::{hold, millis, now_or_never, owner_byte_is_held, take_binding_byte};
use crate::os::PATIENCE;
use crate::support::{Arena, quiet};

const LONG: Duration = Duration::from_secs(300);

/// Whoever waits for another thread's section waits as long as it said; who is inside already is
/// told so; extending from inside works.
pub(crate) fn patience() {
    let _quiet = quiet();
    let arena = Arena::new();
    let guard = hold(&arena.session(), LONG);
    std::thread::scope(|scope| {
        let (tell, inside) = std::sync::mpsc::channel();
        let guard = &guard;
        scope.spawn(move || {
            let written = guard.section(millis(100), || {
                tell.send(()).expect("somebody waits");
                std::thread::sleep(millis(600));
                let again = guard.section(millis(100), || ());
                assert!(matches!(again, Err(SectionError::Nested)), "{again:?}");
                guard.extend(LONG * 2).expect("it is held");
            });
            written.expect("it is held");
        });
        inside.recv().expect("it gets in");
        let start = Instant::now();
        let refused = guard.append_within(millis(100), b"too early\n");
        assert!(
            matches!(refused, Err(AppendError::Fence(SectionError::Busy { .. }))),
            "{refused:?}"
        );
        let waited = start.elapsed();
        assert!((millis(100)..millis(400)).contains(&waited), "waited {waited:?}, not 100 ms");
        assert!(guard.is_held());
        guard.append(b"in time\n").expect("it waits long enough");
    });
    assert_eq!(std::fs::read(guard.session()).expect("a session"), b"in time\n");
}

/// Behind a binding byte that does not come free, a write gives up after its patience and a release
/// after a second; both name who has it, and the next contender gets the lock.
pub(crate) fn behind_somebody_stopped() {
    let _quiet = quiet();
    let arena = Arena::new();
    let guard = hold(&arena.session(), LONG);
    let lock = guard.path().to_owned();
    let stopped = take_binding_byte(&lock);
    // Where the system tells who holds a byte.
    let names_it = |text: String| {
        let pid = format!("(pid {})", std::process::id());
        assert!(text.contains(&pid) || !cfg!(target_os = "linux"), "{pid}: {text}");
    };
    let refused = guard.append_within(millis(50), b"too early\n").expect_err("the byte is taken");
    assert!(matches!(refused, AppendError::Fence(SectionError::Busy { .. })), "{refused:?}");
    names_it(refused.to_string());

    let start = Instant::now();
    let ReleaseOutcome::Abandoned(error) = guard.release() else { panic!("the byte is taken") };
    let waited = start.elapsed();
    assert!((millis(1000)..millis(2000) * PATIENCE).contains(&waited), "{waited:?}");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    names_it(error.to_string());
    assert!(lock.exists() && !owner_byte_is_held(&lock));
    drop(stopped);
    assert!(now_or_never(&arena.session()).is_some());
}

/// Threads of one guard never write at once, also when each writes piece by piece.
pub(crate) fn threads() {
    let arena = Arena::new();
    let guard = hold(&arena.session(), LONG);
    let other = arena.path().join("pieces");
    std::thread::scope(|scope| {
        for who in 0..4 {
            let (guard, other) = (&guard, &other);
            scope.spawn(move || {
                for seq in 0..250 {
                    let written = guard.section(Duration::from_secs(20), || {
                        use std::io::Write;
                        let file = std::fs::File::options().append(true).create(true).open(other);
                        let mut file = file.expect("a file");
                        for piece in [&format!("{who}:"), "piece:", &format!("{seq}\n")] {
                            file.write_all(piece.as_bytes()).expect("it takes it");
                            std::thread::yield_now();
                        }
                    });
                    written.expect("it is held");
                    guard.append(format!("{who} {seq}\n").as_bytes()).expect("it is held");
                }
            });
        }
    });
    for (file, between) in [(&other, ":piece:"), (&arena.session(), " ")] {
        let mut next = [0_u32; 4];
        for line in std::fs::read_to_string(file).expect("a file").lines() {
            let (who, seq) = line.split_once(between).unwrap_or_else(|| panic!("torn: {line}"));
            let who: usize = who.parse().unwrap_or_else(|_| panic!("torn: {line}"));
            assert_eq!(seq, next[who].to_string(), "{line}");
            next[who] += 1;
        }
        assert_eq!(next, [250; 4]);
    }
}

/// A session that was rewritten and renamed into place gets the next line.
pub(crate) fn replaced() {
    let arena = Arena::new();
    let guard = hold(&arena.session(), LONG);
    guard.append(b"old\n").expect("it is held");
    let fresh = arena.path().join("fresh");
    std::fs::write(&fresh, "rewritten\n").expect("a file");
    crate::os::rename_over(&fresh, &arena.session());
    guard.append(b"new\n").expect("it is held");
    assert_eq!(std::fs::read(arena.session()).expect("a session"), b"rewritten\nnew\n");
    crate::help::remove(&arena.session());
    guard.append(b"newest\n").expect("it is held");
    assert_eq!(std::fs::read(arena.session()).expect("a session"), b"newest\n");
}
