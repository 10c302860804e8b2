//! One of the many: takes the locks again and again, and does everything wrong that it may.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use lock_core::Guard;
use lock_core::lockfile::SectionError;
use lock_core::lockfile::sys::Sys;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::clocks::{Jumping, Shared};
use super::journal::{complain, tell};
use super::products::{Domains, Failure, Product, Protocol, SLOW, SLOW_MUTANT, Terms, Which};
use super::section::{PATIENCE, Section};
use crate::prove::actors::{Given, Orders, is_told_to_end};
use crate::prove::altered::Altered;
use crate::prove::sys::{self, Fork};

/// Longer than any wait may be while nobody stops for ever.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What a process that is stopped itself may take longer than that.
const SLACK: Duration = Duration::from_secs(5);
const LONG_PROMISE: Duration = Duration::from_secs(60);
/// Wall clocks are wrong by this much.
const JUMPS: [i64; 5] = [0, 0, 86_400, -86_400, -315_360_000];

pub(super) fn run(given: &Given) -> Result<()> {
    let mut hammer = Hammer::new(given)?;
    let product = hammer.dice.u32(..100);
    if given.get("mutant")? {
        return hammer.hammer(&Protocol(SLOW_MUTANT));
    }
    match product {
        0..50 => hammer.hammer(&Domains),
        50..75 => hammer.hammer(&Protocol(SLOW)),
        75..88 => hammer.hammer(&Protocol(Altered::NAMED)),
        _ => hammer.hammer(&Protocol(Altered::LINKED)),
    }
}

struct Hammer {
    who: String,
    given: Given,
    dir: PathBuf,
    dice: Rng,
    shared: Shared,
    clock: Arc<Jumping>,
    seq: u64,
    /// Forked and not reaped yet.
    children: Vec<Pid>,
}

impl Hammer {
    fn new(given: &Given) -> Result<Self> {
        let seed = given.get("seed")?;
        // Whoever has no dice of his own uses the thread's.
        fastrand::seed(seed);
        Ok(Self {
            who: given.get("who")?,
            given: given.clone(),
            dir: given.path("dir")?,
            dice: Rng::with_seed(seed),
            shared: Shared { ahead: Duration::from_secs(given.get("ahead")?) },
            clock: Arc::default(),
            seq: given.get("seq")?,
            children: Vec::new(),
        })
    }

    /// Until the warden closes standard input.
    fn hammer<P: Product>(&mut self, product: &P) -> Result<()> {
        while !is_told_to_end()? {
            self.clock.jump(JUMPS[self.dice.usize(..JUMPS.len())]);
            self.children.retain(|child| is_left(*child, WaitOptions::NOHANG, &self.who));
            if self.dice.u32(..200) == 0 {
                self.sweep();
            }
            self.round(product)?;
        }
        self.children.retain(|child| is_left(*child, WaitOptions::empty(), &self.who));
        Ok(())
    }

    fn sweep(&self) {
        let session =
            session_lock::sweep(&self.dir, &session_lock::SessionOptions::default(), true);
        let deps = runtime_deps_lock::DepsLock::new(&self.dir, Default::default());
        let deps = deps.and_then(|lock| lock.sweep(true));
        let errors = [session.err().map(|e| e.to_string()), deps.err().map(|e| e.to_string())];
        for error in errors.into_iter().flatten() {
            complain(&self.who, &format!("sweep: {error}"));
        }
        tell(format_args!("d {}", self.who));
    }

    fn round<P: Product>(&mut self, product: &P) -> Result<()> {
        let which = Which::ALL[usize::from(self.dice.u32(..100) >= 70)];
        let hasty = self.dice.u32(..10) == 0;
        let timeout = if hasty { Duration::from_micros(self.dice.u64(..20_000)) } else { TIMEOUT };
        let max_hold = if self.dice.u32(..100) < 30 {
            Duration::from_millis(self.dice.u64(40..160))
        } else {
            LONG_PROMISE
        };
        self.seq += 1;
        let terms = Terms { timeout, max_hold, clock: Arc::clone(&self.clock) };
        let started = self.shared.now();
        let acquired = product.acquire(&self.dir, which, terms);
        let waited = self.shared.now() - started;
        if waited > timeout + SLACK {
            complain(&self.who, &format!("waited {waited:?} instead of {timeout:?}"));
        }
        match acquired {
            Ok(guard) => {
                let section = Section::begin(&self.who, self.shared, &guard, which, self.seq);
                section.tell_begin(&self.dir, waited);
                return self.hold(guard, section, max_hold);
            }
            Err(Failure::Timeout) => {
                tell(format_args!("T {} {} {}", self.who, which.name(), waited.as_nanos()));
                if !hasty {
                    complain(&self.who, &format!("not had in {waited:?}"));
                }
            }
            Err(Failure::Other(error)) => complain(&self.who, &error),
        }
        Ok(())
    }

    fn hold<S: Sys>(
        &mut self,
        guard: Guard<S>,
        mut section: Section,
        max_hold: Duration,
    ) -> Result<()> {
        let appender = section.which.appender(&self.dir);
        let mut write = 0;
        for _ in 0..self.dice.u32(..3) {
            section.append(&guard, &appender, &mut write);
        }
        if self.dice.u32(..100) < 8 {
            section.extend(&guard, Duration::from_millis(self.dice.u64(40..200)));
        }
        if self.dice.u32(..100) < 4 {
            self.fork(&guard)?;
        }
        if self.dice.u32(..100) < 10 {
            let mut time = Duration::from_micros(self.dice.u64(..2_000));
            if max_hold < LONG_PROMISE {
                // Long enough for others to notice that the promise is over.
                time += max_hold + Duration::from_millis(self.dice.u64(5..30));
            }
            section.append_slowly(&guard, &appender, &mut write, time);
        }
        match self.dice.u32(..100) {
            0..60 => std::thread::sleep(Duration::from_micros(self.dice.u64(..100))),
            60..92 => std::thread::sleep(Duration::from_micros(self.dice.u64(..2_000))),
            _ if max_hold < LONG_PROMISE => {
                std::thread::sleep(max_hold + Duration::from_millis(self.dice.u64(..30)));
            }
            _ => std::thread::sleep(Duration::from_millis(3)),
        }
        section.append(&guard, &appender, &mut write);
        if self.dice.u32(..100) < 2 {
            return self.exec();
        }
        section.end(guard);
        Ok(())
    }

    /// A child that tries what a child must not be able to do, and lingers, maybe for longer
    /// than its parent lives.
    fn fork<S: Sys>(&mut self, guard: &Guard<S>) -> Result<()> {
        let lingers = Duration::from_micros(self.dice.u64(..20_000));
        tell(format_args!("f {}", self.who));
        match sys::fork()? {
            Fork::Parent(child) => self.children.push(child),
            Fork::Child => {
                let refused = matches!(guard.section(PATIENCE, || ()), Err(SectionError::Forked));
                let wrong = guard.is_held() || !refused;
                std::thread::sleep(lingers);
                sys::exit_now(i32::from(wrong));
            }
        }
        Ok(())
    }

    /// The same process goes on as another program, which knows of no lock.
    fn exec(&mut self) -> Result<()> {
        let mut orders = Orders::new("chaos-hammer");
        for word in ["who", "dir", "ahead", "mutant"] {
            orders = orders.with(word, self.given.get::<String>(word)?);
        }
        let orders = orders.with("seed", self.dice.u64(..)).with("seq", self.seq);
        tell(format_args!("x {}", self.who));
        Err(orders.command()?.exec().into())
    }
}

/// `true`: it is still there.
fn is_left(child: Pid, options: WaitOptions, who: &str) -> bool {
    match waitpid(Some(child), options) {
        Ok(None) => return true,
        Ok(Some((_, status))) if status.exit_status() == Some(0) => {}
        ended => complain(who, &format!("a forked child found something else: {ended:?}")),
    }
    false
}
