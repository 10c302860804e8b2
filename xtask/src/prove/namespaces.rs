//! Pid namespaces with a program in them, by `unshare(1)`.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// What puts a program into a pid namespace of its own, as its first process.
pub(crate) const OWN_PIDS: &[&str] =
    &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/// The first process of the namespace that `unshare` made.
fn first_of(unshare: &Child) -> Result<Pid> {
    let unshare = unshare.id();
    let children = format!("/proc/{unshare}/task/{unshare}/children");
    loop {
        let children = std::fs::read_to_string(&children).context("unshare(1) is gone")?;
        if let Some(first) = children.trim().parse().ok().and_then(Pid::from_raw) {
            return Ok(first);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills a namespace by its first process, whom the kernel lets everybody else in it follow, and
/// waits until nobody is left. `before` is called when that is about to happen.
pub(crate) fn kill(unshare: &mut Child, before: impl FnOnce() -> Result<()>) -> Result<()> {
    let first = first_of(unshare)?;
    before()?;
    kill_process(first, Signal::KILL)?;
    unshare.wait()?;
    Ok(())
}
