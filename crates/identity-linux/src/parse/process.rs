//! `/proc/<pid>/stat` and `/proc/<pid>/status`.

use super::{lines, number, words};

/// What is used of `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Field 3, a letter. `Z` and `X` say that the *leader* has exited, no more.
    pub state: u8,
    /// Field 20: the threads that are still there, an exited but unreaped leader included.
    pub threads: u64,
    /// Field 22: clock ticks from boot to start, shifted by the time namespace of the reader.
    pub start_ticks: u64,
}

impl Stat {
    /// Whether no thread of the process runs any more.
    ///
    /// A leader that left through `pthread_exit` while other threads run on is shown as `Z`,
    /// too; its files and locks live on. Only the count of threads tells the two apart.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// Reads `/proc/<pid>/stat` as the entry of `pid`.
///
/// `None` when the text is not of that pid: the procfs of another pid namespace shows this
/// process under another number.
///
/// The process writes its name between the parentheses, unescaped: blanks, parentheses,
/// newlines and broken UTF-8 included. No later field can hold a parenthesis, so what follows
/// the *last* one is the kernel's.
#[must_use]
pub fn stat(bytes: &[u8], pid: u32) -> Option<Stat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let shown: u32 = number(bytes[..open].strip_suffix(b" ")?)?;
    if shown != pid {
        return None;
    }
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let mut fields = words(bytes[close + 1..].strip_prefix(b" ")?);
    // The first word after the name is field 3; `nth` consumes, hence the relative steps.
    let &[state] = fields.next()? else { return None };
    let threads = number(fields.nth(20 - 3 - 1)?)?;
    let start_ticks = number(fields.nth(22 - 20 - 1)?)?;
    // A text that was cut inside field 22 would show another start: insist on what follows.
    fields.next()?;
    Some(Stat { state, threads, start_ticks })
}

/// What is used of `/proc/<pid>/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The process that the pid or thread id belongs to.
    pub thread_group: Option<u32>,
    /// In how many nested pid namespaces, from that of the procfs down to its own, the
    /// process has a number. `None` before Linux 4.1.
    pub namespace_depth: Option<usize>,
}

/// Reads `/proc/<pid>/status`.
///
/// The name of the process stands in the first line; the kernel escapes newlines in it, so no
/// process can forge another line.
#[must_use]
pub fn status(bytes: &[u8]) -> Status {
    let field = |name: &[u8]| lines(bytes).find_map(|line| line.strip_prefix(name));
    Status {
        thread_group: field(b"Tgid:").and_then(|rest| number(rest.trim_ascii())),
        namespace_depth: field(b"NSpid:").map(|rest| words(rest).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// Everything after the name, with state `S`, 3 threads, 74 883 ticks.
    const REST: &[u8] =
        b" S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 74883 9 9 18446744073709551615\n";

    fn entry(name: &[u8]) -> Vec<u8> {
        [b"42 (", name, b")", REST].concat()
    }

    #[rstest]
    #[case::plain(b"bash")]
    #[case::empty(b"")]
    #[case::blanks(b"tmux: server")]
    #[case::forged_fields(b") S 1 2 3")]
    #[case::forged_line(b"x)\n) R 9")]
    #[case::nested(b"((x)) (")]
    #[case::not_utf8(b"\xff\xfe\x1b[0m")]
    #[case::kernel_thread(b"nvidia-modeset/deferred_close_kthread_q")]
    #[case::own_number(b"42 (x) S")]
    fn hostile_names(#[case] name: &[u8]) {
        let expected = Stat { state: b'S', threads: 3, start_ticks: 74_883 };
        assert_eq!(stat(&entry(name), 42), Some(expected));
    }

    #[rstest]
    #[case::nothing(b"")]
    #[case::no_name(b"42 S 1 2 3")]
    #[case::no_end(b"42 (x")]
    #[case::glued(b"42 (x)S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 74883 9\n")]
    #[case::cut_short(b"42 (x) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0\n")]
    #[case::long_state(b"42 (x) SS 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 74883 9\n")]
    #[case::negative_start(b"42 (x) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 -74883 9\n")]
    #[case::huge_start(
        b"42 (x) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 99999999999999999999 9\n"
    )]
    #[case::signed_pid(b"+42 (x) S 1 1 1 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 74883 9\n")]
    fn other_shapes_are_refused(#[case] bytes: &[u8]) {
        assert_eq!(stat(bytes, 42), None);
    }

    #[test]
    fn an_entry_of_another_pid_is_refused() {
        assert_eq!(stat(&entry(b"x"), 4), None);
        assert_eq!(stat(&entry(b"x"), 420), None);
    }

    #[rstest]
    #[case(b'Z', 1, true)]
    #[case(b'Z', 0, true)]
    #[case(b'X', 0, true)]
    #[case(b'Z', 2, false)]
    #[case(b'T', 1, false)]
    #[case(b'S', 1, false)]
    fn exited(#[case] state: u8, #[case] threads: u64, #[case] expected: bool) {
        assert_eq!(Stat { state, threads, start_ticks: 0 }.has_exited(), expected);
    }

    #[rstest]
    #[case(b"Name:\tx\nTgid:\t849\nPid:\t850\nNSpid:\t850\n", Some(849), Some(1))]
    #[case(b"Name:\tx\nTgid:\t849\nNSpid:\t850\t7\t1\n", Some(849), Some(3))]
    #[case(b"Name:\tTgid:\t1\\nTgid:\t2\nTgid:\t849\n", Some(849), None)]
    #[case(b"Tgid:\t-1\nNSpid:\n", None, Some(0))]
    #[case(b"", None, None)]
    fn statuses(#[case] bytes: &[u8], #[case] group: Option<u32>, #[case] depth: Option<usize>) {
        assert_eq!(status(bytes), Status { thread_group: group, namespace_depth: depth });
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), pid: u32) {
            let _ = stat(&bytes, pid);
            let _ = status(&bytes);
        }

        #[test]
        fn no_name_changes_the_fields(name in proptest::collection::vec(any::<u8>(), 0..64)) {
            let expected = Stat { state: b'S', threads: 3, start_ticks: 74_883 };
            prop_assert_eq!(stat(&entry(&name), 42), Some(expected));
        }

        #[test]
        fn no_cut_gives_other_fields(cut in 0usize..100) {
            let whole = entry(b"x");
            let expected = Stat { state: b'S', threads: 3, start_ticks: 74_883 };
            if let Some(seen) = stat(&whole[..cut.min(whole.len())], 42) {
                prop_assert_eq!(seen, expected);
            }
        }
    }
}
