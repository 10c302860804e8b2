//! From the raw answers to what is there under a pid.

use lock_core::identity::{Comparison, Observed, OwnerId, Process, StartTime};

/// What one call answered, or the system's error code.
pub type Answer<T> = Result<T, u32>;

/// `ERROR_INVALID_PARAMETER`.
const NO_SUCH_PROCESS: u32 = 87;
/// `WAIT_OBJECT_0`.
const SIGNALLED: u32 = 0;
/// `WAIT_TIMEOUT`.
const NOT_SIGNALLED: u32 = 258;
/// `STILL_ACTIVE`.
const STILL_ACTIVE: u32 = 259;

/// What a handle that `OpenProcess` gave for a pid says. It pins one incarnation, so its
/// answers are all of the same process, and in whatever order they were asked.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    /// `GetProcessId`.
    pub pid: Answer<u32>,
    /// The creation time of `GetProcessTimes`.
    pub created: Answer<u64>,
    /// The process sequence number, on systems that have it.
    pub sequence: Option<u64>,
    /// Whether it has exited.
    pub end: End,
}

/// How a process was asked whether it has exited.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// What `WaitForSingleObject` returned, which did not wait.
    Waited(u32),
    /// Waiting was not permitted: the exit code.
    ExitCode(Answer<u32>),
}

/// The 100 ns steps in the two halves of a `FILETIME`.
#[must_use]
pub fn file_time(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// A creation time. Zero is what stands there when nothing was filled in: no process has it.
#[must_use]
pub fn start_time(steps: u64) -> Option<StartTime> {
    (steps != 0).then_some(StartTime::FileTime(steps))
}

/// What `opened`, the outcome of opening the recorded pid, shows of `recorded`.
///
/// `OpenProcess` fails with 87 when no process has the pid, as its other arguments are valid
/// constants. It does *not* fail while a process is merely exiting, or has exited and somebody
/// keeps a handle of it: the pid is reserved as long. Any other error, 5 above all, is about a
/// process that is there, or about this one.
#[must_use]
pub fn observed(recorded: &OwnerId, opened: Answer<&Handle>) -> Observed {
    let pid = recorded.pid;
    let handle = match opened {
        Ok(handle) => handle,
        Err(NO_SUCH_PROCESS) => return bare(Process::Gone),
        Err(code) => return Observed::nothing(format!("OpenProcess({pid}): error {code}")),
    };
    match handle.pid {
        Ok(named) if named == pid => {}
        // The system ignores the two low bits, and opens 8 for 9. No process can have recorded
        // 9 as its own pid: the record is damaged, and says nothing about 8 either.
        Ok(named) => {
            return Observed::nothing(format!("{pid} is not a process id: it opens {named}"));
        }
        Err(code) => return Observed::nothing(format!("GetProcessId({pid}): error {code}")),
    }
    let mut seen = bare(Process::Unknown);
    match handle.created.map(start_time) {
        Ok(Some(start)) => seen.start = Some(start),
        Ok(None) => seen.gaps.push(format!("process {pid} shows no start time")),
        Err(code) => seen.gaps.push(format!("GetProcessTimes({pid}): error {code}")),
    }
    // The number counts from boot, the start time does not: after a reboot a stranger may well
    // have the owner's pid and number, as services start in the same order each time. Where the
    // start times differ, they are the whole truth.
    let start = Comparison::of(recorded.start, seen.start);
    seen.unique = handle.sequence.filter(|_| start != Comparison::Different);
    let exited = match handle.end {
        End::Waited(SIGNALLED) => Some(true),
        End::Waited(NOT_SIGNALLED) => Some(false),
        End::Waited(other) => {
            seen.gaps.push(format!("waiting for process {pid} gave {other:#x}"));
            None
        }
        // A running process shows this one, and any process may exit with it. The exit time is
        // no help: it is undefined until the process has exited.
        End::ExitCode(Ok(STILL_ACTIVE)) => {
            seen.gaps.push(format!("process {pid} may run or have exited with code 259"));
            None
        }
        End::ExitCode(Ok(_)) => Some(true),
        End::ExitCode(Err(code)) => {
            seen.gaps.push(format!("GetExitCodeProcess({pid}): error {code}"));
            None
        }
    };
    seen.process = match exited {
        Some(true) => Process::Exited,
        Some(false) => Process::Running,
        // The pid is another incarnation's, and whether that one still runs is its own affair:
        // as long as it has the pid, the owner has not.
        None if recorded.compare_incarnation(&seen) == Comparison::Different => Process::Running,
        None => Process::Unknown,
    };
    seen
}

fn bare(process: Process) -> Observed {
    let mut seen = Observed::nothing("");
    seen.gaps.clear();
    seen.process = process;
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::identity::OwnerKind;
    use proptest::prelude::*;
    use rstest::rstest;

    const DENIED: u32 = 5;
    const WAIT_FAILED: u32 = u32::MAX;
    const PID: u32 = 32;
    const START: u64 = 133_444_555_666_777_888;

    fn owner(start: Option<u64>, unique: Option<u64>) -> OwnerId {
        let start = start.map(StartTime::FileTime);
        OwnerId { start, unique, ..OwnerId::bare(OwnerKind::Windows, PID) }
    }

    fn handle(created: u64, sequence: Option<u64>, end: End) -> Handle {
        Handle { pid: Ok(PID), created: Ok(created), sequence, end }
    }

    const RUNS: End = End::Waited(258);
    const ENDED: End = End::Waited(0);
    const FAILED: End = End::Waited(WAIT_FAILED);
    const CODE_259: End = End::ExitCode(Ok(259));
    const CODE_0: End = End::ExitCode(Ok(0));
    const NO_CODE: End = End::ExitCode(Err(DENIED));

    use Comparison::{Different, Same, Unknown as Unclear};

    /// The decision table for a process that opens, one row per line.
    #[rstest]
    #[case::alive(START, None, RUNS, Process::Running, Same)]
    #[case::exited(START, None, ENDED, Process::Exited, Same)]
    #[case::wait_failed(START, None, FAILED, Process::Unknown, Same)]
    #[case::abandoned_is_no_process(START, None, End::Waited(0x80), Process::Unknown, Same)]
    #[case::recycled(START + 1, None, RUNS, Process::Running, Different)]
    #[case::recycled_and_exited(START + 1, None, ENDED, Process::Exited, Different)]
    #[case::recycled_and_not_told(START + 1, None, FAILED, Process::Running, Different)]
    #[case::limited_recycled(START + 1, None, CODE_259, Process::Running, Different)]
    #[case::limited_ambiguous(START, None, CODE_259, Process::Unknown, Same)]
    #[case::limited_exited(START, None, CODE_0, Process::Exited, Same)]
    #[case::limited_no_code(START, None, NO_CODE, Process::Unknown, Same)]
    #[case::no_start(0, None, RUNS, Process::Running, Unclear)]
    #[case::no_start_not_told(0, None, CODE_259, Process::Unknown, Unclear)]
    #[case::same_number(START, Some(7), RUNS, Process::Running, Same)]
    #[case::recycled_within_one_tick(START, Some(8), RUNS, Process::Running, Different)]
    #[case::same_number_of_another_boot(START + 1, Some(7), RUNS, Process::Running, Different)]
    #[case::number_without_start(0, Some(8), RUNS, Process::Running, Different)]
    fn table(
        #[case] created: u64,
        #[case] sequence: Option<u64>,
        #[case] end: End,
        #[case] process: Process,
        #[case] incarnation: Comparison,
    ) {
        let owner = owner(Some(START), Some(7));
        let seen = observed(&owner, Ok(&handle(created, sequence, end)));
        assert_eq!(seen.process, process);
        assert_eq!(owner.compare_incarnation(&seen), incarnation);
        assert!(!seen.found_by_handle);
        assert_eq!((seen.age, seen.time_offset), (None, None));
        assert!(process != Process::Unknown || !seen.gaps.is_empty(), "no reason given");
    }

    #[rstest]
    #[case::no_such_process(87, Process::Gone)]
    #[case::denied(5, Process::Unknown)]
    #[case::no_error(0, Process::Unknown)]
    #[case::no_memory(8, Process::Unknown)]
    #[case::no_resources(1450, Process::Unknown)]
    fn pids_that_do_not_open(#[case] code: u32, #[case] process: Process) {
        let seen = observed(&owner(Some(START), None), Err(code));
        assert_eq!((seen.process, seen.start, seen.unique), (process, None, None));
        assert_eq!(seen.gaps.is_empty(), process == Process::Gone);
    }

    /// W4: nothing is learned of the process next door, neither its life nor its start.
    #[rstest]
    #[case::one_after(PID + 1, Ok(PID))]
    #[case::two_after(PID + 2, Ok(PID))]
    #[case::three_after(PID + 3, Ok(PID))]
    #[case::never_seen(PID, Ok(PID + 4))]
    #[case::not_told(PID, Err(DENIED))]
    fn a_pid_that_opens_its_neighbour(
        #[case] recorded: u32,
        #[case] named: Answer<u32>,
        #[values(RUNS, ENDED, CODE_0)] end: End,
    ) {
        let neighbour = Handle { pid: named, ..handle(START, Some(7), end) };
        let owner = OwnerId { pid: recorded, ..owner(Some(START), Some(7)) };
        let seen = observed(&owner, Ok(&neighbour));
        assert_eq!((seen.process, seen.start, seen.unique), (Process::Unknown, None, None));
    }

    #[test]
    fn times_that_may_not_be_read() {
        let handle = Handle { created: Err(DENIED), ..handle(0, None, RUNS) };
        let seen = observed(&owner(Some(START), None), Ok(&handle));
        assert_eq!((seen.process, seen.start), (Process::Running, None));
    }

    #[rstest]
    #[case::first(0, 1, Some(StartTime::FileTime(1)))]
    #[case::carry(1, 0, Some(StartTime::FileTime(1 << 32)))]
    #[case::unix_epoch(
        0x019d_b1de,
        0xd53e_8000,
        Some(StartTime::FileTime(116_444_736_000_000_000))
    )]
    #[case::last(u32::MAX, u32::MAX, Some(StartTime::FileTime(u64::MAX)))]
    #[case::nothing(0, 0, None)]
    fn file_times(#[case] high: u32, #[case] low: u32, #[case] expected: Option<StartTime>) {
        assert_eq!(start_time(file_time(high, low)), expected);
    }

    fn any_end() -> impl Strategy<Value = End> {
        let answer = prop_oneof![any::<u32>().prop_map(Err), any::<u32>().prop_map(Ok)];
        prop_oneof![
            prop_oneof![Just(0u32), Just(258), any::<u32>()].prop_map(End::Waited),
            prop_oneof![Just(Ok(259)), answer].prop_map(End::ExitCode),
        ]
    }

    proptest! {
        /// The owner that runs and the owner that may run are never reported dead.
        #[test]
        fn only_positive_proof_says_gone_or_exited(
            start in proptest::option::of(1u64..4),
            unique in proptest::option::of(0u64..3),
            pid in prop_oneof![Just(Ok(PID)), any::<u32>().prop_map(Ok), any::<u32>().prop_map(Err)],
            created in prop_oneof![(0u64..4).prop_map(Ok), any::<u32>().prop_map(Err)],
            sequence in proptest::option::of(0u64..3),
            end in any_end(),
        ) {
            let owner = owner(start, unique);
            let handle = Handle { pid, created, sequence, end };
            let seen = observed(&owner, Ok(&handle));
            prop_assert!(!matches!(seen.process, Process::Gone | Process::Thread));
            if seen.process == Process::Exited {
                let is_proof = match end {
                    End::Waited(code) => code == 0,
                    End::ExitCode(code) => code.is_ok_and(|code| code != 259),
                };
                prop_assert!(is_proof && pid == Ok(PID));
            }
            if owner.compare_incarnation(&seen) == Comparison::Different {
                let starts_differ = created.is_ok_and(|created| start != Some(created));
                let numbers_differ = sequence.is_some() && sequence != unique;
                prop_assert!(pid == Ok(PID) && (starts_differ || numbers_differ));
            }
        }
    }
}
