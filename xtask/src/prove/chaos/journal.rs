//! The journal: what happened under the locks, in the order in which it happened.
//!
//! Every line is one `write(2)` to a file that the checker opened for appending and handed down as
//! standard output: the file's order is the real one, and no lock is needed for it. A line is a
//! letter, who (`namespace.number`, or a namespace), and the rest, in words:
//!
//! | line | by | meaning |
//! |---|---|---|
//! | `B who lock seq at waited promise size` | hammer | has the lock; may be evicted from `promise` on (0: never); the protected file's size |
//! | `P who lock seq promise` | hammer | has renewed its promise |
//! | `W who lock seq n` | hammer | the fenced write `n` is done |
//! | `R who lock seq n` | hammer | the fenced write `n` was refused |
//! | `E who lock seq at` | hammer | is about to let go |
//! | `O who lock seq released\|lost\|abandoned` | hammer | how that went |
//! | `T who lock waited` | hammer | gave up |
//! | `x who` | hammer | is about to replace itself by exec |
//! | `f who`, `d who` | hammer | has forked; has swept |
//! | `k who`, `s who` | warden | is about to be killed, stopped |
//! | `K namespace` | gang | is about to be killed, with everybody in it |
//! | `X who text` | all | a complaint |

use std::fmt::Arguments;

/// Writes one line. Whoever cannot tell must not go on.
pub(super) fn tell(line: Arguments<'_>) {
    let line = format!("{line}\n");
    let written = rustix::io::write(std::io::stdout(), line.as_bytes());
    assert_eq!(written, Ok(line.len()), "the journal takes whole lines");
}

/// Writes a complaint.
pub(super) fn complain(who: &str, text: &str) {
    tell(format_args!("X {who} {}", text.replace('\n', " | ")));
}
