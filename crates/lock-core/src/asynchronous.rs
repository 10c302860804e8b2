//! Acquisition on tokio: waits without a thread, makes no lock call on a runtime thread.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use crate::acquire::{AcquireError, Acquisition, Step};
use crate::assess::Assessment;
use crate::evidence::{Attested, Evidence};
use crate::lockfile::{Guard, ReleaseOutcome};
use crate::record::LockRecord;
use crate::verdict::{Doubt, Verdict, judge};

/// Asks about owners whom this kernel cannot see: an orchestrator, a lease service.
///
/// Its answer is one more piece of evidence. It is asked only where everything local is
/// unverifiable, its word never overrules what this kernel can see, and it counts for exactly
/// the record it was asked about. While a process runs here that may be the owner (only a boot
/// id or a pid namespace is missing to tell), it is not believed that the owner is gone.
#[async_trait]
pub trait OwnerHome: Send + Sync {
    /// What has become of the owner of `record`; `None`: not known. Answer
    /// [`Attested::Gone`] only with positive proof that this very incarnation no longer
    /// exists. The question is dropped when the acquisition's timeout passes.
    async fn ask(&self, record: &LockRecord) -> Option<Attested>;
}

/// How often an owner's home is asked about one and the same record.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A lock held by a task. Releasing and dropping happen off the runtime's own threads,
/// because lock calls can block in the kernel (NFS during a server's grace period).
#[derive(Debug)]
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct AsyncGuard(Option<Guard>);

impl AsyncGuard {
    /// The guard itself, for its other methods. They make system calls on the calling thread.
    pub fn get(&self) -> &Guard {
        self.0.as_ref().expect("only release and drop take it")
    }

    /// Runs `work` with the guard on a thread where it may block.
    ///
    /// # Cancel safety
    /// Work that has begun is carried out even if the future is dropped; the lock stays held
    /// until it is done.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Guard) -> T + Send + 'static,
    ) -> T {
        let handle = self.get().another();
        on_blocking_thread(move || {
            let result = work(&handle);
            drop(handle);
            result
        })
        .await
    }

    /// Releases the lock.
    ///
    /// # Cancel safety
    /// The release is carried out even if the future is dropped.
    pub async fn release(mut self) -> ReleaseOutcome {
        let guard = self.0.take().expect("only release and drop take it");
        on_blocking_thread(move || guard.release()).await
    }
}

impl Drop for AsyncGuard {
    fn drop(&mut self) {
        let Some(guard) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(guard))),
            Err(_) => drop(guard),
        }
    }
}

impl Acquisition {
    /// Goes on until the lock is had or the time is up, without blocking the runtime, and asks
    /// `home` about owners who cannot be verified locally.
    ///
    /// # Errors
    /// The lock was not had in time, or the protocol could not go on.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: a lock that is had just then is released.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    pub async fn wait(self, home: Option<&dyn OwnerHome>) -> Result<AsyncGuard, AcquireError> {
        let mut acquisition = self;
        let mut asked: Option<(LockRecord, Instant)> = None;
        loop {
            let (next, step) = on_blocking_thread(move || {
                let step = acquisition.step();
                (acquisition, step)
            })
            .await;
            acquisition = next;
            let pause = match step? {
                // From here on a dropped future drops this guard, not the bare one.
                Step::Acquired(guard) => return Ok(AsyncGuard(Some(guard))),
                Step::Wait(pause) => pause,
            };
            let recently = |record: &LockRecord| {
                asked
                    .as_ref()
                    .is_some_and(|(of, at)| of == record && at.elapsed() < ASK_AGAIN_AFTER)
            };
            if let Some(home) = home
                && let Some(record) = unverifiable(&acquisition).filter(|r| !recently(r))
            {
                let question = home.ask(&record);
                let answer = match acquisition.time_left() {
                    Some(left) => timeout(left, question).await.ok().flatten(),
                    None => question.await,
                };
                asked = Some((record.clone(), Instant::now()));
                if let Some(answer) = answer {
                    acquisition.attest(record, answer);
                    continue;
                }
            }
            let woken = timeout(pause.at_most, pause.changed()).await.is_ok();
            acquisition.resume(woken);
        }
    }
}

/// The record in the way, if it names an owner that nothing local can verify.
fn unverifiable(acquisition: &Acquisition) -> Option<LockRecord> {
    let (Assessment { evidence, record, .. }, _) = acquisition.in_the_way()?;
    // Without what was answered before: an owner that lived then may be gone by now.
    match judge(&Evidence { attested: None, ..*evidence }) {
        Verdict::Unverifiable(doubt) if doubt != Doubt::NoOwner => record.clone(),
        _ => None,
    }
}

async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking tasks are only cancelled by a runtime that is shutting down, and then
            // nobody polls this future again.
            Err(_) => std::future::pending().await,
        },
    }
}
