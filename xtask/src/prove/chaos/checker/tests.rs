//! The checker finds what it is there to find, and excuses what is to be excused.

use super::*;

/// The violations of a journal, where the session file holds `content`.
fn violations(journal: &str, content: &str) -> Vec<String> {
    let files = [(Which::Session, content.to_owned()), (Which::Deps, String::new())];
    judge(journal, &files, true).unwrap().violations
}

/// Two sections that overlap, with `between` told in between; promises end at 100.
fn overlapping(lock: &str, between: &str, second_at: u32) -> Vec<String> {
    let promise = if lock == "session" { 100 } else { 0 };
    let first = format!("B 1.1 {lock} 1 10 0 {promise} 0\n");
    violations(&format!("{first}{between}B 2.1 {lock} 1 {second_at} 0 0 0\n"), "")
}

#[test]
fn two_at_once_are_found() {
    for lock in ["session", "deps"] {
        assert_eq!(overlapping(lock, "", 50).len(), 1);
    }
    assert_eq!(overlapping("session", "E 1.1 session 1 40\n", 50), [""; 0]);
    // Others' ends and others' deaths do not count.
    for other in ["E 2.1 session 1 40\n", "E 1.1 session 2 40\n"] {
        assert_eq!(overlapping("session", other, 50).len(), 2, "{other}");
    }
    assert_eq!(overlapping("session", "k 1.11\nK 11\nx 2.1\ns 1.1\n", 50).len(), 1);
}

#[test]
fn the_dead_the_gone_and_the_overdue_hold_nothing() {
    for excuse in ["k 1.1\n", "K 1\n", "x 1.1\n"] {
        assert_eq!(overlapping("deps", excuse, 50), [""; 0], "{excuse}");
    }
    assert_eq!(overlapping("session", "", 99).len(), 1);
    assert_eq!(overlapping("session", "", 100), [""; 0]);
    assert_eq!(overlapping("session", "P 1.1 session 1 150\n", 149).len(), 1);
    // An install lock's holder is never overdue.
    assert_eq!(overlapping("deps", "", 1_000_000).len(), 1);
}

#[test]
fn who_is_evicted_before_it_tells_holds_nothing() {
    // Stopped before it looked at the clock, and after.
    for late in [150, 50] {
        let first = "B 1.1 session 1 120 0 0 8\n";
        let second = format!("B 2.1 session 1 {late} 0 100 0\nE 2.1 session 1 160\n");
        let end = "W 1.1 session 1 0\nE 1.1 session 1 170\n";
        assert_eq!(violations(&format!("{first}{second}{end}"), "1.1 1 0\n").len(), 1, "too soon");
        let first = "B 1.1 session 1 120 0 0 0\n";
        let told = format!("{first}{second}{end}");
        assert_eq!(violations(&told, "1.1 1 0\n"), [""; 0]);
        // But it must not have written.
        let wrote = format!("{told}W 2.1 session 1 0\n");
        assert_eq!(violations(&wrote, "1.1 1 0\n2.1 1 0\n").len(), 1);
    }
    // Nobody can have evicted it.
    let early = "B 1.1 session 1 90 0 0 0\nB 2.1 session 1 95 0 100 0\n";
    assert_eq!(violations(early, "").len(), 1);
}

const TWO: &str = "B 1.1 session 1 10 0 100 0\nW 1.1 session 1 0\nB 2.1 session 1 150 0 0 8\n";

#[test]
fn fenced_writes_are_in_their_section_or_nowhere() {
    assert_eq!(violations(TWO, "1.1 1 0\n"), [""; 0]);
    // Told, and not there.
    assert_eq!(violations(TWO, "").len(), 1);
    // After the next one began.
    let late = format!("{TWO}W 1.1 session 1 1\n");
    assert_eq!(violations(&late, "1.1 1 0\n1.1 1 1\n").len(), 1);
    // Before it had the lock.
    let early = format!("{TWO}W 2.1 session 1 0\n");
    assert_eq!(violations(&early, "1.1 1 0\n2.1 1 0\n"), [""; 0]);
    assert_eq!(violations(&early, "2.1 1 0\n1.1 1 0\n").len(), 2);
    // Refused, and there all the same.
    let refused = format!("{TWO}R 1.1 session 1 1\n");
    assert_eq!(violations(&refused, "1.1 1 0\n"), [""; 0]);
    assert_eq!(violations(&refused, "1.1 1 0\n1.1 1 1\n").len(), 2);
    // Twice, torn, and of nobody.
    assert_eq!(violations(TWO, "1.1 1 0\n1.1 1 0\n").len(), 2);
    assert_eq!(violations(TWO, "1.1 1 0\n2.1\n").len(), 1);
    assert_eq!(violations(TWO, "1.1 1 0\n3.1 1 0\n").len(), 1);
}

#[test]
fn complaints_count_and_nonsense_is_an_error() {
    assert_eq!(violations("X 1.1 something\n", "").len(), 1);
    assert_eq!(violations("E 1.1 session 1 10\n", "").len(), 1);
    for nonsense in ["Q 1.1\n", "B 1.1 session\n", "B 1.1 session 1 x 0 0 0\n"] {
        assert!(judge(nonsense, &[], true).is_err(), "{nonsense}");
    }
}
