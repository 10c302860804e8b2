//! What an actor is told, and how it answers.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use session_lock::{SessionLock, SessionOptions};

/// What the parent wrote on the command line.
pub(crate) struct Given(HashMap<String, String>);

impl Given {
    pub(crate) fn read() -> Self {
        let words = std::env::args().skip(2);
        let pairs = words.filter_map(|w| w.split_once('=').map(|(k, v)| (k.into(), v.into())));
        Self(pairs.collect())
    }

    pub(crate) fn word(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.word(key).unwrap_or_else(|| panic!("{key}= is missing")).into()
    }

    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        self.word(key).map_or(default, |w| w.parse().expect("a number"))
    }

    pub(crate) fn millis(&self, key: &str, default: u64) -> Duration {
        Duration::from_millis(self.number(key, default))
    }

    pub(crate) fn nr(&self) -> u32 {
        self.number("nr", 0) as u32
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.millis("timeout", 60_000)
    }

    /// The session lock that it is about.
    pub(crate) fn session_lock(&self) -> SessionLock {
        let options = SessionOptions::default()
            .timeout(self.timeout())
            .max_hold(self.millis("max_hold", 300_000));
        SessionLock::new(self.path("session"), options).expect("a lock")
    }
}

/// Tells the parent a line, in one write.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent listens");
}

/// Waits until the parent closes standard input.
pub(crate) fn wait_for_go() {
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).expect("a pipe");
}
