//! From the raw answers to what is there under a pid.

use super::records::{Snapshot, bsd_info, kinfo, unique_id};
use lock_core::identity::{Observed, Process};

/// What one call answered: the bytes it wrote, or its errno.
pub type Answer<'a> = Result<&'a [u8], i32>;

/// `ESRCH`: 3 on every Unix.
const ESRCH: i32 = 3;

/// The raw answers to the questions about one pid, asked in this order.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// `proc_pidinfo`, `PROC_PIDUNIQIDENTIFIERINFO` (17) with argument 1, which finds zombies,
    /// too. No comparison of users; the sandbox may object.
    pub unique: Answer<'a>,
    /// `sysctl` `kern.proc.pid`: empty when it finds nobody. No comparison of users.
    pub kinfo: Answer<'a>,
    /// `proc_pidinfo`, `PROC_PIDTBSDINFO` (3) with argument 1. The same user's processes only.
    /// `None` when `kinfo` answered, because this structure knows no more than that one.
    pub bsd_info: Option<Answer<'a>>,
}

/// What the answers about `pid` show.
///
/// The argument, answer by answer:
///
/// - `ESRCH` for the unique id: the hash of all processes, zombies included, has none with this
///   pid. It is believed if the list of all processes, asked *afterwards*, has none either; two
///   tables cannot both miss a living owner.
/// - `EPERM` for the unique id: the process was found first, and only then did the policy
///   object. It is alive or a zombie, and an empty list next to it proves nothing: it also
///   leaves out processes in the middle of their creation.
/// - The unique id is read before the status. If the pid changed hands in between, the id is
///   that of the earlier process and the status that of the later one, and so the earlier one
///   is dead: "the owner has exited" is true even then, and "runs" is outdated at once.
/// - No status at all: unknown, whatever the id is. It takes a sandbox that hides both
///   structures, and then nothing of what is left is worth a removal.
#[must_use]
pub fn observed(pid: u32, answers: &Answers<'_>) -> Observed {
    let mut seen = Observed::nothing("");
    seen.gaps.clear();
    seen.unique = answers.unique.ok().and_then(unique_id);
    if seen.unique.is_none() && answers.unique != Err(ESRCH) {
        seen.gaps.push(format!("no unique id of process {pid}: {}", describe(answers.unique)));
    }
    let listed = answers.kinfo.ok().and_then(|bytes| kinfo(bytes, pid));
    let by_uid = || bsd_info(answers.bsd_info?.ok()?, pid);
    match listed.or_else(by_uid) {
        Some(Snapshot { process, start }) => {
            seen.process = process;
            seen.start = start;
            if process == Process::Unknown {
                seen.gaps.push(format!("the status of process {pid} is of no known kind"));
            }
            if start.is_none() {
                seen.gaps.push(format!("process {pid} shows no start time"));
            }
        }
        None if answers.unique == Err(ESRCH) && answers.kinfo == Ok(&[]) => {
            seen.process = Process::Gone;
        }
        None => {
            seen.gaps.push(format!("no status of process {pid}: {}", describe(answers.kinfo)));
            if let Some(answer) = answers.bsd_info {
                seen.gaps.push(format!("nor by its user: {}", describe(answer)));
            }
        }
    }
    seen
}

/// Why an answer is of no use, for people.
fn describe(answer: Answer<'_>) -> String {
    match answer {
        Ok([]) => "it is not listed".to_owned(),
        Ok(bytes) => format!("{} bytes of an unknown shape", bytes.len()),
        Err(errno) => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::tests::{bsd_info_bytes, kinfo_bytes, unique_bytes};
    use super::*;
    use lock_core::identity::{Comparison, OwnerId, OwnerKind, StartTime};
    use proptest::prelude::*;
    use rstest::rstest;

    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const PID: u32 = 42;
    const SECONDS: i64 = 1_700_000_000;
    const OURS: u64 = 777;

    /// The owner that the records of these tests name.
    fn owner() -> OwnerId {
        OwnerId {
            start: Some(StartTime::UnixMicros(1_700_000_000_000_005)),
            unique: Some(OURS),
            ..OwnerId::bare(OwnerKind::Macos, PID)
        }
    }

    fn id(unique: u64) -> Result<Vec<u8>, i32> {
        Ok(unique_bytes(unique))
    }

    fn list(status: u8, micros: i32) -> Result<Vec<u8>, i32> {
        Ok(kinfo_bytes(PID, status, SECONDS, micros))
    }

    fn info(status: u32, micros: u64) -> Option<Result<Vec<u8>, i32>> {
        Some(Ok(bsd_info_bytes(PID, status, SECONDS.unsigned_abs(), micros)))
    }

    fn nobody() -> Result<Vec<u8>, i32> {
        Ok(Vec::new())
    }

    fn short() -> Result<Vec<u8>, i32> {
        Ok(vec![0; 40])
    }

    fn bytes(answer: &Result<Vec<u8>, i32>) -> Answer<'_> {
        answer.as_deref().map_err(|errno| *errno)
    }

    /// The decision table, one row per line: M1 of the platform's facts.
    #[rstest]
    #[case::alive(id(OURS), list(3, 5), None, Process::Running, Comparison::Same)]
    #[case::stopped(id(OURS), list(4, 5), None, Process::Running, Comparison::Same)]
    #[case::zombie(id(OURS), list(5, 5), None, Process::Exited, Comparison::Same)]
    #[case::recycled(id(778), list(3, 9), None, Process::Running, Comparison::Different)]
    #[case::recycled_within_a_microsecond(
        id(778),
        list(3, 5),
        None,
        Process::Running,
        Comparison::Different
    )]
    #[case::recycled_by_a_zombie(id(778), list(5, 9), None, Process::Exited, Comparison::Different)]
    #[case::gone(Err(ESRCH), nobody(), None, Process::Gone, Comparison::Unknown)]
    #[case::esrch_is_not_confirmed(
        Err(ESRCH),
        Err(EPERM),
        Some(Err(ESRCH)),
        Process::Unknown,
        Comparison::Unknown
    )]
    #[case::esrch_and_then_a_successor(
        Err(ESRCH),
        list(3, 9),
        None,
        Process::Running,
        Comparison::Different
    )]
    #[case::not_listed_alone(Err(EPERM), nobody(), None, Process::Unknown, Comparison::Unknown)]
    #[case::being_created(id(OURS), nobody(), None, Process::Unknown, Comparison::Same)]
    #[case::no_id_alive(Err(EPERM), list(3, 5), None, Process::Running, Comparison::Same)]
    #[case::no_id_zombie(Err(EPERM), list(5, 5), None, Process::Exited, Comparison::Same)]
    #[case::no_id_recycled(Err(EPERM), list(3, 9), None, Process::Running, Comparison::Different)]
    #[case::no_list_alive(id(OURS), Err(EPERM), info(3, 5), Process::Running, Comparison::Same)]
    #[case::no_list_zombie(id(OURS), Err(EPERM), info(5, 5), Process::Exited, Comparison::Same)]
    #[case::own_users_only(
        Err(EPERM),
        Err(EPERM),
        info(2, 9),
        Process::Running,
        Comparison::Different
    )]
    #[case::nothing_allowed(
        Err(EPERM),
        Err(EPERM),
        Some(Err(EPERM)),
        Process::Unknown,
        Comparison::Unknown
    )]
    #[case::only_the_id(id(OURS), Err(EPERM), Some(Err(EPERM)), Process::Unknown, Comparison::Same)]
    #[case::short_id(short(), list(3, 5), None, Process::Running, Comparison::Same)]
    #[case::short_list(id(OURS), short(), Some(Err(EPERM)), Process::Unknown, Comparison::Same)]
    #[case::short_list_and_esrch(
        Err(ESRCH),
        short(),
        Some(Err(ESRCH)),
        Process::Unknown,
        Comparison::Unknown
    )]
    #[case::no_memory(
        Err(ENOMEM),
        Err(ENOMEM),
        Some(Err(ENOMEM)),
        Process::Unknown,
        Comparison::Unknown
    )]
    fn table(
        #[case] unique: Result<Vec<u8>, i32>,
        #[case] kinfo: Result<Vec<u8>, i32>,
        #[case] bsd_info: Option<Result<Vec<u8>, i32>>,
        #[case] process: Process,
        #[case] incarnation: Comparison,
    ) {
        let answers = Answers {
            unique: bytes(&unique),
            kinfo: bytes(&kinfo),
            bsd_info: bsd_info.as_ref().map(bytes),
        };
        let seen = observed(PID, &answers);
        assert_eq!(seen.process, process);
        assert_eq!(owner().compare_incarnation(&seen), incarnation);
        assert!(!seen.found_by_handle);
        assert_eq!((seen.age, seen.time_offset), (None, None));
        let complete = process == Process::Gone || seen.unique.is_some() && seen.start.is_some();
        assert!(complete || unique == Err(ESRCH) || !seen.gaps.is_empty(), "no reason given");
    }

    fn any_answer() -> impl Strategy<Value = Result<Vec<u8>, i32>> {
        prop_oneof![
            (0i32..120).prop_map(Err),
            Just(nobody()),
            proptest::collection::vec(any::<u8>(), 0..700).prop_map(Ok),
            any::<u64>().prop_map(id),
            (any::<u8>(), any::<i32>()).prop_map(|(status, micros)| list(status, micros)),
        ]
    }

    proptest! {
        #[test]
        fn never_panics_and_only_both_tables_say_gone(
            unique in any_answer(),
            kinfo in any_answer(),
            bsd_info in proptest::option::of(any_answer()),
        ) {
            let answers = Answers {
                unique: bytes(&unique),
                kinfo: bytes(&kinfo),
                bsd_info: bsd_info.as_ref().map(bytes),
            };
            let seen = observed(PID, &answers);
            if seen.process == Process::Gone {
                prop_assert_eq!(unique, Err(ESRCH));
                prop_assert_eq!(&kinfo, &nobody());
            }
            if bsd_info.is_none() && seen.process == Process::Exited {
                prop_assert_eq!(kinfo.unwrap()[36], 5);
            }
        }
    }
}
