//! OpenClaw: another program with rules of its own.

use std::path::Path;

use lock_core::record::LockRecord;

use super::super::state::State;
use super::super::system::{pid, shared};
use super::super::world::Description;
use super::{Player, TIMEOUT, lock_path};

fn told() -> String {
    "by OpenClaw's rules".to_owned()
}

impl Player {
    /// OpenClaw: creates the lock, then writes the record; removes what it holds for dead by path.
    pub(super) fn follow_other_rules(&self) {
        for _ in 0..8 {
            if let Some(file) = self.create_by_other_rules() {
                self.machine.state().foreign_hold(false);
                for step in ["write a", "write b"] {
                    let _ = self.sys.call(step, shared, told, |_| Ok(((), 0)));
                }
                self.machine.state().foreign_hold(true);
                self.machine.state().world.close(file);
                self.remove_by_other_rules(|_| true);
                return;
            }
            self.remove_by_other_rules(|state| {
                let record = state.binding().record.map(|record| state.world.content(record).0);
                let owner = record.and_then(|bytes| LockRecord::parse(bytes)?.owner);
                owner.is_some_and(|owner| state.is_dead(owner.pid))
            });
            self.machine.sleep(TIMEOUT / 4);
        }
    }

    fn create_by_other_rules(&self) -> Option<Description> {
        let (lock, mut path) = (lock_path(), lock_path());
        if self.lock_is_directory {
            let made = self.sys.call("create_dir", shared, told, |state| {
                state.world.create_dir(self.process, None, &lock)?;
                Ok(((), 0))
            });
            made.ok()?;
            path = lock.join("owner.json");
        }
        let created = self.sys.call("create_new", shared, told, |state| {
            Ok((state.world.create_new(self.process, None, &path)?, 0))
        });
        let record = format!(
            "{{\"pid\": {}, \"createdAt\": \"2026-11-20T23:59:59.123Z\", \"starttime\": {}}}\n",
            pid(self.process),
            self.process
        );
        let file = created.ok()?;
        let middle = record.len() / 2;
        for (offset, part) in [(0, &record[..middle]), (middle, &record[middle..])] {
            let _ = self.sys.call("write", shared, told, |state| {
                state.append(file, offset, part.as_bytes());
                Ok(((), 0))
            });
        }
        Some(file)
    }

    /// First the look, then the removal: two steps.
    fn remove_by_other_rules(&self, stale: impl FnOnce(&State) -> bool) {
        let looked = self.sys.call("look", shared, told, |state| {
            let stale = stale(state);
            Ok((stale, u64::from(stale)))
        });
        if !looked.unwrap_or(false) {
            return;
        }
        let remove = |path: &Path, directory: bool| {
            let _ = self.sys.call(
                "remove",
                shared,
                || path.display().to_string(),
                |state| {
                    if directory {
                        state.world.remove_dir(None, path)?;
                    } else {
                        state.world.remove(None, path)?;
                    }
                    Ok(((), 0))
                },
            );
        };
        if self.lock_is_directory {
            remove(&lock_path().join("owner.json"), false);
        }
        remove(&lock_path(), self.lock_is_directory);
    }
}

impl State {
    /// Whether no process has this pid.
    fn is_dead(&self, of: u32) -> bool {
        (0..self.processes.len()).all(|process| pid(process) != of || self.processes[process].dead)
    }
}
