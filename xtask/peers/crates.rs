//! A contender for a lock of a crate: `crates CRATE contend|hold [PATH]`.
//!
//! A contender says "ready VERSION", then answers each line "PATH START LIMIT HOLD" (nanoseconds of
//! CLOCK_MONOTONIC) with "held BEGIN END" or "without WHY". A holder says "held", and stays.

use std::any::Any;
use std::io::BufRead;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Neither crate's own way to wait has a deadline: contenders look every 10 ms.
const PAUSE: Duration = Duration::from_millis(10);

fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// Tries once. Dropping what it answers releases.
fn attempt(which: &str, path: &str) -> Result<Box<dyn Any>, String> {
    match which {
        "pidlock" => {
            let lock = pidlock::Pidlock::new_validated(path);
            let mut lock = lock.map_err(|why| why.to_string())?;
            lock.acquire().map_err(|why| why.to_string())?;
            Ok(Box::new(lock))
        }
        "fslock" => {
            let mut lock = fslock::LockFile::open(path).map_err(|why| why.to_string())?;
            match lock.try_lock_with_pid() {
                Ok(true) => Ok(Box::new(lock)),
                Ok(false) => Err("held".to_owned()),
                Err(why) => Err(why.to_string()),
            }
        }
        other => panic!("no crate {other}"),
    }
}

fn acquire(which: &str, path: &str, limit: Duration) -> Result<Box<dyn Any>, String> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt(which, path) {
            Ok(held) => return Ok(held),
            Err(why) if Instant::now() > deadline => return Err(why.replace(' ', "-")),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let which = words[0].as_str();
    if words[1] == "hold" {
        let _held = acquire(which, &format!("{}.lock", words[2]), Duration::ZERO).unwrap();
        println!("held");
        std::thread::sleep(Duration::from_secs(3600));
    }
    println!("ready {}", if which == "pidlock" { env!("PIDLOCK") } else { env!("FSLOCK") });
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let nanos = |at: usize| Duration::from_nanos(words[at].parse().unwrap());
        std::thread::sleep(nanos(1).saturating_sub(now()));
        match acquire(which, &format!("{}.lock", words[0]), nanos(2)) {
            Ok(held) => {
                let begin = now();
                std::thread::sleep(nanos(3));
                let end = now();
                drop(held);
                println!("held {} {}", begin.as_nanos(), end.as_nanos());
            }
            Err(why) => println!("without {why}"),
        }
    }
}
