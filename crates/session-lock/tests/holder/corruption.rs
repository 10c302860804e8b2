//! The corruption test: writers that are stopped past their promise, evicted, and continued.
//!
//! Each writes numbered lines in sessions. In a transcript that is in order, a session that
//! another one followed never comes back, and every line is whole. Fenced writes keep it so; the
//! same writers without the fence break it, or the test would prove nothing.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use lock_core::record::LockRecord;
use session_lock::{AppendError, SectionError, SessionLock, SessionOptions};

use crate::crew::Orders;
use crate::given::{Given, say};
use crate::support::{Arena, Dice, scaled};

const WRITERS: usize = 3;
const PADDING: usize = 120;
/// Of each writer, however few lines it is to write.
const LEAST_EVICTIONS: u32 = 4;

pub(crate) fn fenced() {
    let (lines, evicted, wrong) = write("fenced", scaled(2000));
    println!("corruption::fenced: {lines} lines, {evicted} sessions were evicted");
    assert!(wrong.is_empty(), "{} wrong lines: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(evicted >= WRITERS * LEAST_EVICTIONS as usize, "{evicted} evictions only");
}

pub(crate) fn unfenced() {
    for _ in 0..10 {
        let (lines, _, wrong) = write("unfenced", scaled(2000));
        println!("corruption::unfenced: {lines} lines, {} of them late", wrong.len());
        if !wrong.is_empty() {
            return;
        }
    }
    panic!("the test cannot fail");
}

/// Answers how many lines there are, how many sessions were cut short, and what is wrong.
fn write(how: &str, lines: u32) -> (usize, usize, Vec<String>) {
    let arena = Arena::new();
    let mut actors: Vec<_> = (0..WRITERS)
        .map(|_| {
            let orders = Orders::new("scribe").path("session", &arena.session());
            orders.with("lines", lines).with("how", how).start()
        })
        .collect();
    let handles: Vec<_> = actors.iter().map(|a| (a.pid(), a.handle())).collect();
    let mut dice = Dice::new();
    while actors.iter_mut().any(|actor| actor.is_running()) {
        // Mostly the one that has the lock.
        let record = std::fs::read(arena.lock()).ok().and_then(|r| LockRecord::parse(&r));
        let owner = record.and_then(|r| r.owner).map(|owner| owner.pid);
        let holder = handles.iter().find(|(pid, _)| owner == Some(*pid));
        let any = &handles[dice.below(WRITERS as u64) as usize];
        let (_, stopped) = holder.filter(|_| dice.below(4) > 0).unwrap_or(any);
        stopped.stop();
        std::thread::sleep(Duration::from_micros(dice.below(40_000)));
        stopped.go_on();
        std::thread::sleep(Duration::from_micros(dice.below(8_000)));
    }
    let ends = actors.into_iter().map(|actor| actor.finish().trim().parse::<usize>());
    let evicted = ends.map(|end| end.expect("a number")).sum();
    let text = std::fs::read_to_string(arena.session()).expect("a transcript");
    let (mut over, mut current, mut next) = (HashSet::new(), "", 0);
    let mut wrong = Vec::new();
    for line in text.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [session, seq, padding] = words[..] else {
            wrong.push(format!("torn: {line}"));
            continue;
        };
        if session != current {
            over.insert(std::mem::replace(&mut current, session));
            next = 0;
        }
        if over.contains(session) {
            wrong.push(format!("late: {line}"));
        } else if seq != next.to_string() || padding.len() != PADDING {
            wrong.push(format!("not in order: {line}"));
        }
        next += 1;
    }
    assert_eq!(arena.leftovers(), [""; 0]);
    (text.lines().count(), evicted, wrong)
}

pub(crate) fn scribe(given: &Given) {
    let options = SessionOptions::default()
        .timeout(Duration::from_secs(30))
        .max_hold(Duration::from_millis(20));
    let lock = SessionLock::new(given.path("session"), options).expect("a lock");
    let fenced = given.word("how") == Some("fenced");
    let (mut session, mut written, mut evicted) = (0, 0, 0);
    while written < given.number("lines", 1) || evicted < LEAST_EVICTIONS {
        let guard = lock.acquire().unwrap_or_else(|e| panic!("{e}"));
        let file = std::fs::File::options().append(true).create(true).open(guard.session());
        let mut file = file.expect("a transcript");
        for seq in 0..60 {
            let line = format!("{}.{session} {seq} {}\n", given.nr(), "x".repeat(PADDING));
            let outcome = if fenced {
                guard.append(line.as_bytes())
            } else {
                // Careful, and not careful enough: it may be stopped between the two.
                if guard.is_held() {
                    std::thread::sleep(Duration::from_micros(50));
                    file.write_all(line.as_bytes()).expect("it takes a line");
                    Ok(())
                } else {
                    Err(SectionError::Lost.into())
                }
            };
            match outcome {
                Ok(()) => written += 1,
                Err(AppendError::Fence(SectionError::Lost)) => {
                    evicted += 1;
                    break;
                }
                // A contender was stopped inside the binding byte.
                Err(AppendError::Fence(SectionError::Busy { .. })) => break,
                Err(error) => panic!("{error}"),
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        drop(guard);
        session += 1;
    }
    say(&evicted.to_string());
}
