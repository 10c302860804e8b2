//! Which tests failed, and what they said: read from a test runner's output, to be told once more
//! at the end, where people (and forges that keep only the end) look first.

use serde::Serialize;

/// A test that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) test: String,
    /// The beginning of what it said.
    pub(crate) said: String,
}

/// More of one test's words than this is kept nowhere but in the output itself.
const MOST: usize = 2000;

/// Reads the output of test runners, line by line: those of Rust's own, and those that speak like
/// it.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    found: Vec<Failure>,
    /// The last found is still speaking.
    is_speaking: bool,
}

impl Reader {
    pub(crate) fn add_line(&mut self, line: &str) {
        if let Some(test) = begun(line) {
            self.found.push(Failure { test: test.to_owned(), said: String::new() });
            self.is_speaking = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.is_speaking = false;
        } else if self.is_speaking
            && let Some(failure) = self.found.last_mut()
            && failure.said.len() < MOST
        {
            failure.said.extend(line.chars().take(MOST));
            failure.said.push('\n');
        }
    }

    /// What failed, in the order in which it was told.
    pub(crate) fn found(mut self) -> Vec<Failure> {
        for failure in &mut self.found {
            failure.said.truncate(failure.said.trim_end().len());
        }
        self.found
    }
}

/// The test whose words begin with this line: `---- NAME stdout ----`, or `---- NAME ----`.
fn begun(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    Some(name.strip_suffix(" stdout").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Vec<Failure> {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.add_line(line));
        reader.found()
    }

    #[test]
    fn what_failed_is_found_with_its_words() {
        let output = "test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n\n\
            thread 'b' panicked at src/lib.rs:1:1:\nno\n\n---- c::d ----\ntest panicked: why\n\n\
            failures:\n    b\n    c::d\n\ntest result: FAILED. 1 passed; 2 failed\nmore\n";
        let failure = |test: &str, said: &str| Failure { test: test.into(), said: said.into() };
        let b = failure("b", "\nthread 'b' panicked at src/lib.rs:1:1:\nno");
        assert_eq!(read(output), [b, failure("c::d", "test panicked: why")]);
        assert_eq!(read("test a ... ok\n\ntest result: ok. 1 passed; 0 failed\n"), []);
    }

    #[test]
    fn a_test_that_says_too_much_is_cut_short() {
        let long = format!("---- loud stdout ----\n{}\nfailures:\n", "word\n".repeat(10_000));
        let [loud] = &read(&long)[..] else { panic!("one test failed") };
        assert!((MOST - 1..2 * MOST).contains(&loud.said.len()), "{}", loud.said.len());
    }
}
