//! The asynchronous form: released on success, error, panic and cancellation.
#![cfg(feature = "tokio")]

#[path = "../../lock-core/tests/os/mod.rs"]
mod os;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime_deps_lock::{DEFAULT_LOCK_NAME, DepsLock, DepsLockError, DepsOptions, with_lock_async};

fn options() -> DepsOptions {
    DepsOptions::default().timeout(Duration::from_secs(60))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_tasks_install_one_at_a_time() {
    let root = Arc::new(tempfile::tempdir().unwrap());
    let (inside, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (root, inside, done) = (root.clone(), inside.clone(), done.clone());
            tokio::spawn(async move {
                let install = async {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    assert_ne!(task, 5, "this installer panics");
                    if task == 6 { Err("this one fails") } else { Ok(()) }
                };
                with_lock_async(root.path(), options(), install).await.unwrap()
            })
        })
        .collect();
    for (task, handle) in tasks.into_iter().enumerate() {
        match handle.await {
            Ok(installed) => assert_eq!(installed.is_err(), task == 6),
            Err(error) => assert!(task == 5 && error.is_panic()),
        }
    }
    assert_eq!(done.load(Ordering::SeqCst), 16);
}

#[tokio::test]
async fn a_dropped_future_releases_or_never_takes() {
    let root = tempfile::tempdir().unwrap();
    let forever = with_lock_async(root.path(), options(), std::future::pending::<()>());
    assert!(tokio::time::timeout(Duration::from_millis(50), forever).await.is_err());
    // The release happens on another thread: it is waited for like anybody's.
    let held = DepsLock::new(root.path(), options()).unwrap().acquire_async(None).await.unwrap();

    let waiting = with_lock_async(root.path(), options(), async { panic!("it must not run") });
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    assert!(held.get().is_held());
    let short = options().timeout(Duration::from_millis(20));
    let error = with_lock_async(root.path(), short, async {}).await.unwrap_err();
    assert!(matches!(error, DepsLockError::Timeout(_)), "{error}");
    let _ = held.release().await;
    with_lock_async(root.path(), options(), async {}).await.unwrap();
    assert_eq!(os::names(root.path()), [""; 0]);
}

/// Released by itself, not by the next one's reclaim: nobody else comes.
#[tokio::test]
async fn an_error_and_a_panic_leave_a_clean_root() {
    let root = Arc::new(tempfile::tempdir().unwrap());
    let failing = async {
        assert_eq!(os::names(root.path()), [DEFAULT_LOCK_NAME]);
        Err::<(), _>("no network")
    };
    let done = with_lock_async(root.path(), options(), failing).await.unwrap();
    assert_eq!(done, Err("no network"));
    assert_eq!(os::names(root.path()), [""; 0], "after an error");

    let in_task = Arc::clone(&root);
    let panicking = tokio::spawn(async move {
        let install = async {
            tokio::task::yield_now().await;
            panic!("this installer panics")
        };
        with_lock_async::<()>(in_task.path(), options(), install).await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    // A guard that is dropped is released by another thread: the runtime is not blocked for it.
    let started = std::time::Instant::now();
    while !os::names(root.path()).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "still held after a panic");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
