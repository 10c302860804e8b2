//! One boot of the guest, under software emulation, up to the moment the power is cut.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::image::Image;
use super::scenario::Scenario;
use crate::tools::quietly;

/// How long a guest may say nothing. Its longest sleep is 31 s.
const SILENCE: Duration = Duration::from_secs(150);

/// A virtual machine: what stays over a power cut.
pub(super) struct Machine<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) image: &'a Image,
    pub(super) directory: &'a Path,
    pub(super) disks: &'a [(&'static str, PathBuf)],
    /// How often each of two processes takes a lock.
    pub(super) turns: u32,
}

/// Ends the guest, whatever happens here.
struct Power(Child);

impl Drop for Power {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to be done.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Machine<'_> {
    /// Boots, lets the phase's script run to its end, and cuts the power: what the guest has not
    /// handed to its disks by then is lost. Answers what it told.
    ///
    /// `meanwhile` is called just before, and answers what else is to be told.
    pub(super) fn run(
        &self,
        phase: &str,
        meanwhile: impl FnOnce() -> Result<String>,
    ) -> Result<String> {
        let console = self.directory.join(format!("{phase}.console"));
        let told = self.directory.join(format!("{phase}.told"));
        fs::write(&told, "")?;
        let mut command = self.command(phase, &console, &told);
        let started = Instant::now();
        let mut power = Power(command.stdin(Stdio::null()).spawn().context("cannot start QEMU")?);
        let (mut seen, mut news) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let ended = power.0.try_wait()?;
            let text = String::from_utf8_lossy(&fs::read(&told)?).into_owned();
            for line in text.lines().skip(seen) {
                if let Some(what) = line.strip_prefix("mark ") {
                    eprintln!("  {:>4} s: {what}", started.elapsed().as_secs());
                }
            }
            let lines = text.matches('\n').count();
            if lines > seen {
                (seen, news) = (lines, Instant::now());
            }
            let why = if text.lines().any(|line| line == "done") {
                let more = meanwhile()?;
                eprintln!("  {:>4} s: the power is cut", started.elapsed().as_secs());
                return Ok(text + &more);
            } else if let Some(status) = ended {
                format!("the guest ended by itself ({status})")
            } else if news.elapsed() > SILENCE {
                format!("the guest said nothing for {} s", SILENCE.as_secs())
            } else {
                continue;
            };
            bail!("{why}; its last words:\n{}\n{}", tail(&console), tail(&told));
        }
    }

    fn command(&self, phase: &str, console: &Path, told: &Path) -> Command {
        let file = |path: &Path| path.display().to_string().replace(',', ",,");
        let mut command = Command::new("nice");
        command.args(["qemu-system-x86_64", "-accel", "tcg", "-nodefaults", "-nographic"]);
        command.arg("-no-reboot").arg("-m").arg(self.scenario.memory_mb.to_string());
        command.arg("-kernel").arg(&self.image.kernel);
        command.arg("-initrd").arg(&self.image.initramfs);
        command
            .arg("-append")
            .arg(format!("console=ttyS0 quiet panic=-1 phase={phase} turns={}", self.turns));
        command.arg("-serial").arg(format!("file:{}", file(console)));
        command.arg("-serial").arg(format!("file:{}", file(told)));
        for (kind, image) in self.disks {
            let drive =
                format!("id={kind},file={},if=none,format=raw,cache=writeback", file(image));
            command.arg("-drive").arg(drive);
            command.arg("-device").arg(format!("virtio-blk-pci,drive={kind},serial={kind}"));
        }
        for tag in self.scenario.tags {
            let share = file(&self.directory.join("share"));
            let options = "security_model=none,multidevs=remap";
            command.arg("-virtfs").arg(format!("local,path={share},mount_tag={tag},{options}"));
        }
        command
    }
}

fn tail(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Makes a sparse disk with a file system on it.
pub(super) fn make_disk(mkfs: &str, file: &Path) -> Result<()> {
    fs::File::create(file)?.set_len(512 << 20)?;
    quietly(Command::new(mkfs).arg(file))
}
