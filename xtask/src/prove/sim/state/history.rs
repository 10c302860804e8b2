//! What a process saw, and what of it matters still.

use std::fmt;

use lock_core::record::LockRecord;

use super::super::mutant::Mutant;
use super::super::world::{Description, Process};
use super::{State, digest};

impl State {
    /// Remembers what the current thread saw.
    pub(crate) fn note(&mut self, call: &'static str, seen: u64) {
        let (me, now) = (self.me(), self.current);
        let process = &mut self.processes[me];
        process.history = digest((process.history, now, call, seen));
    }

    pub(crate) fn has_one_thread(&self, process: Process) -> bool {
        self.threads.iter().filter(|thread| thread.process == process).count() == 1
    }

    /// Whether what a process holds in its hands is all that is left of what it saw. Threads could
    /// know more of each other, and so could a mutant.
    fn is_summed_up(&self, process: Process) -> bool {
        self.reduced && self.has_one_thread(process) && !Mutant::remembers_more(self)
    }

    /// What the current process holds in its hands; histories that differ in more are one from
    /// here on.
    pub(crate) fn remembers(&mut self, what: fmt::Arguments<'_>) {
        let me = self.me();
        if !self.is_summed_up(me) {
            return;
        }
        self.threads[self.current].judged = None;
        let mut what = what.to_string();
        for (name, number) in &self.ghost.records {
            what = what.replace(name.as_str(), &format!("record {number:?}"));
        }
        let open = self.world.opened_by(me);
        // Nobody can tell if random bits come again that name nothing any more, but for a sweep that
        // has the names already.
        if !self.world.is_swept_by_another(me) {
            let names = |randoms| self.world.is_name(digest((me, randoms)));
            let process = &mut self.processes[me];
            while process.randoms > 0 && !names(process.randoms) {
                process.randoms -= 1;
            }
        }
        let process = &mut self.processes[me];
        process.history = digest((what, open, process.gates.len(), process.randoms));
    }

    /// Writes at the end of a file.
    pub(crate) fn append(&mut self, file: Description, offset: usize, bytes: &[u8]) {
        let tag = self.tag(bytes);
        let number = self.world.inode_of(file);
        self.world.write(number, offset, bytes, tag);
    }

    /// What tells written bytes from others. Neither they nor their number are the same in every
    /// run, for an acquisition's name is in them; in its place stands what the record is called.
    /// Other bytes, and those of one of several threads, are told by all that their writer had seen.
    fn tag(&self, bytes: &[u8]) -> u64 {
        let me = self.me();
        let name = || LockRecord::parse(bytes)?.id.zip(std::str::from_utf8(bytes).ok());
        match self.is_summed_up(me).then(name).flatten() {
            Some((name, text)) => digest((self.ghost.next_record_of(me), text.replace(&name, ""))),
            None => digest((self.processes[me].history, self.current)),
        }
    }
}
