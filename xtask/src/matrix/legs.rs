//! The legs: which targets there are, how each can run where, and what is asked of it. Data only.

/// One row group of the matrix.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The target triple; `None` for the host's own.
    pub(crate) target: Option<&'static str>,
    pub(crate) scenarios: &'static [Scenario],
    /// How programs of this target run, one for each host that can.
    pub(crate) ways: &'static [Way],
}

impl Leg {
    /// How its programs run on a host.
    pub(crate) fn way(&self, host: &str) -> Option<&'static Way> {
        self.ways.iter().find(|way| way.host == host)
    }
}

/// What is asked of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Clippy over every target of every package, warnings as errors.
    Clippy,
    /// Code generation for every test, without linking, where they cannot run.
    Compile,
    /// Every test, run.
    Tests,
    /// Two of Wine's prefixes and their host, with one directory of locks.
    Prefixes,
    /// The libraries build with the oldest supported compiler.
    Msrv,
    /// The libraries build without features, and with each feature alone.
    Features,
    /// Documentation builds without warnings. Its examples run among the tests.
    Docs,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clippy => "clippy",
            Self::Compile => "compile tests",
            Self::Tests => "tests",
            Self::Prefixes => "two prefixes",
            Self::Msrv => "oldest Rust",
            Self::Features => "features",
            Self::Docs => "docs",
        }
    }
}

/// How programs of a target run on a host.
#[derive(Debug)]
pub(crate) struct Way {
    /// The host's triple.
    pub(crate) host: &'static str,
    pub(crate) run: Run,
    /// Programs that must be there, each with the Debian packages that bring it.
    pub(crate) programs: &'static [(&'static str, &'static str)],
    /// More environment for cargo.
    pub(crate) env: &'static [(&'static str, &'static str)],
    /// Tests that cannot run this way.
    pub(crate) left_out: &'static [LeftOut],
    /// How many tests find out by themselves that they cannot, given all privileges and programs.
    pub(crate) ignored: u64,
}

/// Tests that cannot run: why, and their names, or what is in them.
#[derive(Debug)]
pub(crate) struct LeftOut {
    pub(crate) why: &'static str,
    pub(crate) tests: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Directly,
    /// Under Wine, in a prefix of its own.
    Wine,
    /// Under qemu's user emulation, registered with the kernel in a namespace of its own.
    Qemu,
}

/// The oldest Rust of the libraries: `rust-version` of the workspace.
pub(crate) fn oldest_rust() -> &'static str {
    let manifest = include_str!("../../../Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    version.unwrap_or_default().trim_matches('"')
}

const LINUX: &str = "x86_64-unknown-linux-gnu";
const STRACE: (&str, &str) = ("strace", "strace");

/// The storms at a quarter of their length: for targets that run the code of one that storms in full.
const SHORT_STORMS: (&str, &str) = ("STORM_SCALE", "0.25");

/// One test freezes a control group, which root cannot do in every container.
const FREEZER: u64 = 1;

const RUN: &[Scenario] = &[Scenario::Clippy, Scenario::Compile, Scenario::Tests];

/// And what only an emulated Windows can show.
const RUN_AND_PREFIXES: &[Scenario] =
    &[Scenario::Clippy, Scenario::Compile, Scenario::Tests, Scenario::Prefixes];

const fn directly(host: &'static str) -> Way {
    Way { host, run: Run::Directly, programs: &[], env: &[], left_out: &[], ignored: 0 }
}

/// What qemu's user emulation, in a user namespace, has no answer to.
const QEMU_CANNOT: &[LeftOut] = &[
    LeftOut {
        why: "no seccomp filters, leases and strace under qemu's user emulation",
        tests: &[
            "l1_hostile_names",
            "l2_pid_reused_at_another_tick",
            "l3_pid_reused_within_one_tick",
            "l4_",
            "l5_zombie",
            "l6_",
            "l7_stopped",
            "l8_hidepid",
            "l10_restarted_container",
            "l12_",
            "l13_",
            "l18_impossible_pids",
            "leased_to_a_client",
            "cost::system_calls",
            "slow::",
            "directory::slow_motion",
        ],
    },
    LeftOut {
        why: "in a user namespace there are no other users, devices and procfs of others",
        tests: &[
            "what_may_not_be_removed",
            "what_cannot_be_removed",
            "what_may_not_be_read",
            "a_directory_that_may_not_be_written",
            "the_procfs_of_the_parent",
            "no_procfs",
            "a_device_at_the_path",
        ],
    },
    LeftOut {
        why: "programs start, fail to start and take signals otherwise through the emulator",
        tests: &[
            "run_passes_the_status_on",
            "commands_that_cannot_be_run",
            "nohup_keeps_the_hangup_from_both",
            "what_is_ignored_stays_ignored",
        ],
    },
    LeftOut {
        why: "limits of milliseconds, and thousands of processes, under emulation",
        tests: &[
            "a_waiter_has_the_lock_at_once",
            "a_command_that_does_not_obey_never_meets_its_successor",
            "a_held_lock_is_waited_for_and_its_holder_told",
            "one_line_at_each_end_of_a_wait",
            "several_guards",
            "lost::told",
            "extend::",
            "old_handle",
            "fenced_writers",
            "within_one_tick",
            "kill_latency",
            "idle_waiter_costs_nothing",
            "behind_a_stopped_writer",
            "killed_before_every_call",
        ],
    },
];

pub(crate) static LEGS: &[Leg] = &[
    Leg {
        name: "linux-gnu",
        about: "Linux, x86_64, glibc",
        target: Some(LINUX),
        scenarios: RUN,
        ways: &[Way { programs: &[STRACE], ignored: FREEZER, ..directly(LINUX) }],
    },
    Leg {
        name: "linux-musl",
        about: "Linux, x86_64, musl (static)",
        target: Some("x86_64-unknown-linux-musl"),
        scenarios: RUN,
        ways: &[Way {
            programs: &[STRACE],
            env: &[SHORT_STORMS],
            ignored: FREEZER,
            ..directly(LINUX)
        }],
    },
    Leg {
        name: "i686-linux",
        about: "Linux, 32 bits, glibc",
        target: Some("i686-unknown-linux-gnu"),
        scenarios: RUN,
        ways: &[Way {
            programs: &[
                STRACE,
                (
                    "i686-linux-gnu-gcc",
                    "gcc-i686-linux-gnu libc6-dev-i386-cross libc6-i386 lib32gcc-s1",
                ),
            ],
            env: &[
                SHORT_STORMS,
                ("CARGO_TARGET_I686_UNKNOWN_LINUX_GNU_LINKER", "i686-linux-gnu-gcc"),
            ],
            ignored: FREEZER,
            ..directly(LINUX)
        }],
    },
    Leg {
        name: "aarch64-linux",
        about: "Linux, aarch64, glibc",
        target: Some("aarch64-unknown-linux-gnu"),
        scenarios: RUN,
        ways: &[
            directly("aarch64-unknown-linux-gnu"),
            Way {
                run: Run::Qemu,
                programs: &[
                    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
                    ("qemu-aarch64-static", "qemu-user-static"),
                ],
                env: &[
                    ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
                    ("QEMU_LD_PREFIX", "/usr/aarch64-linux-gnu"),
                    // Everything costs twenty times as much.
                    ("STORM_SCALE", "0.03"),
                ],
                left_out: QEMU_CANNOT,
                ..directly(LINUX)
            },
        ],
    },
    Leg {
        name: "windows-gnu",
        about: "Windows, x86_64, MinGW",
        target: Some("x86_64-pc-windows-gnu"),
        scenarios: RUN_AND_PREFIXES,
        ways: &[
            directly("x86_64-pc-windows-gnu"),
            Way {
                run: Run::Wine,
                programs: &[
                    ("wine", "wine wine64"),
                    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
                ],
                // Wine sends no console events and calls no exit callbacks.
                ignored: 4,
                ..directly(LINUX)
            },
        ],
    },
    Leg {
        name: "windows-msvc",
        about: "Windows, x86_64, MSVC",
        target: Some("x86_64-pc-windows-msvc"),
        scenarios: RUN,
        ways: &[directly("x86_64-pc-windows-msvc")],
    },
    Leg {
        name: "macos-x86_64",
        about: "macOS, x86_64",
        target: Some("x86_64-apple-darwin"),
        scenarios: RUN,
        ways: &[directly("x86_64-apple-darwin")],
    },
    Leg {
        name: "macos-aarch64",
        about: "macOS, aarch64",
        target: Some("aarch64-apple-darwin"),
        scenarios: RUN,
        ways: &[directly("aarch64-apple-darwin")],
    },
    Leg {
        name: "freebsd",
        about: "FreeBSD, x86_64",
        target: Some("x86_64-unknown-freebsd"),
        scenarios: RUN,
        ways: &[directly("x86_64-unknown-freebsd")],
    },
    Leg {
        name: "oldest-rust",
        about: "the libraries with the oldest supported compiler",
        target: None,
        scenarios: &[Scenario::Msrv],
        ways: &[],
    },
    Leg {
        name: "features",
        about: "the libraries without features, and with each alone",
        target: None,
        scenarios: &[Scenario::Features],
        ways: &[],
    },
    Leg {
        name: "docs",
        about: "documentation, warnings as errors",
        target: None,
        scenarios: &[Scenario::Docs],
        ways: &[],
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Leg> {
    LEGS.iter().find(|leg| leg.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rust_is_the_workspaces() {
        let parts: Vec<_> = oldest_rust().split('.').map(str::parse::<u32>).collect();
        assert!(parts.len() >= 2 && parts.iter().all(Result::is_ok), "{}", oldest_rust());
    }

    #[test]
    fn names_are_unique() {
        for leg in LEGS {
            assert!(std::ptr::eq(find(leg.name).unwrap(), leg), "{}", leg.name);
        }
    }
}
