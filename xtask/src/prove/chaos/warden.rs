//! The first process of a pid namespace: starts the others, and keeps killing and stopping them.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::journal::{complain, tell};
use crate::prove::actors::{Given, Orders, is_told_to_end};

/// How long everybody may take to come to an end once nobody is stopped any more.
const DRAIN: Duration = Duration::from_secs(20);

/// One of its processes. Its pid is not given away before it is reaped here.
struct Ward {
    who: String,
    child: Child,
    /// Until when it is stopped.
    stopped: Option<Instant>,
}

impl Ward {
    fn send(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

struct Warden {
    namespace: u32,
    orders: Orders,
    dice: Rng,
    started: u32,
    wards: Vec<Ward>,
}

/// Until standard input is closed.
pub(super) fn keep(given: &Given) -> Result<()> {
    ensure!(std::process::id() == 1, "a warden is the first of its namespace");
    let mut orders = Orders::new("chaos-hammer").with("seq", 0);
    for word in ["dir", "ahead", "mutant"] {
        orders = orders.with(word, given.get::<String>(word)?);
    }
    let mut warden = Warden {
        namespace: given.get("namespace")?,
        orders,
        dice: Rng::with_seed(given.get("seed")?),
        started: 0,
        wards: Vec::new(),
    };
    let processes = given.get("processes")?;
    while !is_told_to_end()? {
        while warden.wards.len() < processes {
            warden.start()?;
        }
        warden.gust()?;
        warden.reap()?;
        std::thread::sleep(Duration::from_micros(warden.dice.u64(500..6_000)));
    }
    warden.drain()
}

impl Warden {
    fn start(&mut self) -> Result<()> {
        self.started += 1;
        let who = format!("{}.{}", self.namespace, self.started);
        let orders = self.orders.clone().with("who", &who).with("seed", self.dice.u64(..));
        let child = orders.command()?.stdin(Stdio::piped()).spawn()?;
        self.wards.push(Ward { who, child, stopped: None });
        Ok(())
    }

    /// Something happens to somebody.
    fn gust(&mut self) -> Result<()> {
        let now = Instant::now();
        for ward in &mut self.wards {
            if ward.stopped.is_some_and(|until| now >= until) {
                ward.stopped = None;
                ward.send(Signal::CONT)?;
            }
        }
        let index = self.dice.usize(..self.wards.len());
        let ward = &mut self.wards[index];
        match self.dice.u32(..100) {
            0..12 => {
                tell(format_args!("k {}", ward.who));
                ward.send(Signal::KILL)?;
            }
            12..40 => {
                // Mostly in the middle of something, sometimes past every short promise.
                let millis = if self.dice.u32(..10) == 0 { 100..400 } else { 0..15 };
                tell(format_args!("s {}", ward.who));
                ward.send(Signal::STOP)?;
                ward.stopped = Some(now + Duration::from_millis(self.dice.u64(millis)));
            }
            _ => {}
        }
        Ok(())
    }

    /// Its own processes, and orphans of theirs.
    fn reap(&mut self) -> Result<()> {
        loop {
            match waitpid(None, WaitOptions::NOHANG) {
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Ok(Some((pid, status))) => {
                    let of_mine = |ward: &Ward| Pid::from_child(&ward.child) == pid;
                    let Some(index) = self.wards.iter().position(of_mine) else { continue };
                    let ward = self.wards.swap_remove(index);
                    let killed = status.terminating_signal() == Some(Signal::KILL.as_raw());
                    if !killed && status.exit_status() != Some(0) {
                        complain(&ward.who, &format!("ended: {status:?}"));
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Everybody comes to an end by itself.
    fn drain(mut self) -> Result<()> {
        for ward in &mut self.wards {
            ward.send(Signal::CONT)?;
            ward.child.stdin = None;
        }
        let limit = Instant::now() + DRAIN;
        loop {
            self.reap()?;
            if self.wards.is_empty() || Instant::now() > limit {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        for ward in &self.wards {
            complain(&ward.who, &format!("hangs: not at its end after {DRAIN:?}"));
        }
        Ok(std::io::stdout().flush()?)
    }
}
