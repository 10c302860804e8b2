//! The async strategy: an owner's home is asked where this kernel has nothing to say, and only
//! there; its answer counts for exactly the record it was asked about.
#![cfg(feature = "tokio")]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lock_core::identity::{BootId, OwnerId, PidNamespace};
use lock_core::record::{Dialect, LockRecord};
use session_lock::{Attested, Clock, OwnerHome, SessionLockError, SystemClock};
use support::*;

/// Answers in turn, then with the last answer for ever, and remembers what it was asked.
struct Scripted {
    answers: Vec<Option<Attested>>,
    asked: AtomicUsize,
    about: Mutex<Vec<Option<String>>>,
}

impl Scripted {
    fn new(answers: &[Option<Attested>]) -> Self {
        let (asked, about) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        Self { answers: answers.to_vec(), asked, about }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl OwnerHome for Scripted {
    async fn ask(&self, record: &LockRecord) -> Option<Attested> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        self.about.lock().unwrap().push(record.id.clone());
        *self.answers.get(nth).or(self.answers.last()).unwrap()
    }
}

/// Never answers.
struct Silent;

#[async_trait]
impl OwnerHome for Silent {
    async fn ask(&self, _record: &LockRecord) -> Option<Attested> {
        std::future::pending().await
    }
}

/// An owner in a pid namespace that is not ours, so that nothing local tells about it.
fn stranger() -> OwnerId {
    OwnerId { namespace: Some(PidNamespace { inode: 2, id: None }), ..owner(OTHER, OTHER_START) }
}

/// Just taken, on the clock that runs: the one that [`waiting`] judges by.
fn plant(bench: &Bench, owner: OwnerId, id: &str) {
    let record = LockRecord {
        created_at: Some(SystemClock.wall()),
        monotonic: Some(SystemClock.monotonic()),
        ..LockRecord::new(owner, id.to_owned())
    };
    let max_hold = Duration::from_secs(300);
    let bytes = record.to_bytes(Dialect::Session { max_hold });
    bench.plant_lock(&String::from_utf8(bytes).unwrap(), Duration::ZERO);
}

/// Options that wait so long, on a clock that runs.
fn waiting(bench: &Bench, timeout: Duration) -> session_lock::SessionLock {
    let clock = std::sync::Arc::new(SystemClock);
    bench.lock_with(bench.options().timeout(timeout).clock(clock))
}

#[tokio::test]
async fn an_owner_that_is_gone_says_its_home_is_reclaimed() {
    let bench = Bench::new();
    plant(&bench, stranger(), "theirs-1");
    must_respect(&waiting(&bench, Duration::from_millis(50)));
    let home = Scripted::new(&[Some(Attested::Gone)]);
    let guard = waiting(&bench, Duration::from_secs(20)).acquire_asking(&home).await.unwrap();
    assert_eq!(*home.about.lock().unwrap(), [Some("theirs-1".to_owned())]);
    drop(guard.release().await);
}

#[tokio::test]
async fn an_owner_that_lives_or_is_not_known_is_waited_for() {
    for answer in [Some(Attested::Alive), None] {
        let bench = Bench::new();
        plant(&bench, stranger(), "theirs-1");
        let before = std::fs::read(bench.lock_path()).unwrap();
        let home = Scripted::new(&[answer]);
        let lock = waiting(&bench, Duration::from_millis(300));
        let error = lock.acquire_asking(&home).await.expect_err("somebody else's lock");
        assert!(matches!(error, SessionLockError::Timeout(_)), "{error}");
        assert_eq!(error.to_string().contains("alive, says its home"), answer.is_some());
        assert_eq!(std::fs::read(bench.lock_path()).unwrap(), before);
        assert!(home.asked() >= 1);
    }
}

#[tokio::test]
async fn a_home_that_does_not_know_yet_is_asked_again() {
    let bench = Bench::new();
    plant(&bench, stranger(), "theirs-1");
    let home = Scripted::new(&[None, Some(Attested::Gone)]);
    let guard = waiting(&bench, Duration::from_secs(20)).acquire_asking(&home).await.unwrap();
    assert_eq!(home.asked(), 2);
    drop(guard.release().await);
}

/// Whatever it would answer: this kernel sees the owner, alive.
#[tokio::test]
async fn a_home_is_not_asked_about_an_owner_that_can_be_seen() {
    let bench = Bench::new();
    plant(&bench, owner(OTHER, OTHER_START), "theirs-1");
    let home = Scripted::new(&[Some(Attested::Gone)]);
    let lock = waiting(&bench, Duration::from_millis(300));
    lock.acquire_asking(&home).await.expect_err("a living owner");
    assert_eq!(home.asked(), 0);
}

/// A gap (no boot id) keeps it from being taken for the owner, and from being given up.
#[tokio::test]
async fn a_home_is_not_believed_that_a_process_is_gone_which_may_be_the_owner() {
    let bench = Bench::new();
    plant(&bench, OwnerId { boot: BootId::Unknown, ..owner(OTHER, OTHER_START) }, "theirs-1");
    let home = Scripted::new(&[Some(Attested::Gone)]);
    let lock = waiting(&bench, Duration::from_millis(300));
    let error = lock.acquire_asking(&home).await.expect_err("it runs here");
    assert!(matches!(error, SessionLockError::Timeout(_)), "{error}");
    assert!(error.to_string().contains("a process that may be the owner runs here"), "{error}");
    assert!(home.asked() >= 1);
}

/// The answer about one record says nothing about its successor's.
#[tokio::test]
async fn an_answer_counts_for_its_record_alone() {
    struct Replacing<'a>(&'a Bench, Scripted);

    #[async_trait]
    impl OwnerHome for Replacing<'_> {
        async fn ask(&self, record: &LockRecord) -> Option<Attested> {
            if self.1.asked() == 0 {
                remove(&self.0.lock_path());
                plant(self.0, stranger(), "theirs-2");
            }
            self.1.ask(record).await
        }
    }

    let bench = Bench::new();
    plant(&bench, stranger(), "theirs-1");
    let home = Replacing(&bench, Scripted::new(&[Some(Attested::Gone), None]));
    let lock = waiting(&bench, Duration::from_millis(300));
    lock.acquire_asking(&home).await.expect_err("the successor's lock");
    let second = std::fs::read_to_string(bench.lock_path()).unwrap();
    assert!(second.contains("theirs-2"), "{second}");
    let about = home.1.about.lock().unwrap();
    assert_eq!(about[..2], [Some("theirs-1".to_owned()), Some("theirs-2".to_owned())]);
}

#[tokio::test]
async fn a_home_that_never_answers_holds_nobody_past_the_deadline() {
    let bench = Bench::new();
    plant(&bench, stranger(), "theirs-1");
    let lock = waiting(&bench, Duration::from_millis(200));
    let began = std::time::Instant::now();
    lock.acquire_asking(&Silent).await.expect_err("somebody else's lock");
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// It lived when it was asked first; it is asked again.
#[tokio::test]
async fn an_owner_that_dies_later_is_reclaimed_then() {
    let bench = Bench::new();
    plant(&bench, stranger(), "theirs-1");
    let home = Scripted::new(&[Some(Attested::Alive), Some(Attested::Gone)]);
    let guard = waiting(&bench, Duration::from_secs(20)).acquire_asking(&home).await.unwrap();
    assert_eq!(home.asked(), 2);
    drop(guard.release().await);
}
