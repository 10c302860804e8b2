//! Calls in passing: those that no other process could notice.
//!
//! Such a call is put off until its process does something that counts (a call that others could
//! notice, a look at who is alive), or is killed; between the two nobody else gets a turn. Nothing
//! is hidden by that. Whatever the others do in the meantime, they would do if the call had been
//! made before, with the same result, and the call has the same result behind them. The one thing
//! that could tell is a sweep, which looks at everything: while another process has the directory
//! open to sweep it, every call counts; what had been put off until then may happen between that
//! opening and the first look. And a process may be killed behind each call that leaves something
//! behind, or stopped, or its call may fail: there the scheduler has a choice, but no other process
//! gets a turn.

use std::path::PathBuf;

use lock_core::record::LockRecord;

use super::scenario::Budget;
use super::state::State;
use super::world::Process;

/// What a call works on.
#[derive(Debug)]
pub(crate) enum Touched {
    /// A name in a directory (`None`: the root of absolute paths), at which something is made.
    New(Option<u64>, PathBuf),
    /// What is at a name, and the name.
    Named(Option<u64>, PathBuf),
    /// An open file.
    Inode(u64),
    /// The content of an open file.
    Content(u64),
    /// What belongs to the process.
    Own,
    /// What others may look at, too.
    Shared,
}

impl State {
    /// Whether calls of a process are put off. Not those of siblings, who see what others do not.
    pub(crate) fn puts_off(&self, process: Process) -> bool {
        self.has_passing_calls && self.has_one_thread(process)
    }

    /// Whether no other process could notice this call of the current one.
    pub(crate) fn is_in_passing(&self, touched: &Touched) -> bool {
        let me = self.me();
        if self.world.is_swept_by_another(me) {
            return matches!(touched, Touched::Own);
        }
        let mine = |inode| self.world.is_known_to(me, inode);
        match touched {
            Touched::New(directory, name) => self.world.makes_unseen(me, *directory, name),
            Touched::Named(directory, name) => self.world.resolve(*directory, name).is_ok_and(mine),
            Touched::Inode(inode) => mine(*inode),
            Touched::Content(inode) => mine(*inode) || self.is_final(*inode),
            Touched::Own => true,
            Touched::Shared => false,
        }
    }

    /// Whether nobody writes this file any more. Nobody renews where calls are put off, so a record
    /// that is complete is final.
    fn is_final(&self, inode: u64) -> bool {
        LockRecord::parse(self.world.content(inode).0).is_some()
    }

    /// The current thread is about to make a call, now that it is its turn.
    pub(crate) fn makes(&mut self, call: &str, touched: &Touched) {
        let in_passing = self.has_passing_calls && self.is_in_passing(touched);
        let thread = &mut self.threads[self.current];
        thread.counted |= !in_passing;
        thread.leaves_something = matches!(
            call,
            "create_dir" | "create_new" | "write" | "remove" | "remove_link" | "remove_dir"
        );
    }

    /// Whether nothing that the current thread did in this turn counts.
    pub(crate) fn goes_on_in_passing(&self) -> bool {
        !self.threads[self.current].counted && self.puts_off(self.me())
    }

    /// Whether it makes a difference if something befalls the process before its next call.
    pub(crate) fn may_end_here(&self) -> bool {
        let Budget { crashes, stops, faults, .. } = self.budget;
        stops + faults > 0 || (crashes > 0 && self.threads[self.current].leaves_something)
    }

    /// What the current thread did counts, call or not.
    pub(crate) fn counts(&mut self) {
        let now = self.current;
        self.threads[now].counted = true;
    }
}
