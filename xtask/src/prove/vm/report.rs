//! The table: every cell, and where one is not what was expected.

use std::fmt::Write as _;

use serde::Serialize;

use super::answers::{Answers, NO_ANSWER, QUESTIONS, expected, fits};
use super::scenario::Row;
use super::told::{Domain, Told};

#[derive(Debug, Serialize)]
pub(super) struct Cell {
    question: &'static str,
    expected: &'static str,
    /// `null`: not run.
    answer: Option<String>,
}

/// One file system and one domain.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    filesystem: &'static str,
    about: &'static str,
    domain: &'static str,
    /// Why it was not run.
    not_run: Option<String>,
    cells: Vec<Cell>,
    takeover_ms: Option<u64>,
    reboot_ms: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    lines: Vec<Line>,
    /// What went wrong in a guest, beside its answers.
    failures: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, row: &Row, told: &Told) {
        for domain in Domain::ALL {
            let answers: Answers = told.answers(row, domain);
            let cells = cells(row, answers.map(Some));
            let (takeover_ms, reboot_ms) =
                (told.takeover_ms(row, domain), told.reboot_ms(row, domain));
            self.lines.push(Line {
                not_run: None,
                cells,
                takeover_ms,
                reboot_ms,
                ..Line::of(row, domain)
            });
        }
    }

    pub(super) fn not_run(&mut self, row: &Row, why: &str) {
        for domain in Domain::ALL {
            let cells = cells(row, [const { None }; QUESTIONS.len()]);
            self.lines.push(Line { not_run: Some(why.to_owned()), cells, ..Line::of(row, domain) });
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    /// What is not as expected, and what went wrong.
    pub(super) fn deviations(&self) -> Vec<String> {
        let mut all = self.failures.clone();
        for line in &self.lines {
            let silent = |cell: &Cell| cell.answer.as_ref().is_some_and(|a| a.contains(NO_ANSWER));
            if line.cells.iter().all(silent) {
                all.push(format!("{} ({}): no answers", line.filesystem, line.domain));
                continue;
            }
            for cell in &line.cells {
                if let Some(answer) = &cell.answer
                    && !fits(answer, cell.expected)
                {
                    all.push(format!(
                        "{} ({}), {}: {answer}; expected: {}",
                        line.filesystem, line.domain, cell.question, cell.expected
                    ));
                }
            }
        }
        all
    }

    /// The rows that were not run, and why.
    pub(super) fn gaps(&self) -> Vec<String> {
        let mut gaps: Vec<_> = self
            .lines
            .iter()
            .filter_map(|line| Some(format!("{}: {}", line.filesystem, line.not_run.as_ref()?)))
            .collect();
        gaps.dedup();
        gaps
    }

    /// How many cells have an answer.
    pub(super) fn answered(&self) -> usize {
        self.lines.iter().flat_map(|line| &line.cells).filter(|cell| cell.answer.is_some()).count()
    }

    /// The slowest takeover after a crash, and after a reboot, in milliseconds.
    pub(super) fn slowest(&self) -> [Option<u64>; 2] {
        [
            self.lines.iter().filter_map(|line| line.takeover_ms).max(),
            self.lines.iter().filter_map(|line| line.reboot_ms).max(),
        ]
    }

    /// As Markdown, aligned so that it is read as it is. Both domains share a row where they
    /// answered alike.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![Vec::from(["file system", "views"].map(str::to_owned))];
        rows[0].extend(QUESTIONS.map(str::to_owned));
        for pair in self.lines.chunk_by(|a, b| a.filesystem == b.filesystem) {
            let same = pair.iter().all(|line| line.words() == pair[0].words());
            for line in if same { &pair[..1] } else { pair } {
                let domain = if same { String::new() } else { format!(" ({})", line.domain) };
                let mut cells = vec![format!("{}{domain}", line.filesystem), line.about.to_owned()];
                cells.extend(line.words());
                rows.push(cells);
            }
        }
        let widths: Vec<usize> = (0..rows[0].len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for (number, row) in rows.iter().enumerate() {
            let cells: Vec<_> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
            if number == 0 {
                let rule: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                let _ = writeln!(out, "|{}|", rule.join("|"));
            }
        }
        out
    }
}

impl Line {
    fn of(row: &Row, domain: Domain) -> Self {
        Self {
            filesystem: row.name,
            about: row.about,
            domain: domain.name(),
            not_run: None,
            cells: Vec::new(),
            takeover_ms: None,
            reboot_ms: None,
        }
    }

    fn words(&self) -> Vec<String> {
        let word = |cell: &Cell| match &cell.answer {
            None => "not run".to_owned(),
            Some(answer) if fits(answer, cell.expected) => answer.clone(),
            Some(answer) => format!("**{answer}**"),
        };
        self.cells.iter().map(word).collect()
    }
}

fn cells(row: &Row, answers: [Option<String>; QUESTIONS.len()]) -> Vec<Cell> {
    QUESTIONS
        .into_iter()
        .zip(expected(row.expected))
        .zip(answers)
        .map(|((question, expected), answer)| Cell { question, expected, answer })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::vm::scenario::SCENARIOS;

    /// What a guest tells if everything is as it should be on the first row.
    const TOLD: &str = "\
mark told
try held-view ext4 session 75 110 lockctl: session file locked
try held-other ext4 session 75 110
inspect living view session [{\"path\": \"/m/ext4/locks/ext4-living.jsonl.lock\", \
\"verdict\": \"alive\", \"reasons\": [], \"decision\": \"wait\", \"evidence\": \
[{\"source\": \"kernel-lock\", \"finding\": \"held\"}]}]
count ext4 session 6 of 6
waiter ext4 session 120
left ext4 session
done
";

    fn deviations(told: &str) -> Vec<String> {
        let mut all = Told::default();
        all.add(told);
        let mut report = Report::default();
        report.add(&SCENARIOS[0].rows[0], &all);
        all.failures.into_iter().for_each(|failure| report.fail(failure));
        report.deviations()
    }

    #[test]
    fn what_was_not_answered_deviates() {
        let all = deviations(TOLD);
        assert!(!all.iter().any(|d| d.contains("a second process")), "{all:?}");
        assert!(
            all.iter()
                .any(|d| d
                    .starts_with("ext4 (session), a living owner: alive (lock held) / no answer")),
            "{all:?}"
        );
        assert!(all.contains(&"ext4 (deps): no answers".to_owned()), "{all:?}");
        assert_eq!(deviations("done\n").len(), 2);
    }

    #[test]
    fn a_theft_a_lost_update_and_a_failure_deviate() {
        for (right, wrong, seen) in [
            ("held-view ext4 session 75", "held-view ext4 session 0", "NOT KEPT OUT"),
            ("6 of 6", "5 of 6", "5 of 6"),
            ("session 120", "session 20000", "after 20000 ms"),
            ("mark told", "failed to mount", "failed to mount"),
            ("left ext4 session", "left ext4 session /m/x", "/m/x"),
        ] {
            assert!(!deviations(TOLD).iter().any(|d| d.contains(seen)));
            let told = TOLD.replace(right, wrong);
            assert!(deviations(&told).iter().any(|d| d.contains(seen)), "{seen}");
        }
    }

    #[test]
    fn what_was_not_run_is_no_pass() {
        let mut report = Report::default();
        report.not_run(&SCENARIOS[0].rows[0], "no QEMU");
        assert_eq!((report.answered(), report.gaps()), (0, vec!["ext4: no QEMU".to_owned()]));
        assert!(report.table().contains("| not run "), "{}", report.table());
    }
}
