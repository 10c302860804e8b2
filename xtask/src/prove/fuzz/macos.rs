//! What macOS answers about a process, and the id of the boot session.

use identity_macos::parse::{
    Answer, Answers, BSD_INFO_LEN, KINFO_LEN, UNIQUE_INFO_LEN, boot_session, bsd_info, kinfo,
    observed, unique_id,
};
use lock_core::identity::Process;

use super::engine::{Target, shape};

const ESRCH: i32 = 3;
/// The kept answers are about this process.
const PID: u32 = 42;

/// Three answers in a row. Each is an `e` and an errno, or an `a` and (two digits of) the number
/// of the bytes that are to be left out at its end, and then its bytes.
pub(super) const OBSERVED: Target = Target {
    name: "macos",
    json: false,
    words: &["a00", "a01", "e03", "e01", "e12", "\0\0\0\0", "*\0\0\0", "\u{5}", "\u{1}"],
    available: true,
    check: |bytes| {
        let mut rest = bytes;
        let unique = answer(&mut rest, UNIQUE_INFO_LEN);
        let kinfo_answer = answer(&mut rest, KINFO_LEN);
        let bsd_answer = (!rest.is_empty()).then(|| answer(&mut rest, BSD_INFO_LEN));
        let answers = Answers { unique, kinfo: kinfo_answer, bsd_info: bsd_answer };
        let seen = observed(PID, &answers);
        let named = |answer: Answer<'_>, at: usize| {
            answer.is_ok_and(|bytes| bytes.get(at..at + 4) == Some(&PID.to_ne_bytes()))
        };
        let by = named(kinfo_answer, 40) || bsd_answer.is_some_and(|answer| named(answer, 12));
        match seen.process {
            Process::Gone if unique != Err(ESRCH) || kinfo_answer != Ok(&[]) => {
                Err("gone, but one of the tables did not say so".to_owned())
            }
            Process::Running | Process::Exited if !by => {
                Err(format!("{seen:?}, which no answer about {PID} says"))
            }
            Process::Thread => Err("there are no thread ids among pids".to_owned()),
            Process::Unknown if seen.gaps.is_empty() => Err("unknown, without a reason".to_owned()),
            _ => {
                // Each alone, whatever is in it.
                let each = (kinfo(bytes, PID), bsd_info(bytes, PID), unique_id(bytes));
                if !lengths().contains(&bytes.len()) && each != (None, None, None) {
                    return Err(format!("a structure of {} bytes: {each:?}", bytes.len()));
                }
                let known = (seen.unique.is_some(), seen.start.is_some(), seen.gaps.len());
                Ok(shape(&(seen.process, known)))
            }
        }
    },
};

fn lengths() -> [usize; 3] {
    [KINFO_LEN, BSD_INFO_LEN, UNIQUE_INFO_LEN]
}

/// Takes one answer off the front.
fn answer<'a>(rest: &mut &'a [u8], len: usize) -> Answer<'a> {
    let Some((head, body)) = rest.split_first_chunk::<3>() else { return Ok(&[]) };
    let number = std::str::from_utf8(&head[1..]).ok().and_then(|digits| digits.parse().ok());
    let number: usize = number.unwrap_or(0);
    if head[0] == b'e' {
        *rest = body;
        return Err(i32::try_from(number).unwrap_or(1));
    }
    let len = len.saturating_sub(if number == 99 { len } else { number }).min(body.len());
    let (bytes, after) = body.split_at(len);
    *rest = after;
    Ok(bytes)
}

pub(super) const BOOT_SESSION: Target = Target {
    name: "boot-session",
    json: false,
    words: &["-", "\0", "\n", "00000000-0000-0000-0000-000000000000"],
    available: true,
    check: |bytes| match boot_session(bytes) {
        None => Ok(shape(&bytes.len().min(40))),
        Some(id) if id.len() == 36 && bytes.len() == 37 && id == id.to_ascii_lowercase() => {
            Ok(shape(&"an id"))
        }
        Some(id) => Err(format!("{id:?} is no boot session")),
    },
};
