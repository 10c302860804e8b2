//! What the trials and their actors share.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lock_core::lockfile::sys::{Access, Byte, Native, Place, Sys};
use session_lock::{SessionGuard, SessionLock, SessionOptions};

use crate::given::{Given, say};

/// Plays `role`.
pub(crate) fn play(role: &str) -> ExitCode {
    let given = Given::read();
    say(&format!("hello {}", std::process::id()));
    match role {
        #[cfg(feature = "tokio")]
        "blocked-runtime" => crate::tasks::blocked_runtime(&given),
        "several" => crate::watchdog::several(&given),
        "idler" => crate::watchdog::idler(&given),
        "panicker" => crate::callbacks::panicker(&given),
        "extender" => crate::extend::extender(&given),
        "renewer" => crate::extend::renewer(&given),
        "promiser" => crate::promises::promiser(&given),
        #[cfg(target_os = "linux")]
        "limited" => crate::limits::limited(&given),
        #[cfg(target_os = "linux")]
        "crammer" => crate::limits::crammer(&given),
        "scribe" => crate::corruption::scribe(&given),
        #[cfg(target_os = "linux")]
        "leaver" => crate::exits::leaver(&given),
        #[cfg(target_os = "linux")]
        "lender" => crate::exits::lender(&given),
        #[cfg(target_os = "linux")]
        "inside" => crate::exits::inside(&given),
        #[cfg(target_os = "linux")]
        "parent" => crate::exits::parent(&given),
        #[cfg(target_os = "linux")]
        "handler" => crate::signals::handler(&given),
        #[cfg(target_os = "linux")]
        "first" => crate::signals::first(&given),
        #[cfg(target_os = "linux")]
        "late" => crate::signals::late(&given),
        #[cfg(target_os = "linux")]
        "forker" => crate::forked::forker(&given),
        #[cfg(target_os = "linux")]
        "storm" => crate::forked::stormer(&given),
        "stopped" => crate::reentrant::stopped(&given),
        "racer" => crate::races::racer(&given),
        _ => panic!("no such role: {role}"),
    }
    ExitCode::SUCCESS
}

/// The lock of `session`: tries for a second, promises `max_hold`.
pub(crate) fn lock(session: &Path, max_hold: Duration) -> SessionLock {
    let options = SessionOptions::default().timeout(Duration::from_secs(1)).max_hold(max_hold);
    SessionLock::new(session, options).expect("a lock")
}

pub(crate) fn hold(session: &Path, max_hold: Duration) -> SessionGuard {
    lock(session, max_hold).acquire().unwrap_or_else(|e| panic!("{e}"))
}

/// The lock, if it is to be had at once.
pub(crate) fn now_or_never(session: &Path) -> Option<SessionGuard> {
    let options = SessionOptions::default().timeout(Duration::ZERO);
    SessionLock::new(session, options).expect("a lock").acquire().ok()
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits until `done`, for at most `limit`. Answers how long it took.
pub(crate) fn eventually(limit: Duration, what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
    start.elapsed()
}

/// Another description of the lock file, with its binding byte.
pub(crate) fn take_binding_byte(lock: &Path) -> impl Sized + use<> {
    let (file, _) = Native.open(Place::absolute(lock), Access::Lock).expect("a lock file");
    assert!(Native.try_lock(&file, Byte::Binding).expect("an answer"), "nobody has it");
    file
}

pub(crate) fn owner_byte_is_held(lock: &Path) -> bool {
    let (file, _) = Native.open(Place::absolute(lock), Access::Read).expect("a lock file");
    Native.is_locked(&file, Byte::Owner).expect("an answer")
}

pub(crate) use crate::os::remove;

/// What is logged in this process from now on.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start() -> Self {
        let log = Self::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to.clone());
        tracing::subscriber::set_global_default(subscriber.finish()).expect("the first");
        log
    }

    pub(crate) fn lines(&self, about: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| line.contains(about)).map(str::to_owned).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
