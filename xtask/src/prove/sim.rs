//! `prove sim`: the real protocol over a simulated machine, under a scheduler that explores.
//!
//! What runs is `lock-core` itself: attempts, looks, reclaims, guards, write sections, renewals,
//! the watchdog's care, the doctor's sweep. Only what is below its seam (`Sys`, the clock, who is
//! alive) is simulated:
//!
//! - *Files* ([`world`]): inodes whose numbers are reused at once, names, byte locks of open file
//!   descriptions. File systems differ in what they cannot do ([`scenario::FileSystem`]).
//! - *Threads* ([`machine`]): coroutines that give up their turn before every call that somebody
//!   else could notice. A file that only its maker can see (no name, opened once) is worked on
//!   without turns, unless calls may fail: nobody could tell the difference.
//! - *Trouble* ([`run::Event`]): a process is killed before any such call (its byte locks vanish,
//!   its files stay), or stopped until nobody else can go on; a call fails, or says so although it
//!   was done; everybody is held up for longer than a holder promised to hold.
//! - *Time* stands still while anybody can go on, but for that. Who sleeps may go on as soon as
//!   what it waits for has changed, in any order; if nobody can go on, the next sleeper's time comes.
//!   So deadlines and patience run out exactly where somebody is stopped, dead or in the way.
//!
//! What must be true is checked after every call by [`ghost`], against DESIGN's six invariants, and
//! at the end of every run by a janitor: one sweep leaves nothing behind, and the lock is free.
//! (A run that reaches a state that was followed before ends there.) What *exhaustive* means is
//! said in [`explore`]. The broken protocols of [`mutant`] must be caught, each.
//!
//! Not simulated: inherited descriptors and forks, re-entrant handles, the async side, file events
//! (the test suites have them, with real processes).

mod actors;
mod explore;
mod ghost;
mod machine;
mod mutant;
mod passing;
mod report;
mod run;
mod scenario;
mod state;
mod system;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use report::{Args, run};
