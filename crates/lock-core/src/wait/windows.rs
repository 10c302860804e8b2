//! File events on Windows: one completion port and one sleeping thread per process.
//!
//! A directory is watched for the names in it, never a lock itself: whatever is open of a lock
//! could keep it from being removed. Nothing is told of a file that is closed, so a killed owner's
//! lock makes no event; the end of its process does ([`ProcessEnd`]).

mod sys;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Signal;
use sys::{Completion, Directory, Port};

pub(super) use sys::ProcessEnd;

pub(super) fn watch_process(pid: u32, signal: &Arc<Signal>) -> Option<ProcessEnd> {
    ProcessEnd::watch(pid, signal)
}

/// The port, and the directories whose events come to it, each under a number of its own.
struct Hub {
    port: Arc<Port>,
    directories: HashMap<usize, Watched>,
    numbers: usize,
}

struct Watched {
    path: PathBuf,
    directory: Directory,
    /// Who waits for what name. Empty once the directory is about to be closed.
    waiters: Vec<(OsString, Arc<Signal>)>,
}

static HUB: Mutex<Option<Hub>> = Mutex::new(None);

fn hub() -> MutexGuard<'static, Option<Hub>> {
    HUB.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A waiter's part in a watch.
#[derive(Debug)]
pub(super) struct Registration {
    number: usize,
    signal: Arc<Signal>,
}

/// Watches the name at `path`. `None`: no events can be had (no such directory).
pub(super) fn watch(path: &Path, signal: &Arc<Signal>) -> Option<Registration> {
    let (parent, name) = (path.parent()?, path.file_name()?.to_owned());
    let mut hub = hub();
    if hub.is_none() {
        *hub = Some(start()?);
    }
    let hub = hub.as_mut()?;
    let open =
        |(_, watched): &(&usize, &Watched)| watched.path == parent && !watched.waiters.is_empty();
    let known = hub.directories.iter().find(open).map(|(number, _)| *number);
    let number = match known {
        Some(number) => number,
        None => {
            hub.numbers += 1;
            let directory = Directory::open(parent, &hub.port, hub.numbers).ok()?;
            let path = parent.to_owned();
            let watched = Watched { path, directory, waiters: Vec::new() };
            hub.directories.insert(hub.numbers, watched);
            hub.numbers
        }
    };
    let watched = hub.directories.get_mut(&number)?;
    watched.waiters.push((name, Arc::clone(signal)));
    Some(Registration { number, signal: Arc::clone(signal) })
}

fn start() -> Option<Hub> {
    let port = Arc::new(Port::new().ok()?);
    let events = Arc::clone(&port);
    std::thread::Builder::new()
        .name("lock-events".to_owned())
        .spawn(move || deliver(&events))
        .ok()?;
    Some(Hub { port, directories: HashMap::new(), numbers: 0 })
}

/// Sleeps on the port and passes events on, for the life of the process.
fn deliver(port: &Port) {
    // A port that fails is gone for good: waiters still have their safety-net polling.
    while let Ok(completion) = port.wait() {
        // Collected first: whoever is woken may drop its watch at once.
        let concerned = match &mut *hub() {
            Some(hub) => hub.complete(&completion),
            None => Vec::new(),
        };
        concerned.iter().for_each(|signal| signal.set());
    }
}

impl Hub {
    /// Whom the completion of a directory's request concerns. Asks for more, if anybody waits.
    fn complete(&mut self, completion: &Completion) -> Vec<Arc<Signal>> {
        let number = completion.number();
        let Some(watched) = self.directories.get_mut(&number) else { return Vec::new() };
        let names = watched.directory.complete(completion);
        let again = !watched.waiters.is_empty() && names.is_ok() && watched.directory.ask().is_ok();
        let concerned = |name: &OsStr| match &names {
            // More happened than could be told, or nothing will be told any more.
            Ok(names) if names.is_empty() => true,
            Err(_) => true,
            Ok(_) if !again => true,
            Ok(names) => names.iter().any(|changed| may_be_one(changed, name)),
        };
        let woken = watched.waiters.iter().filter(|(name, _)| concerned(name));
        let woken = woken.map(|(_, signal)| Arc::clone(signal)).collect();
        if !again {
            self.directories.remove(&number);
        }
        woken
    }
}

/// Whether two names can be one file's. Case does not count, and a name with `~` may be a short
/// form of any; a wake-up too many only costs a look.
fn may_be_one(changed: &OsStr, name: &OsStr) -> bool {
    let (changed, name) = (changed.to_string_lossy(), name.to_string_lossy());
    changed.contains('~') || changed.to_lowercase() == name.to_lowercase()
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut hub = hub();
        let Some(hub) = hub.as_mut() else { return };
        let Some(watched) = hub.directories.get_mut(&self.number) else { return };
        watched.waiters.retain(|(_, signal)| !Arc::ptr_eq(signal, &self.signal));
        if watched.waiters.is_empty() {
            // It is closed when the request has come back: the system writes to its memory.
            watched.directory.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::Watch;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn the_end_of_the_owner_wakes() {
        let dir = tempfile::tempdir().unwrap();
        let mut pause = Command::new("cmd");
        let mut owner = pause
            .args(["/c", "pause"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let watch = Watch::new(&dir.path().join("s.lock")).and_end_of(owner.id());
        assert!(!watch.wait(Duration::from_millis(50)));
        let killed = Instant::now();
        owner.kill().unwrap();
        assert!(watch.wait(Duration::from_secs(5)));
        println!("woken {:?} after the kill began", killed.elapsed());
        owner.wait().unwrap();
    }

    /// A watch that is given up while its process lives leaves nothing that could be called.
    #[test]
    fn a_watch_can_go_before_its_process() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..200 {
            let watch = Watch::new(&dir.path().join("s.lock")).and_end_of(std::process::id());
            assert!(watch._process.is_some());
        }
    }

    #[test]
    fn names_meet_without_case_and_by_short_forms() {
        let meet = |a: &str, b: &str| may_be_one(OsStr::new(a), OsStr::new(b));
        assert!(meet("S.LOCK", "s.lock") && meet("CHATJS~1.LOC", "chat.jsonl.lock"));
        assert!(!meet("t.lock", "s.lock"));
    }
}
