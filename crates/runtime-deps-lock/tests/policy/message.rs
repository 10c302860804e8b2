//! The timeout's message: the origin's first line with every field of it, then who holds the
//! lock and what to do.

use lock_core::identity::Process;
use rstest::rstest;

use crate::scripted::{World, process, seen, ticks};

const NOW: i64 = 303_000;

fn message(world: &World) -> Vec<String> {
    let error = world.lock().acquire().expect_err("it is held").to_string();
    error.lines().map(str::to_owned).collect()
}

fn first_line(world: &World, fields: &str) -> String {
    let (dir, owner) = (world.dir(), world.owner_file());
    format!(
        "Timed out waiting for bundled runtime deps lock at {} (waited=0ms, {fields}, \
         ownerFilePath={}). If no OpenClaw/npm install is running, remove the lock directory and \
         retry.",
        dir.display(),
        owner.display()
    )
}

#[rstest]
#[case::live(
    Some("{\"pid\": 777, \"starttime\": 70, \"createdAtMs\": 1000}"),
    "ownerFile=ok, ownerFileSymlink=false, pid=777 alive=true, ownerAge=302000ms, \
     ownerFileAge=2500ms, lockAge=2000ms"
)]
#[case::without_a_time(
    Some("{\"pid\": 777}"),
    "ownerFile=ok, ownerFileSymlink=false, pid=777 alive=true, ownerAge=n/a, \
     ownerFileAge=2500ms, lockAge=2000ms"
)]
#[case::without_a_pid(
    Some("{\"createdAtMs\": 1000}"),
    "ownerFile=ok, ownerFileSymlink=false, pid=missing, ownerAge=302000ms, \
     ownerFileAge=2500ms, lockAge=2000ms"
)]
#[case::broken(
    Some("{\"pid\": "),
    "ownerFile=invalid, ownerFileSymlink=false, pid=missing, ownerAge=n/a, \
     ownerFileAge=2500ms, lockAge=2000ms"
)]
#[case::ownerless(
    None,
    "ownerFile=missing, ownerFileSymlink=n/a, pid=missing, ownerAge=n/a, ownerFileAge=n/a, \
     lockAge=2000ms"
)]
fn every_field(#[case] record: Option<&str>, #[case] fields: &str) {
    let world = World::at(NOW)
        .seeing(seen(Process::Running, ticks(70)))
        .with_record(record)
        .modified(NOW - 2000, record.map(|_| NOW - 2500));
    assert_eq!(message(&world)[0], first_line(&world, fields));
}

#[cfg(unix)]
#[test]
fn a_dangling_link() {
    let world = World::at(NOW).with_record(None);
    std::os::unix::fs::symlink("nowhere", world.owner_file()).unwrap();
    let world = world.modified(NOW - 2000, None);
    let message = message(&world);
    // The link is younger than the scripted clock: ages never go below nothing.
    let fields = "ownerFile=invalid, ownerFileSymlink=true, pid=missing, ownerAge=n/a, \
                  ownerFileAge=0ms, lockAge=2000ms";
    assert_eq!(message[0], first_line(&world, fields));
}

/// An owner who cannot be seen is not called alive, and the message says what to do about it.
#[test]
fn an_unverifiable_owner() {
    let owner = lock_core::identity::OwnerId { namespace: None, ..process(777, ticks(70)) };
    let world = World::at(NOW).seeing(seen(Process::Gone, None)).with_ours(owner, |_| {});
    let message = message(&world);
    assert!(message[0].contains("ownerFile=ok, ownerFileSymlink=false, pid=777 alive=false"));
    let story = message[1..].join("\n");
    assert!(story.contains("pid namespace is not known"), "{story}");
    // Of this very lock: the root may have others, of other names.
    let command = format!("lockctl deps break {}`", world.owner_file().parent().unwrap().display());
    assert!(story.contains(&command), "{story}");
}

/// After the origin's line: who holds it, on what evidence, and what happens next.
#[test]
fn who_holds_it_and_what_to_do() {
    let owner = process(777, ticks(70));
    let world =
        World::at(NOW).seeing(seen(Process::Running, ticks(70))).with_ours(owner, |record| {
            record.label = Some("weekly install".to_owned());
        });
    let story = message(&world)[1..].join("\n");
    for part in ["held by pid 777 (\"weekly install\")", "pid: running", "as soon as the owner"] {
        assert!(story.contains(part), "{part:?} is missing in\n{story}");
    }
}
