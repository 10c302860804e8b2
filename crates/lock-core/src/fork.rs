//! What a fork must not catch half-way: the process-wide mutexes of this crate. The child has
//! none of the threads that would unlock them, and could never take a lock of its own.
//!
//! Order, which is everybody's: events, watchdog, then those that nothing is taken under.

use std::any::Any;
use std::cell::Cell;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

/// A mutex, kept locked.
pub(crate) type Kept = Box<dyn Any>;

thread_local! {
    /// What the forking thread keeps from before the fork till after it, on both sides.
    static KEPT: Cell<Option<[Kept; 5]>> = const { Cell::new(None) };
}

/// Right before a fork, on the forking thread.
pub(crate) fn before() {
    let kept = [
        crate::wait::keep(),
        crate::watchdog::keep(),
        crate::registry::keep_entries(),
        crate::registry::keep_seed(),
        crate::lockfile::sys::keep(),
    ];
    // A thread without thread-locals is at its very end, and unlocks at once.
    let _ = KEPT.try_with(|cell| cell.set(Some(kept)));
}

/// Right after it, in parent and child.
pub(crate) fn after() {
    let _ = KEPT.try_with(Cell::take);
}

/// Locks for a fork. Others hold these mutexes for microseconds. Gives up after a while: a fork
/// in a signal handler may have interrupted who holds one, and better a child that can take no
/// lock than a parent that hangs.
pub(crate) fn keep<T: 'static>(mutex: &'static Mutex<T>) -> Kept {
    for _ in 0..5_000 {
        match mutex.try_lock() {
            Ok(guard) => return Box::new(guard),
            Err(TryLockError::Poisoned(guard)) => return Box::new(guard.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(20)),
        }
    }
    Box::new(())
}
