//! The kept corpus: one directory per target, one file per input.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::tools::root;

/// The inputs of a target, by name. A target without any would explore blindly: an error.
pub(super) fn load(target: &str) -> Result<Vec<Vec<u8>>> {
    let directory = directory(target)?;
    let entries = std::fs::read_dir(&directory);
    let entries = entries.with_context(|| format!("no corpus {}", directory.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    let inputs = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    anyhow::ensure!(!inputs.is_empty(), "{} is empty", directory.display());
    Ok(inputs)
}

/// Keeps an input, under a name that starts with `kind`. Answers where.
pub(super) fn keep(target: &str, kind: &str, input: &[u8]) -> Result<PathBuf> {
    let path = directory(target)?.join(format!("{kind}-{:016x}", super::engine::shape(&input)));
    std::fs::write(&path, input)?;
    Ok(path.strip_prefix(root()?).unwrap_or(Path::new("")).to_owned())
}

fn directory(target: &str) -> Result<PathBuf> {
    Ok(root()?.join("xtask/fuzz/corpus").join(target))
}
