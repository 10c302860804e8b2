//! `prove sim`: the real protocol over a simulated machine, under a scheduler that explores.

mod actors;
mod explore;
mod ghost;
mod machine;
mod mutant;
mod report;
mod run;
mod scenario;
mod state;
mod system;
mod world;

pub(crate) use report::{Args, run};
