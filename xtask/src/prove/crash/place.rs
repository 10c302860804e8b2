//! Where it happens: a directory with one lock, what is planted in it, what is left in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lock_core::lockfile::{Appender, Layout};
use lock_core::{Guard, Inspection, Sweep};
use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsOptions};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use session_lock::{SessionLock, SessionOptions};

use super::cases::{Before, Case};

/// What the protected file holds before, and what a fenced write adds.
pub(crate) const FIRST_LINE: &str = "the first line\n";
pub(crate) const FENCED_LINE: &str = "a line that is written inside the fence, or not at all\n";

/// A place of one layout: a session file beside its lock, or an install root and a log beside it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    layout: Layout,
    dir: PathBuf,
}

impl Place {
    pub(crate) fn new(layout: Layout, dir: &Path) -> Self {
        Self { layout, dir: dir.to_owned() }
    }

    pub(crate) fn make(layout: Layout, dir: &Path) -> Result<Self> {
        let this = Self::new(layout, dir);
        if layout == Layout::Directory {
            fs::create_dir(this.around())?;
        }
        fs::write(this.protected(), FIRST_LINE)?;
        Ok(this)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that the lock protects.
    pub(crate) fn protected(&self) -> PathBuf {
        self.dir.join("chat.jsonl")
    }

    /// The directory that the lock is in.
    fn around(&self) -> PathBuf {
        match self.layout {
            Layout::File => self.dir.clone(),
            Layout::Directory => self.dir.join("root"),
        }
    }

    fn lock_path(&self) -> PathBuf {
        match self.layout {
            Layout::File => self.dir.join("chat.jsonl.lock"),
            Layout::Directory => self.around().join(DEFAULT_LOCK_NAME),
        }
    }

    pub(crate) fn lock(&self, timeout: Duration, max_hold: Duration) -> Result<Lock> {
        Ok(match self.layout {
            Layout::File => {
                let options = SessionOptions::default().timeout(timeout).max_hold(max_hold);
                Lock::Session(SessionLock::new(self.protected(), options)?, self.dir.clone())
            }
            Layout::Directory => {
                let options = DepsOptions::default().timeout(timeout);
                Lock::Deps(DepsLock::new(self.around(), options)?)
            }
        })
    }

    pub(crate) fn appender(&self) -> Appender {
        Appender::new(self.protected())
    }

    /// What is there beside the protected file.
    pub(crate) fn leftovers(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.around())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "chat.jsonl" {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether the lock is a directory without a record, or with a link to nowhere in its place.
    pub(crate) fn is_ownerless(&self) -> bool {
        self.layout == Layout::Directory
            && self.lock_path().is_dir()
            && !self.lock_path().join("owner.json").exists()
    }

    /// Lets every grace pass.
    pub(crate) fn age(&self) -> Result<()> {
        for path in [self.lock_path().join("owner.json"), self.lock_path()] {
            if path.symlink_metadata().is_ok() {
                make_old(&path)?;
            }
        }
        Ok(())
    }

    /// Plants what needs no other process.
    pub(crate) fn plant(&self, case: &Case) -> Result<()> {
        let lock = self.lock_path();
        let record = match self.layout {
            Layout::File => lock.clone(),
            Layout::Directory => lock.join("owner.json"),
        };
        let nameless = matches!(case.before, Before::Nameless | Before::Broken | Before::Dangling);
        if nameless && self.layout == Layout::Directory {
            fs::create_dir(&lock)?;
        }
        match (case.before, self.layout) {
            (Before::Nothing | Before::Dead | Before::Overdue, _)
            | (Before::Nameless, Layout::Directory) => {}
            (Before::Nameless, Layout::File) => fs::write(&record, "")?,
            (Before::Broken, _) => fs::write(&record, "{\"pid\": ")?,
            (Before::Dangling, Layout::Directory) => symlink("nowhere", &record)?,
            (Before::Dangling, Layout::File) => bail!("a lock file is no link"),
            (Before::Litter, _) => self.litter()?,
        }
        if nameless { self.age() } else { Ok(()) }
    }

    /// Named stages and tombstones, in the states that crashes leave them in.
    fn litter(&self) -> Result<()> {
        let at = |name: &str| self.around().join(name);
        fs::write(at(".01234567-0000000000000001.lock-stage"), "")?;
        fs::write(at(".01234567-0000000000000002.lock-stage"), "{}\n")?;
        for name in
            [".01234567-0000000000000003.lock-stage", ".01234567-0000000000000004.lock-tomb"]
        {
            fs::create_dir(at(name))?;
        }
        for name in
            [".01234567-0000000000000005.lock-stage", ".01234567-0000000000000006.lock-tomb"]
        {
            fs::create_dir(at(name))?;
            fs::write(at(name).join("owner.json"), "{}\n")?;
        }
        Ok(())
    }
}

fn make_old(path: &Path) -> Result<()> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().context("before 1970")?;
    let then = Timespec { tv_sec: now.as_secs().cast_signed() - 3600, tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The lock of one domain or the other.
pub(crate) enum Lock {
    /// And the directory that a doctor sweeps.
    Session(SessionLock, PathBuf),
    Deps(DepsLock),
}

impl Lock {
    /// Takes it, and counts the pauses on the way.
    pub(crate) fn acquire(&self) -> Result<(Guard, u32)> {
        let mut pauses = 0;
        let guard = match self {
            Self::Session(lock, _) => lock.acquire_telling(|_, _, _| pauses += 1)?.into(),
            Self::Deps(lock) => lock.acquire_telling(|_, _, _| pauses += 1)?,
        };
        Ok((guard, pauses))
    }

    pub(crate) fn inspect(&self) -> Inspection {
        match self {
            Self::Session(lock, _) => lock.inspect(),
            Self::Deps(lock) => lock.inspect(),
        }
    }

    /// A doctor's round that removes what it may.
    pub(crate) fn sweep(&self) -> Result<Sweep> {
        Ok(match self {
            Self::Session(_, dir) => session_lock::sweep(dir, &SessionOptions::default(), true)?,
            Self::Deps(lock) => lock.sweep(true)?,
        })
    }
}
