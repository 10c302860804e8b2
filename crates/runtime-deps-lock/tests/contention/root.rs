//! An install root for tests: its transcript, what is planted in it, what is left in it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsOptions};

use crate::os;

/// Longer than any grace.
const HOUR: Duration = Duration::from_secs(3600);

/// A root with a transcript beside it, in which every holder writes when it begins and ends.
pub(crate) struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        let root = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(root.path()).unwrap();
        root
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn lock_dir(&self) -> PathBuf {
        self.path().join(DEFAULT_LOCK_NAME)
    }

    pub(crate) fn lock(&self) -> DepsLock {
        lock_of(&self.path())
    }

    /// What the holders wrote, as (begins, holder) in the order of the file.
    pub(crate) fn transcript(&self) -> Vec<(bool, String)> {
        let text = std::fs::read_to_string(transcript_of(&self.path())).unwrap_or_default();
        let line = |line: &str| {
            let (mark, who) = line.split_once(' ').expect("lines are written whole");
            (mark == "B", who.to_owned())
        };
        text.lines().map(line).collect()
    }

    /// Checks that nobody began before the one before had ended, or was killed as `died` says,
    /// and counts the ends.
    pub(crate) fn check(&self, died: impl Fn(&str) -> bool) -> usize {
        let mut inside: Option<String> = None;
        let mut ends = 0;
        for (begins, who) in self.transcript() {
            if begins {
                if let Some(other) = inside.replace(who.clone()) {
                    assert!(died(&other), "{who} began while {other} was inside");
                }
            } else {
                assert_eq!(inside.take().as_ref(), Some(&who), "the end of somebody else");
                ends += 1;
            }
        }
        ends
    }

    /// Checks that nothing of the protocol is left.
    pub(crate) fn assert_clean(&self, context: &str) {
        let left = os::names(&self.path());
        assert!(left.is_empty(), "{context}: {left:?} is left");
    }
}

pub(crate) fn lock_of(root: &Path) -> DepsLock {
    DepsLock::new(root, DepsOptions::default().timeout(Duration::from_secs(60))).unwrap()
}

fn transcript_of(root: &Path) -> PathBuf {
    root.with_file_name("transcript")
}

/// Writes the two lines of a holder, with time to be caught in between.
pub(crate) struct Inside {
    to: File,
    path: PathBuf,
    who: String,
}

impl Inside {
    pub(crate) fn begin(root: &Path, who: String) -> Self {
        let path = transcript_of(root);
        let to = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let inside = Self { to, path, who };
        inside.say('B');
        inside
    }

    fn say(&self, mark: char) {
        os::append(&self.to, &self.path, format!("{mark} {}\n", self.who).as_bytes());
    }

    pub(crate) fn end(self) {
        std::thread::yield_now();
        self.say('E');
    }
}

/// What can be in the way that names no owner.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Planted {
    Ownerless,
    Broken,
    #[cfg(unix)]
    Dangling,
}

/// A record of the origin, whose owner is gone: no kernel has pids this high.
pub(crate) const DEAD: &str = "{\"pid\": 4194304, \"createdAtMs\": 1000}\n";

impl Planted {
    pub(crate) const ALL: &[Self] = &[
        Self::Ownerless,
        Self::Broken,
        #[cfg(unix)]
        Self::Dangling,
    ];

    /// One of them, and the next for the next round.
    pub(crate) fn of(round: usize) -> Self {
        Self::ALL[round % Self::ALL.len()]
    }

    /// The same, and a lock of a dead owner for the last.
    pub(crate) fn plant_or_dead(round: usize, at: &Path) {
        match Self::ALL.get(round % (Self::ALL.len() + 1)) {
            Some(planted) => planted.plant(at),
            None => {
                os::create_dir(at);
                std::fs::write(at.join("owner.json"), DEAD).unwrap();
            }
        }
    }

    /// Puts it at the lock's path, an hour old: past its grace.
    pub(crate) fn plant(self, at: &Path) {
        self.plant_since(at, SystemTime::now() - HOUR);
    }

    /// Puts it at the lock's path, as if it had been there since then.
    pub(crate) fn plant_since(self, at: &Path, then: SystemTime) {
        os::create_dir(at);
        let owner = at.join("owner.json");
        match self {
            Self::Ownerless => {}
            Self::Broken => std::fs::write(&owner, "{\"pid\": ").unwrap(),
            #[cfg(unix)]
            Self::Dangling => std::os::unix::fs::symlink("nowhere", &owner).unwrap(),
        }
        if !matches!(self, Self::Ownerless) {
            os::set_modified(&owner, then);
        }
        os::set_modified(at, then);
    }
}

/// Lets the grace of an ownerless directory pass.
#[cfg(target_os = "linux")]
pub(crate) fn make_old_if_there(path: &Path) {
    if path.exists() && !path.join("owner.json").exists() {
        os::make_old(path, HOUR);
    }
}
