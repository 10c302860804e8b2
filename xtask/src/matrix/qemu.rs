//! qemu's user emulation, known to the kernel as the interpreter of aarch64 programs: the tests
//! start programs of their own.
//!
//! The registration lives in a user namespace (Linux 6.7) and goes with it: nothing outside sees
//! it. In there the tests are root of that namespace only.

use std::process::Command;

/// Registers the emulator, then becomes what follows. The flag `F` opens it at once, so that it is
/// found in every mount namespace. Magic and mask are those of an aarch64 ELF executable.
const REGISTER: &str = r#"set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" \
    > /proc/sys/fs/binfmt_misc/register
exec "$@"
"#;

/// A command in which aarch64 programs run. It gets default signal dispositions too.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", REGISTER, "sh"]);
    command.args(["env", "--default-signal", program]);
    command
}
