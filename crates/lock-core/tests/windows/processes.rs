//! Other processes: what they exclude, and what is left when they are killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lock_core::lockfile::sys::{Access, Byte, Native, Sys};

use crate::support::{Playground, create, open};

const PATH: &str = "LOCK_CORE_TEST_PATH";
const CHILD: &str = "LOCK_CORE_TEST_CHILD";
const TEST: &str = "processes::a_process_keeps_others_out_until_it_is_killed";

/// What the other process does: this program, started again for the test that needs it.
fn own(path: &Path) {
    let file = create(path);
    assert!(Native.try_lock(&file, Byte::Owner).unwrap());
    // Started with the lock held: if it inherited the byte, it would keep it.
    let child = std::env::var_os(CHILD).map(|_| sleeper());
    println!("locked {}", child.map_or(0, |child| child.id()));
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

fn sleeper() -> Child {
    Command::new("cmd").args(["/c", "pause"]).stdin(Stdio::piped()).spawn().unwrap()
}

fn owner(path: &Path, with_child: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]).env(PATH, path);
    if with_child {
        command.env(CHILD, "1");
    }
    let mut owner = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    lines.map(Result::unwrap).find(|line| line.contains("locked ")).expect("it locks");
    owner
}

#[test]
fn a_process_keeps_others_out_until_it_is_killed() {
    if let Some(path) = std::env::var_os(PATH) {
        return own(Path::new(&path));
    }
    let here = Playground::new();
    for (name, with_child) in [("s.lock", false), ("with-child.lock", true)] {
        let path = here.at(name);
        let mut owner = owner(&path, with_child);
        let (contender, _) = open(&path, Access::Lock);
        assert!(Native.is_locked(&contender, Byte::Owner).unwrap());
        assert!(!Native.try_lock(&contender, Byte::Owner).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"record");

        owner.kill().unwrap();
        owner.wait().unwrap();
        let dead = Instant::now();
        while !Native.try_lock(&contender, Byte::Owner).unwrap() {
            assert!(dead.elapsed() < Duration::from_secs(5), "a dead process keeps its byte");
            std::thread::sleep(Duration::from_micros(100));
        }
        println!("{name}: free {:?} after the owner's death", dead.elapsed());
    }
}
