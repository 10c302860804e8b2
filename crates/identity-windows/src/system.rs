//! The questions to the system. Thin: what the answers mean is in [`crate::parse`].

mod sys;

use crate::parse::{Answer, End, Handle, Machine, firmware_uuid, observed, start_time};
use lock_core::identity::{BootId, Comparison, Observed, OwnerId, OwnerIdentity, OwnerKind};
use std::path::Path;
use std::sync::OnceLock;

/// Identifies processes on Windows; see the [crate documentation](crate) for what each fact
/// proves.
///
/// It holds nothing, and no handle outlives a question: a handle that is kept reserves a pid.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowsIdentity;

impl OwnerIdentity for WindowsIdentity {
    fn this_process(&self) -> OwnerId {
        let this = sys::this_process();
        let Machine { boot, namespace } = machine();
        OwnerId {
            start: sys::created(this).ok().and_then(start_time),
            unique: sys::sequence_number(this),
            boot,
            namespace,
            name: program_name(),
            ..OwnerId::bare(OwnerKind::Windows, std::process::id())
        }
    }

    fn observe(&self, recorded: &OwnerId, here: &OwnerId) -> Observed {
        let pid = recorded.pid;
        if recorded.kind != OwnerKind::Windows {
            let kind = recorded.kind.as_str();
            return Observed::nothing(format!("not a Windows process but {kind:?}"));
        }
        // The idle process: it exists, yet opening it fails as if it did not.
        if pid == 0 {
            return Observed::nothing("0 is not a process id");
        }
        // A record without a pid space is judged as one of this.
        if let (Some(theirs), Some(ours)) = (&recorded.namespace, &here.namespace)
            && theirs.compare(ours) != Comparison::Same
        {
            return Observed::nothing(format!("process {pid} is of another machine or container"));
        }
        observed(recorded, look_up(pid).as_ref().map_err(|code| *code))
    }
}

/// Opens `pid` and asks it everything.
fn look_up(pid: u32) -> Answer<Handle> {
    let (process, may_wait) = match sys::open(pid, sys::QUERY | sys::WAIT) {
        Ok(process) => (process, true),
        // Its owner may let itself be looked at, but not waited for.
        Err(sys::ACCESS_DENIED) => (sys::open(pid, sys::QUERY)?, false),
        Err(code) => return Err(code),
    };
    Ok(Handle {
        pid: sys::process_id(&process),
        created: sys::created(&process),
        sequence: sys::sequence_number(&process),
        end: if may_wait {
            End::Waited(sys::poll(&process))
        } else {
            End::ExitCode(sys::exit_code(&process))
        },
    })
}

/// The names of this machine, read once: none of them changes while the system runs. What was
/// incomplete is read again, as it may have been for want of memory.
fn machine() -> Machine {
    static MACHINE: OnceLock<Machine> = OnceLock::new();
    if let Some(machine) = MACHINE.get() {
        return machine.clone();
    }
    let guid = sys::registry_text("SOFTWARE\\Microsoft\\Cryptography", "MachineGuid");
    // What the computer is called until it is rebooted; `ComputerName` next to it is what it
    // will be called then.
    let name = sys::registry_text(
        "SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName",
        "ComputerName",
    );
    let uuid = sys::firmware_table().and_then(|table| firmware_uuid(&table));
    let machine = Machine::new(guid.as_deref(), name.as_deref(), uuid);
    if machine.boot == BootId::Unknown {
        return machine;
    }
    MACHINE.get_or_init(|| machine).clone()
}

/// What the program was called as.
fn program_name() -> Option<String> {
    let called = std::env::args_os().next()?;
    Path::new(&called).file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
