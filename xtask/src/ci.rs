//! What must pass before a change lands.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::tools::{cargo, root, run};
use crate::{matrix, prove};

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    matrix: matrix::Options,
    /// Run the proofs as well, in their short setting.
    #[arg(long)]
    proofs: bool,
}

pub(crate) fn check(mut options: Options) -> Result<()> {
    files_open_with_docs()?;
    run(&mut cargo(&["fmt", "--all", "--check"])?)?;
    if options.matrix.only.is_empty() {
        options.matrix.only = matrix::everyday()?;
    }
    matrix::run(&options.matrix)?;
    if options.proofs { prove::everyday() } else { Ok(()) }
}

pub(crate) fn bench() -> Result<()> {
    let short = ["--warm-up-time", "1", "--measurement-time", "5"];
    let bench = ["bench", "-p", "xtask", "--bench", "uncontended", "--"];
    run(&mut cargo(&[&bench[..], &short[..]].concat())?)
}

/// Every source file says in its first line what lives there.
fn files_open_with_docs() -> Result<()> {
    let mut silent = Vec::new();
    let mut pending = vec![root()?.join("crates"), root()?.join("xtask")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !std::fs::read_to_string(&path)?.starts_with("//! ")
            {
                silent.push(path.display().to_string());
            }
        }
    }
    if !silent.is_empty() {
        bail!("these files do not say what lives in them:\n{}", silent.join("\n"));
    }
    Ok(())
}
