//! What crashes leave beside the lock, and who sweeps it: an acquisition that had to reclaim, and
//! doctor. Nothing else does, and nobody takes what a living process is at work on.
//!
//! The leftovers are real: processes that stand still in the middle of the protocol, or are killed
//! there.

use std::path::Path;

use crate::actors::Actor;
use crate::os;
use crate::root::{Planted, Root};
use crate::script::Script;
use crate::seam::{Seam, When, acquire};

/// Where a process stands still: with its stage complete, before it is published.
const STAGE: &str = "stage";
/// With its released lock renamed away, before that is emptied.
const TOMBSTONE: &str = "tombstone";

/// Takes and releases the lock, and stands still at one of these until its input ends.
pub(crate) fn stall(root: &Path, place: &str) {
    let stop = || {
        println!("stalled");
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    let script = Script::default();
    let script = match place {
        STAGE => script.at(When::Before, "rename_new", stop),
        TOMBSTONE => script.at(When::After, "rename", stop),
        other => panic!("no place {other}"),
    };
    let seam = Seam { renames: true, ..script.seam() };
    let lock = seam.lock(&root.join(runtime_deps_lock::DEFAULT_LOCK_NAME));
    let _ = acquire(&lock, std::time::Duration::from_secs(30)).release();
}

/// A process that stands still, and the name of what it is at work on.
fn stalled(root: &Root, place: &str) -> (Actor, String) {
    let before = os::names(&root.path());
    let mut actor = Actor::start("stall", &root.path(), place);
    assert_eq!(actor.line(), "stalled\n");
    let mut names = os::names(&root.path());
    names.retain(|name| !before.contains(name));
    assert_eq!(names.len(), 1, "{names:?}");
    (actor, names.remove(0))
}

/// A stage and a tombstone of the dead, and a stage and a tombstone of the living.
struct Leftovers {
    dead: Vec<String>,
    living: Vec<String>,
    actors: Vec<Actor>,
}

impl Leftovers {
    fn leave(root: &Root) -> Self {
        // Releases come first: they need the path.
        let all = [TOMBSTONE, TOMBSTONE, STAGE, STAGE].map(|place| stalled(root, place));
        let [(a, tombstone), (b, other_tombstone), (c, stage), (d, other_stage)] = all;
        a.kill();
        c.kill();
        let sorted = |mut names: Vec<_>| {
            names.sort();
            names
        };
        Self {
            dead: sorted(vec![tombstone, stage]),
            living: sorted(vec![other_tombstone, other_stage]),
            actors: vec![b, d],
        }
    }

    fn all(&self) -> Vec<String> {
        let mut all = [&self.dead[..], &self.living[..]].concat();
        all.sort();
        all
    }

    /// Doctor tells of what the dead left, and removes it when asked to.
    fn end_after_doctor(self, root: &Root) {
        let told = |litter: lock_core::lockfile::Litter| {
            assert!(litter.obstructed.is_empty(), "{litter:?}");
            let name =
                |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            litter.swept.into_iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(told(root.lock().sweep(false).unwrap().litter), self.dead[..]);
        assert_eq!(os::names(&root.path()), self.all(), "who only looks takes nothing");
        assert_eq!(told(root.lock().sweep(true).unwrap().litter), self.dead[..]);
        assert_eq!(os::names(&root.path()), self.living);
        self.end(root);
    }

    /// The living go on, and tidy up after themselves.
    fn end(self, root: &Root) {
        self.actors.into_iter().for_each(Actor::join);
        root.assert_clean("after the living went on");
    }
}

/// An acquisition that had to reclaim sweeps what the dead left, whatever it reclaimed.
pub(crate) fn swept_by_a_reclaim() {
    // One more than there are kinds without an owner: a dead owner's lock is the last.
    for kind in 0..=Planted::ALL.len() {
        let root = Root::new();
        let left = Leftovers::leave(&root);
        Planted::plant_or_dead(kind, &root.lock_dir());
        let guard = root.lock().acquire().unwrap();
        let mut expected = left.living.clone();
        expected.push(runtime_deps_lock::DEFAULT_LOCK_NAME.to_owned());
        assert_eq!(os::names(&root.path()), expected, "kind {kind}");
        drop(guard);
        assert_eq!(os::names(&root.path()), left.living, "kind {kind}");
        left.end(&root);
    }
}

/// An acquisition that met nothing stale does not even look: listing the root costs more than the
/// lock does.
pub(crate) fn not_swept_by_every_acquisition() {
    let root = Root::new();
    let left = Leftovers::leave(&root);
    drop(root.lock().acquire().unwrap());
    assert_eq!(os::names(&root.path()), left.all());
    left.end_after_doctor(&root);
}

/// Doctor sweeps where there is no lock at all, and beside one that is held.
pub(crate) fn swept_by_doctor() {
    let root = Root::new();
    Leftovers::leave(&root).end_after_doctor(&root);
}
