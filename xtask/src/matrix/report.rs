//! What came out: as a table for people, as JSON, and as a Markdown page.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::failures::Failure;

/// How one scenario of one leg ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Passed,
    Failed { why: String },
    NotRun { why: String },
}

/// What the test runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds a line of a test runner's output, if it is its sum.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some(sums) = line.trim_start().strip_prefix("test result: ") else { return };
        let sums = sums.split_once(". ").map_or("", |(_, sums)| sums);
        for sum in sums.split("; ") {
            let Some((number, what)) = sum.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) leg: &'static str,
    pub(crate) target: Option<&'static str>,
    pub(crate) scenario: &'static str,
    /// In words: "directly", "under Wine 8.0".
    pub(crate) how: Option<String>,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) tests: Option<Tally>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<Failure>,
    /// More tests said that they cannot run here than cannot run anywhere.
    pub(crate) lacking: bool,
    #[serde(serialize_with = "seconds")]
    pub(crate) took: Duration,
}

fn seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(took.as_secs())
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema: u32,
    pub(crate) host: String,
    pub(crate) rows: Vec<Row>,
}

const HEAD: [&str; 5] = ["leg", "scenario", "outcome", "tests", "seconds"];

impl Report {
    pub(crate) fn new(host: String) -> Self {
        Self { schema: 1, host, rows: Vec::new() }
    }

    /// The legs in which something failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        self.legs(|row| matches!(row.outcome, Outcome::Failed { .. }))
    }

    /// The legs in which something was not run, be it a single test.
    pub(crate) fn not_run(&self) -> Vec<&'static str> {
        self.legs(|row| matches!(row.outcome, Outcome::NotRun { .. }) || row.lacking)
    }

    fn legs(&self, which: impl Fn(&Row) -> bool) -> Vec<&'static str> {
        let mut legs: Vec<_> =
            self.rows.iter().filter(|row| which(row)).map(|row| row.leg).collect();
        legs.dedup();
        legs
    }

    pub(crate) fn table(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or(0)
        };
        // The outcome is last: it says why.
        let order = [0, 1, 3, 4, 2];
        let mut out = String::new();
        for cells in std::iter::once(&HEAD.map(str::to_owned)).chain(&rows) {
            let line: Vec<_> = order.map(|c| format!("{:<1$}", cells[c], width(c))).into();
            let _ = writeln!(out, "{}", line.join("  ").trim_end());
        }
        out
    }

    /// What failed, in its own words.
    pub(crate) fn failures(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            for Failure { test, said } in &row.failures {
                let _ = writeln!(out, "-- {}: {test}\n{}\n", row.leg, said.trim_start());
            }
        }
        out
    }

    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", row.cells().join(" | "));
        }
        out
    }
}

impl Row {
    fn cells(&self) -> [String; HEAD.len()] {
        let outcome = match &self.outcome {
            Outcome::Passed => match &self.how {
                Some(how) => format!("passed ({how})"),
                None => "passed".to_owned(),
            },
            Outcome::Failed { why } => format!("FAILED ({why})"),
            Outcome::NotRun { why } => format!("not run ({why})"),
        };
        let tests = self.tests.map_or(String::new(), |t| match (t.failed, t.ignored) {
            (0, 0) => format!("{}", t.passed),
            (0, ignored) => format!("{}, {ignored} ignored", t.passed),
            (failed, ignored) => format!("{}, {failed} failed, {ignored} ignored", t.passed),
        });
        let took = match self.outcome {
            Outcome::NotRun { .. } => String::new(),
            _ => self.took.as_secs().to_string(),
        };
        [self.leg.to_owned(), self.scenario.to_owned(), outcome, tests, took]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_test_runners_are_added() {
        let mut tally = Tally::default();
        for line in [
            "test result: ok. 82 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.06s",
            "test result: FAILED. 31 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out",
            "test verdict::failed ... ok",
            "test result: ok",
        ] {
            tally.add_line(line);
        }
        assert_eq!(tally, Tally { passed: 113, failed: 3, ignored: 1 });
    }

    #[test]
    fn what_was_not_run_is_no_pass() {
        let mut report = Report::new("host".into());
        let row = |leg, outcome| Row {
            leg,
            target: None,
            scenario: "tests",
            how: None,
            outcome,
            tests: None,
            failures: Vec::new(),
            lacking: false,
            took: Duration::ZERO,
        };
        report.rows.push(row("a", Outcome::Passed));
        report.rows.push(Row { lacking: true, ..row("d", Outcome::Passed) });
        report.rows.push(row("b", Outcome::NotRun { why: "no Mac".into() }));
        let failures = vec![Failure { test: "t".into(), said: "panicked".into() }];
        let failed = row("c", Outcome::Failed { why: "exit status: 101".into() });
        report.rows.push(Row { failures, ..failed });
        assert_eq!(report.failures(), "-- c: t\npanicked\n\n");
        assert_eq!((report.failed(), report.not_run()), (vec!["c"], vec!["d", "b"]));
        assert!(report.table().contains("not run (no Mac)"), "{}", report.table());
        assert!(report.markdown().contains("| b | tests | not run (no Mac) |"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rows"][2]["outcome"], "not-run");
    }
}
