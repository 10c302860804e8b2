//! This process's own bookkeeping: which acquisitions are held here.
//!
//! Keyed by acquisition id, not by path: whatever path leads to a lock file (a symlink, a bind
//! mount), its record says which acquisition it is. An entry is made *before* the record can be
//! seen, so no other thread ever finds a record of this process that the registry denies.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::lockfile::sys::Sys;
use crate::process::ProcessMark;

struct Entry {
    mark: ProcessMark,
    /// The guard's shared part, once there is one; for re-entrancy.
    held: Option<Weak<dyn Any + Send + Sync>>,
}

static REGISTRY: Mutex<Option<HashMap<String, Entry>>> = Mutex::new(None);

fn entries() -> MutexGuard<'static, Option<HashMap<String, Entry>>> {
    // Nothing in here can panic half-way through a change.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An entry that lasts as long as this value.
#[derive(Debug)]
pub(crate) struct Registration<S: Sys> {
    sys: S,
    id: String,
    mark: ProcessMark,
}

impl<S: Sys> Registration<S> {
    /// Announces an acquisition whose record is about to become visible.
    pub(crate) fn new(sys: &S, mark: ProcessMark, id: &str) -> Self {
        let entry = Entry { mark, held: None };
        entries().get_or_insert_default().insert(id.to_owned(), entry);
        Self { sys: sys.clone(), id: id.to_owned(), mark }
    }
}

impl<S: Sys> Drop for Registration<S> {
    fn drop(&mut self) {
        // A forked child's copy: another thread may have held the mutex at the fork, and then
        // nobody here will ever give it back.
        if self.mark == self.sys.process() {
            entries().get_or_insert_default().remove(&self.id);
        }
    }
}

/// Lets other threads find the shared part of the guard that holds the acquisition.
pub(crate) fn share(id: &str, held: &Arc<dyn Any + Send + Sync>) {
    if let Some(entry) = entries().get_or_insert_default().get_mut(id) {
        entry.held = Some(Arc::downgrade(held));
    }
}

/// Whether the process `mark` (not the parent it was forked from) holds the acquisition.
pub(crate) fn holds(id: &str, mark: ProcessMark) -> bool {
    entries().as_ref().and_then(|e| e.get(id)).is_some_and(|e| e.mark == mark)
}

/// The shared part of the guard that holds the acquisition, if it lives in the process `mark`.
pub(crate) fn find(id: &str, mark: ProcessMark) -> Option<Arc<dyn Any + Send + Sync>> {
    let entries = entries();
    let entry = entries.as_ref()?.get(id).filter(|e| e.mark == mark)?;
    entry.held.as_ref()?.upgrade()
}

/// What this process's names start with.
static SEED: Mutex<Option<(ProcessMark, u64)>> = Mutex::new(None);

/// Keeps the entries from changing; see [`crate::fork`].
#[cfg(unix)]
pub(crate) fn keep_entries() -> crate::fork::Kept {
    crate::fork::keep(&REGISTRY)
}

/// The same for the seed.
#[cfg(unix)]
pub(crate) fn keep_seed() -> crate::fork::Kept {
    crate::fork::keep(&SEED)
}

/// A name that no other acquisition has: random per process, counted within it.
pub(crate) fn new_id(mark: ProcessMark) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut seed = SEED.lock().unwrap_or_else(PoisonError::into_inner);
    let nonce = match *seed {
        Some((of, nonce)) if of == mark => nonce,
        // The first use in this process; a forked child must not go on with its parent's.
        _ => seed.insert((mark, random())).1,
    };
    format!("{nonce:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// 64 random bits.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        // No entropy source (an exotic sandbox). Names only have to be unique, not secret.
        use std::hash::{BuildHasher, Hasher, RandomState};
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.finish()
    })
}
