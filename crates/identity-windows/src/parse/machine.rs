//! The names of this machine: which hardware, and which pid space on it.

use lock_core::identity::{BootId, PidNamespace};

/// Where the pids of a process mean something. See the crate's documentation for why there
/// are two answers, and what each may be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The hardware.
    pub boot: BootId,
    /// The installation (or container, or Wine prefix) that hands out the pids.
    pub namespace: Option<PidNamespace>,
}

impl Machine {
    /// From the text of `MachineGuid`, the active computer's name, and the firmware's UUID.
    ///
    /// All three or nothing: without a pid space on either side, `lock_core` takes both
    /// processes for neighbours, as they are on macOS; the unknown boot prevents that.
    #[must_use]
    pub fn new(guid: Option<&str>, name: Option<&str>, firmware: Option<[u8; 16]>) -> Self {
        let named = |text: Option<&str>| {
            text.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty())
        };
        let (Some(guid), Some(name), Some(firmware)) = (named(guid), named(name), firmware) else {
            return Self::default();
        };
        // Hashed, because lock files are no place for the names of machines. NUL is in neither
        // text, so no two pairs are written alike.
        let space = hash(&[b"pid space", guid.as_bytes(), name.as_bytes()].join(&0));
        let hardware = hash(&[b"hardware", &firmware[..]].join(&0));
        Self {
            boot: BootId::Kernel(format!("windows-machine-{hardware:016x}")),
            namespace: Some(PidNamespace { inode: space, id: None }),
        }
    }
}

/// Finds the machine's UUID in what `GetSystemFirmwareTable` returns for `RSMB`: a header of
/// eight bytes with the length of the rest, then the structures of the SMBIOS specification.
///
/// A vendor that gives all its machines one UUID, zeros even, is taken at its word: what rests
/// on the hardware alone is told apart by the pid space.
#[must_use]
pub fn firmware_uuid(table: &[u8]) -> Option<[u8; 16]> {
    const SYSTEM_INFORMATION: u8 = 1;
    const END_OF_TABLE: u8 = 127;
    const UUID_AT: usize = 8;
    let (header, rest) = table.split_first_chunk::<8>()?;
    let len = u32::from_le_bytes(*header.last_chunk()?);
    let mut rest = rest.get(..usize::try_from(len).ok()?)?;
    loop {
        let &[kind, len, ..] = rest else { return None };
        let (fields, after) = rest.split_at_checked(len.into())?;
        match kind {
            SYSTEM_INFORMATION => return fields.get(UUID_AT..)?.first_chunk().copied(),
            END_OF_TABLE => return None,
            _ => {}
        }
        // A length below that of its own header is not one, and would never get anywhere.
        if fields.len() < 4 {
            return None;
        }
        // The structure's strings, up to an empty one; if there are none, two zeros.
        let end = after.windows(2).position(|pair| pair == [0, 0])?;
        rest = &after[end + 2..];
    }
}

/// FNV-1a, 64 bits: what matters is that every version and every build gives the same.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lock_core::identity::Comparison;
    use proptest::prelude::*;
    use rstest::rstest;

    const GUID: &str = "61e46300-ac77-4824-ace2-5aa8a635887a";
    const UUID: [u8; 16] = *b"\x3d\x12\x19\xc7\xc4\xc5\x40\x4a\xaa\x1f\x6d\x2a\x48\xad\xfd\xa4";

    fn machine(guid: &str, name: &str, firmware: [u8; 16]) -> Machine {
        Machine::new(Some(guid), Some(name), Some(firmware))
    }

    #[test]
    fn the_names_are_written_as_ever() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
        let machine = machine(GUID, "VM", UUID);
        // A change here makes every older record one of another machine.
        assert_eq!(machine.boot, BootId::Kernel("windows-machine-30b14017cd219d8b".into()));
        assert_eq!(
            machine.namespace,
            Some(PidNamespace { inode: 0xc41a_4aa2_c91c_b42b, id: None })
        );
    }

    #[rstest]
    #[case::this(GUID, "VM", UUID, Comparison::Same, Comparison::Same)]
    #[case::in_other_letters(
        " 61E46300-AC77-4824-ACE2-5AA8A635887A",
        "vm",
        UUID,
        Comparison::Same,
        Comparison::Same
    )]
    #[case::another_prefix_or_system_beside_this(
        "x",
        "VM",
        UUID,
        Comparison::Same,
        Comparison::Different
    )]
    #[case::a_container_of_this_image(GUID, "3f2a", UUID, Comparison::Same, Comparison::Different)]
    #[case::a_clone(GUID, "VM2", [7; 16], Comparison::Different, Comparison::Different)]
    #[case::a_vendor_with_one_uuid("x", "VM2", UUID, Comparison::Same, Comparison::Different)]
    fn comparisons(
        #[case] guid: &str,
        #[case] name: &str,
        #[case] firmware: [u8; 16],
        #[case] boot: Comparison,
        #[case] space: Comparison,
    ) {
        let (here, there) = (machine(GUID, "VM", UUID), machine(guid, name, firmware));
        assert_eq!(here.boot.compare(&there.boot), boot);
        assert_eq!(here.namespace.unwrap().compare(&there.namespace.unwrap()), space);
    }

    #[rstest]
    #[case::no_guid(None, Some("VM"), Some(UUID))]
    #[case::no_name(Some(GUID), None, Some(UUID))]
    #[case::no_firmware(Some(GUID), Some("VM"), None)]
    #[case::empty_guid(Some(" "), Some("VM"), Some(UUID))]
    #[case::empty_name(Some(GUID), Some(""), Some(UUID))]
    fn a_missing_name_makes_the_boot_unknown(
        #[case] guid: Option<&str>,
        #[case] name: Option<&str>,
        #[case] firmware: Option<[u8; 16]>,
    ) {
        assert_eq!(Machine::new(guid, name, firmware), Machine::default());
        assert_eq!(Machine::default().boot, BootId::Unknown);
    }

    /// What Wine 8 answers: type 0, then type 1.
    fn wine() -> Vec<u8> {
        let mut table = vec![0, 2, 4, 0, 0, 0, 0, 0, 0, 0x18, 0, 0];
        table.extend_from_slice(&[0; 0x18 - 4]);
        table.extend_from_slice(&[0, 0]);
        table.extend_from_slice(&[1, 0x1b, 1, 0, 0, 0, 0, 0]);
        table.extend_from_slice(&UUID);
        table.extend_from_slice(&[2, 0, 0, 0, 0, 127, 4, 5, 0, 0, 0]);
        with_len(table)
    }

    fn with_len(mut table: Vec<u8>) -> Vec<u8> {
        let len = u32::try_from(table.len() - 8).unwrap();
        table[4..8].copy_from_slice(&len.to_le_bytes());
        table
    }

    #[test]
    fn the_uuid_is_found() {
        assert_eq!(firmware_uuid(&wine()), Some(UUID));
    }

    #[test]
    fn strings_are_skipped() {
        let mut table = vec![0; 8];
        table.extend_from_slice(
            b"\x00\x04\x00\x00Vendor\x001.0\x00\x00\x01\x19\x01\x00\x01\x02\x03\x04",
        );
        table.extend_from_slice(&UUID);
        table.extend_from_slice(&[6, 0, 0]);
        assert_eq!(firmware_uuid(&with_len(table)), Some(UUID));
    }

    #[rstest]
    #[case::nothing(b"")]
    #[case::no_structures(b"\x00\x02\x04\x00\x00\x00\x00\x00")]
    #[case::endless(b"\x00\x02\x04\x00\x06\x00\x00\x00\x02\x00\x00\x00\x00\x00")]
    #[case::ended(b"\x00\x02\x04\x00\x06\x00\x00\x00\x7f\x04\x00\x00\x00\x00")]
    #[case::older_than_the_uuid(
        b"\x00\x02\x00\x00\x0a\x00\x00\x00\x01\x08\x00\x00\x00\x00\x00\x00\x00\x00"
    )]
    fn no_uuid_is_made_up(#[case] table: &[u8]) {
        assert_eq!(firmware_uuid(table), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = firmware_uuid(&bytes);
            let _ = firmware_uuid(&with_len([&[0; 8], &bytes[..]].concat()));
        }

        #[test]
        fn no_cut_gives_another_uuid(cut in 0usize..90) {
            let whole = wine();
            if let Some(uuid) = firmware_uuid(&whole[..cut.min(whole.len())]) {
                prop_assert_eq!(uuid, UUID);
            }
        }
    }
}
