//! The tool itself: real `lockctl` processes over directories of such files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lock_core::record::LockRecord;
use runtime_deps_lock::DEFAULT_LOCK_NAME;
use serde_json::Value;

use super::engine::shape;
use super::look::harmless;
use super::report::Row;
use super::{corpus, mutate, record, worlds};
use crate::tools::{cargo, run as run_cargo};

pub(super) const NAME: &str = "lockctl";

/// How many files one process is given.
const BATCH: usize = 100;
/// Longer than any process may take over a batch, on a machine that has other work.
const HANG: Duration = Duration::from_secs(60);

pub(super) fn run(seed: u64, budget: Duration) -> Result<Row> {
    let mut row = Row { target: NAME, ..Row::default() };
    if !cfg!(target_os = "linux") {
        row.not_run = Some("lock files do not work on this system yet".to_owned());
        return Ok(row);
    }
    let tool = built()?;
    let mut pool = corpus::load(NAME)?;
    row.corpus = pool.len();
    pool.extend(corpus::load(record::TARGET.name)?);
    let mut rng = Rng::with_seed(seed ^ shape(&NAME));
    let started = Instant::now();
    let mut batch = pool.clone();
    let mut states = std::collections::BTreeSet::new();
    loop {
        let began = Instant::now();
        row.executions += batch.len() as u64;
        match check(&tool, &batch) {
            Ok(seen) => states.extend(seen),
            Err(error) => {
                let (input, error) = narrowed(&tool, batch, error);
                let place = corpus::keep(NAME, "found", &input)?;
                row.failed = Some(format!("{error:#} ({})", place.display()));
                break;
            }
        }
        row.slowest_ms = row.slowest_ms.max(began.elapsed().as_secs_f64() * 1000.0);
        if started.elapsed() >= budget {
            break;
        }
        batch = (0..BATCH).map(|_| mutate::mutate(&pool, &record::TARGET, &mut rng)).collect();
    }
    row.outcomes = states.len();
    row.seconds = started.elapsed().as_secs_f64();
    Ok(row)
}

/// The tool, built just now.
fn built() -> Result<PathBuf> {
    run_cargo(&mut cargo(&["build", "--quiet", "-p", "lockctl"])?)?;
    let own = std::env::current_exe()?;
    let tool = own.with_file_name("lockctl").with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(tool.is_file(), "no {}", tool.display());
    Ok(tool)
}

/// The one input of a batch that makes it fail, if one alone does.
fn narrowed(tool: &Path, batch: Vec<Vec<u8>>, error: anyhow::Error) -> (Vec<u8>, anyhow::Error) {
    let mut last = (batch, error);
    while last.0.len() > 1 {
        let (left, right) = last.0.split_at(last.0.len() / 2);
        let failing = [left, right]
            .into_iter()
            .find_map(|half| check(tool, half).err().map(|error| (half.to_vec(), error)));
        match failing {
            Some(half) => last = half,
            None => break,
        }
    }
    (last.0.concat(), last.1)
}

/// Half of the inputs, as if they were written by this very process.
fn of_today(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| shape(&bytes).is_multiple_of(2));
    let Some(text) = text else { return bytes.to_vec() };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let text = text.replace(worlds::PID, &std::process::id().to_string());
    text.replace(worlds::BOOT, boot.trim()).into_bytes()
}

/// Every subcommand that looks, over a directory of these files. Answers the states it told.
fn check(tool: &Path, batch: &[Vec<u8>]) -> Result<Vec<String>> {
    let batch: Vec<_> = batch.iter().map(|bytes| of_today(bytes)).collect();
    let arena = tempfile::tempdir()?;
    let sessions = arena.path().join("sessions");
    std::fs::create_dir(&sessions)?;
    let (mut files, mut roots) = (Vec::new(), Vec::new());
    for (number, bytes) in batch.iter().enumerate() {
        let session = sessions.join(format!("{number:04}.jsonl"));
        std::fs::write(session.with_extension("jsonl.lock"), bytes)?;
        files.push(session);
        let root = arena.path().join(format!("root-{number:04}"));
        let lock = root.join(DEFAULT_LOCK_NAME);
        std::fs::create_dir_all(&lock)?;
        std::fs::write(lock.join("owner.json"), bytes)?;
        roots.push(root);
    }
    let mut states = Vec::new();
    for (domain, paths) in [("session", &files), ("deps", &roots)] {
        let output = lockctl(tool, &[domain, "inspect", "--json"], paths)?;
        let reports: Vec<Value> = serde_json::from_slice(&output.stdout).context("no JSON")?;
        ensure!(reports.len() == batch.len(), "{} reports", reports.len());
        for (report, bytes) in reports.iter().zip(&batch) {
            let broken = || format!("{domain} inspect: {report}");
            states.push(state(report, Some(bytes)).with_context(broken)?);
        }
        let output = lockctl(tool, &[domain, "inspect"], paths)?;
        harmless(std::str::from_utf8(&output.stdout)?).map_err(anyhow::Error::msg)?;
    }
    let directory = std::slice::from_ref(&sessions);
    for (domain, paths) in [("session", directory), ("deps", &roots[..])] {
        for fix in [false, true] {
            let mut words = vec![domain, "doctor", "--json"];
            words.extend(fix.then_some("--fix"));
            let output = lockctl(tool, &words, paths)?;
            doctored(&output, fix, batch.len()).with_context(|| format!("{domain} doctor"))?;
        }
    }
    Ok(states)
}

fn doctored(output: &Output, fix: bool, locks: usize) -> Result<()> {
    let document: Value = serde_json::from_slice(&output.stdout).context("no JSON")?;
    let all = document["locks"].as_array().context("no locks")?;
    ensure!(document["schema"] == 1 && all.len() == locks, "{} locks", all.len());
    let mut removed = 0;
    for lock in all {
        let state = state(lock, None).with_context(|| lock.to_string())?;
        let is_gone = !Path::new(lock["path"].as_str().context("no path")?).exists();
        let is_removed = lock["removed"].as_bool().context("no removed")?;
        ensure!(is_gone == is_removed, "gone: {is_gone}; {lock}");
        ensure!(is_removed == (fix && state == "stale"), "removed: {is_removed}; {lock}");
        removed += u64::from(is_removed);
    }
    ensure!(document["removed"] == removed, "{removed} were removed");
    let stale = all.iter().any(|lock| lock["state"] == "stale");
    let expected = if stale && !fix { 3 } else { 0 };
    ensure!(output.status.code() == Some(expected), "{} for {expected}", output.status);
    Ok(())
}

/// Checks one report against the schema, and against the record that it is about.
fn state(report: &Value, bytes: Option<&[u8]>) -> Result<String> {
    const SOURCES: &[&str] = &[
        "kernel-lock",
        "pid",
        "start-time",
        "process-id",
        "boot-id",
        "pid-namespace",
        "age",
        "file-times",
        "record",
        "registry",
    ];
    let word = |key: &str, allowed: &[&str]| -> Result<String> {
        let word = report[key].as_str().unwrap_or("null");
        ensure!(allowed.contains(&word), "{key} is {word}");
        Ok(word.to_owned())
    };
    ensure!(report["schema"] == 1 && report["path"].is_string(), "no schema or no path");
    let state = word("state", &["held", "stale", "aged", "unverifiable"])?;
    let verdict = word("verdict", &["alive", "dead", "unverifiable"])?;
    let decision = word("decision", &["wait", "reclaim", "report"])?;
    ensure!((state == "stale") == (decision == "reclaim"), "{state}, but {decision}");
    ensure!(verdict != "alive" || state != "unverifiable", "{verdict}, but {state}");
    let reasons = report["reasons"].as_array().context("no reasons")?;
    ensure!(decision == "wait" || !reasons.is_empty(), "{decision} without a reason");
    for evidence in report["evidence"].as_array().context("no evidence")? {
        let source = evidence["source"].as_str().unwrap_or_default();
        ensure!(SOURCES.contains(&source), "source {source:?}");
        ensure!(evidence["finding"].is_string() && evidence["detail"].is_string(), "no detail");
    }
    if let Some(bytes) = bytes {
        let record = LockRecord::parse(bytes);
        let owner = record.as_ref().and_then(|record| record.owner.as_ref());
        ensure!(report["owner"]["pid"].as_u64() == owner.map(|o| o.pid.into()), "another owner");
        let label = record.as_ref().and_then(|record| record.label.as_deref());
        let label = label.filter(|_| owner.is_some());
        ensure!(report["owner"]["label"].as_str() == label, "another label");
    }
    Ok(state)
}

/// Runs the tool to its end, within bounds, and checks what holds of every run.
fn lockctl(tool: &Path, words: &[&str], paths: &[PathBuf]) -> Result<Output> {
    let mut command = Command::new(tool);
    command.args(words).args(paths).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pid = child.id();
    let (told, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(child.wait_with_output()));
    let output = done.recv_timeout(HANG);
    let output = output.with_context(|| format!("lockctl {words:?} hangs as process {pid}"))??;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    ensure!(matches!(code, Some(0 | 1 | 3)), "lockctl {words:?}: {}: {stderr}", output.status);
    ensure!(!stderr.contains("panicked"), "lockctl {words:?}: {stderr}");
    ensure!(code != Some(1), "lockctl {words:?} could not look: {stderr}");
    harmless(&stderr).map_err(anyhow::Error::msg)?;
    harmless(std::str::from_utf8(&output.stdout)?).map_err(anyhow::Error::msg)?;
    Ok(output)
}
