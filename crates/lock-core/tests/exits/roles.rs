//! The process that exits.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lock_core::lockfile::{Attempt, Layout, LockFile, Stamp};
use lock_core::record::Dialect;
use lock_core::{Guard, UnverifiedIdentity, cleanup};

use crate::sys;

pub(crate) fn act(role: &str, path: &Path) -> ExitCode {
    if role == "probe" {
        sys::speak_at_exit();
        std::process::exit(0);
    }
    if role == "idle" {
        let _ = std::io::stdin().read_line(&mut String::new());
        return ExitCode::SUCCESS;
    }
    if role != "exit without" {
        cleanup::install().unwrap();
    }
    if role == "hold and handle" {
        sys::handle_events();
    }
    let guard = take(path);
    match role {
        "exit" | "exit without" => std::process::exit(5),
        "exit from another thread" => {
            std::thread::scope(|scope| scope.spawn(|| std::process::exit(5)).join().unwrap());
        }
        "exit while a thread writes" => {
            let (inside, wait) = mpsc::channel();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    guard.section(Duration::ZERO, || {
                        inside.send(()).unwrap();
                        std::thread::sleep(Duration::from_secs(60));
                    })
                });
                wait.recv().unwrap();
                std::process::exit(5);
            });
        }
        "return" => std::mem::forget(guard),
        "hold" | "hold and handle" => {
            println!("held");
            std::thread::sleep(Duration::from_secs(3));
            assert!(guard.is_held());
            println!("still held");
            let _ = guard.release();
            return ExitCode::SUCCESS;
        }
        other => panic!("no role {other}"),
    }
    ExitCode::from(5)
}

fn take(path: &Path) -> Guard {
    let directory = path.ends_with("directory");
    let layout = if directory { Layout::Directory } else { Layout::File };
    let lock = LockFile::new(path.to_owned(), layout, Arc::new(UnverifiedIdentity));
    let stamp = Stamp { dialect: Dialect::RuntimeDeps, label: None, inheritable: false };
    let Attempt::Acquired(guard) = lock.attempt(&stamp).unwrap() else { panic!("it is free") };
    guard
}
