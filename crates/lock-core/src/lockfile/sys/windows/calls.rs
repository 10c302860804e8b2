//! The calls of the seam over Windows that `std` does not have. None of them allocates, so that
//! they can also be made while the process exits.
#![allow(unsafe_code, reason = "the module that calls the Windows API directly")]

use std::io;
use std::mem::offset_of;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Wdk::Storage::FileSystem::{
    FS_INFORMATION_CLASS, FileFsAttributeInformation, FileFsDeviceInformation,
    NtQueryVolumeInformationFile,
};
use windows_sys::Wdk::System::SystemServices::{FILE_FS_DEVICE_INFORMATION, FILE_REMOTE_DEVICE};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_LOCK_VIOLATION, ERROR_NOT_SUPPORTED,
    HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateFileW, FILE_ATTRIBUTE_DIRECTORY,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO, FILE_BASIC_INFO,
    FILE_CREATION_DISPOSITION, FILE_DISPOSITION_FLAG_DELETE,
    FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
    FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_ID_INFO, FILE_INFO_BY_HANDLE_CLASS, FILE_RENAME_INFO,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TYPE_DISK, FileAttributeTagInfo,
    FileBasicInfo, FileDispositionInfo, FileDispositionInfoEx, FileIdInfo, FileRenameInfo,
    GetFileInformationByHandle, GetFileInformationByHandleEx, GetFileType, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, SetFileInformationByHandle, UnlockFileEx,
};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, OVERLAPPED};
use windows_sys::Win32::System::Ioctl::{
    FILE_DEVICE_NETWORK_FILE_SYSTEM, FILE_DEVICE_VIRTUAL_DISK,
};

use super::super::{Byte, FileKind};
use super::paths::Wide;
use crate::filesystem::{Disk, Filesystem};

/// What everybody else may do with what is open here.
const SHARE_ALL: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
/// Links are not followed. Directories open too: without the second flag they fail with the code
/// of a file that may not be opened.
const AS_IT_IS: u32 = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;

fn raw(file: &impl AsHandle) -> HANDLE {
    file.as_handle().as_raw_handle()
}

fn check(done: windows_sys::core::BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens or creates what is at a path. The handle is not inherited.
pub(crate) fn open(
    path: &Wide,
    access: u32,
    disposition: FILE_CREATION_DISPOSITION,
) -> io::Result<OwnedHandle> {
    // SAFETY: the path ends with a zero; the rest is numbers and null pointers.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            SHARE_ALL,
            ptr::null(),
            disposition,
            AS_IT_IS,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, and nobody else knows of it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// With whom a byte is shared.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

fn at(byte: Byte) -> OVERLAPPED {
    let mut place = OVERLAPPED::default();
    let offset = byte.offset();
    place.Anonymous.Anonymous.Offset = (offset & 0xffff_ffff) as u32;
    place.Anonymous.Anonymous.OffsetHigh = (offset >> 32) as u32;
    place
}

/// Takes a byte if it is free. A handle that has the byte is in its own way like any other.
pub(crate) fn try_lock(file: &impl AsHandle, byte: Byte, mode: Mode) -> io::Result<bool> {
    let flags = match mode {
        Mode::Shared => LOCKFILE_FAIL_IMMEDIATELY,
        Mode::Exclusive => LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK,
    };
    let mut place = at(byte);
    // SAFETY: the handle is open, and synchronous: `place` is not used after the call.
    let done = unsafe { LockFileEx(raw(file), flags, 0, 1, 0, &raw mut place) };
    match check(done) {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == Some(ERROR_LOCK_VIOLATION.cast_signed()) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Gives a byte back.
pub(crate) fn unlock(file: &impl AsHandle, byte: Byte) -> io::Result<()> {
    let mut place = at(byte);
    // SAFETY: as for locking.
    check(unsafe { UnlockFileEx(raw(file), 0, 1, 0, &raw mut place) })
}

/// Where to rename to, in the form that the system reads.
#[derive(Debug)]
pub(crate) struct RenameTo {
    /// A `FILE_RENAME_INFO`, aligned for it, with the name in its end.
    info: Box<[u64]>,
    len: u32,
}

impl RenameTo {
    /// A name, in no directory that is open: the path says it all.
    pub(crate) fn new(path: &Wide) -> Self {
        let name = path.without_end();
        let start = offset_of!(FILE_RENAME_INFO, FileName);
        // With its zero, which some versions expect and none counts.
        let len = start + size_of_val(name) + 2;
        let len = len.max(size_of::<FILE_RENAME_INFO>());
        let mut info = vec![0_u64; len.div_ceil(8)].into_boxed_slice();
        let header = info.as_mut_ptr().cast::<FILE_RENAME_INFO>();
        // All zeroes means "do not replace" and "in no open directory".
        // SAFETY: the memory is aligned, and as long as the struct at least.
        unsafe { (*header).FileNameLength = size_of_val(name) as u32 };
        let to = header.wrapping_byte_add(start).cast::<u16>();
        // SAFETY: the name fits behind `start`, which is even.
        unsafe { ptr::copy_nonoverlapping(name.as_ptr(), to, name.len()) };
        Self { info, len: len as u32 }
    }
}

/// Gives an open file another name, if that is free. The handle needs the right to delete.
pub(crate) fn rename_new(file: &impl AsHandle, to: &RenameTo) -> io::Result<()> {
    let info = to.info.as_ptr().cast();
    // SAFETY: the handle is open; `info` is a FILE_RENAME_INFO of that length.
    check(unsafe { SetFileInformationByHandle(raw(file), FileRenameInfo, info, to.len) })
}

/// When the name of a deleted file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// When the handle that it was deleted by is closed.
    AtOnce,
    /// When the last handle is: before Windows 10, on FAT, under Wine 8.
    WithTheLastHandle,
}

/// Deletes what is open. The handle needs the right to.
pub(crate) fn delete(file: &impl AsHandle) -> io::Result<Goes> {
    let flags = FILE_DISPOSITION_FLAG_DELETE
        | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS
        | FILE_DISPOSITION_FLAG_IGNORE_READONLY_ATTRIBUTE;
    let at_once = FILE_DISPOSITION_INFO_EX { Flags: flags };
    match set(file, FileDispositionInfoEx, &at_once) {
        Err(e) if is_unknown(&e) => {
            set(file, FileDispositionInfo, &FILE_DISPOSITION_INFO { DeleteFile: true })
                .map(|()| Goes::WithTheLastHandle)
        }
        done => done.map(|()| Goes::AtOnce),
    }
}

/// What systems and file systems answer that do not know a class of information.
fn is_unknown(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(i32::cast_unsigned);
    matches!(code, Some(ERROR_INVALID_PARAMETER | ERROR_NOT_SUPPORTED | ERROR_INVALID_FUNCTION))
}

fn set<T>(file: &impl AsHandle, class: FILE_INFO_BY_HANDLE_CLASS, info: &T) -> io::Result<()> {
    let (info, len) = (ptr::from_ref(info).cast(), size_of::<T>() as u32);
    // SAFETY: the handle is open, and `info` is that long; a struct that is not of the class is
    // an error like any other.
    check(unsafe { SetFileInformationByHandle(raw(file), class, info, len) })
}

fn get<T: Default>(file: &impl AsHandle, class: FILE_INFO_BY_HANDLE_CLASS) -> io::Result<T> {
    let mut info = T::default();
    let (place, len) = ((&raw mut info).cast(), size_of::<T>() as u32);
    // SAFETY: the handle is open; `place` is that long, and any bytes are a valid value of the
    // plain structs that this is called for.
    check(unsafe { GetFileInformationByHandleEx(raw(file), class, place, len) })?;
    Ok(info)
}

/// What a file is and when it last changed, in 100 ns steps since 1601.
pub(crate) fn describe(file: &impl AsHandle) -> io::Result<(FileKind, u64)> {
    // SAFETY: the handle is open.
    if unsafe { GetFileType(raw(file)) } != FILE_TYPE_DISK {
        return Ok((FileKind::Other, 0));
    }
    let basic: FILE_BASIC_INFO = get(file, FileBasicInfo)?;
    let attributes = basic.FileAttributes;
    // Not every reparse point is a link: cloud and deduplicated files are, too.
    let is_link = attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 && {
        let tag: FILE_ATTRIBUTE_TAG_INFO = get(file, FileAttributeTagInfo)?;
        tag.ReparseTag & NAME_SURROGATE != 0
    };
    let kind = match attributes & FILE_ATTRIBUTE_DIRECTORY {
        _ if is_link => FileKind::Symlink,
        0 => FileKind::Regular,
        _ => FileKind::Directory,
    };
    Ok((kind, basic.LastWriteTime.cast_unsigned()))
}

/// `IsReparseTagNameSurrogate`: it stands for another name (symbolic links, junctions).
const NAME_SURROGATE: u32 = 0x2000_0000;

/// Volume and file, as numbers to compare.
///
/// Of the 128 bits of a file id NTFS uses 64. ReFS uses the others as well, for the directory; they
/// are mixed in so that equal low halves do not meet.
pub(crate) fn identity(file: &impl AsHandle) -> io::Result<(u64, u64)> {
    match get::<FILE_ID_INFO>(file, FileIdInfo) {
        Ok(id) => {
            let id128 = u128::from_le_bytes(id.FileId.Identifier);
            let (high, low) = ((id128 >> 64) as u64, id128 as u64);
            let folded = low.wrapping_add(high.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            return Ok((id.VolumeSerialNumber, folded));
        }
        Err(e) if is_unknown(&e) => {}
        Err(e) => return Err(e),
    }
    // FAT, and servers that do not know the long id.
    let mut short = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open; `short` is a valid place for the answer.
    check(unsafe { GetFileInformationByHandle(raw(file), &raw mut short) })?;
    let index = u64::from(short.nFileIndexHigh) << 32 | u64::from(short.nFileIndexLow);
    Ok((short.dwVolumeSerialNumber.into(), index))
}

/// The file system of what is open.
pub(crate) fn filesystem(file: &impl AsHandle) -> Option<Filesystem> {
    let volume: Named = ask_volume(file, FileFsAttributeInformation)?;
    let len = (volume.length / 2) as usize;
    let name = String::from_utf16_lossy(volume.name.get(..len)?);
    Some(Filesystem::classify_windows(&name, disk(file)))
}

/// `FILE_FS_ATTRIBUTE_INFORMATION` with room for its name.
#[repr(C)]
struct Named {
    _attributes: u32,
    _longest_component: i32,
    length: u32,
    name: [u16; 64],
}

impl Default for Named {
    fn default() -> Self {
        Self { _attributes: 0, _longest_component: 0, length: 0, name: [0; 64] }
    }
}

fn ask_volume<T: Default>(file: &impl AsHandle, class: FS_INFORMATION_CLASS) -> Option<T> {
    let mut info = T::default();
    let mut status = IO_STATUS_BLOCK::default();
    let (place, len) = ((&raw mut info).cast(), size_of::<T>() as u32);
    // SAFETY: the handle is open; `place` is that long, and any bytes are a valid value of the
    // plain structs that this is called for.
    let answer =
        unsafe { NtQueryVolumeInformationFile(raw(file), &raw mut status, place, len, class) };
    (answer == 0).then_some(info)
}

/// What the volume is on. `GetDriveType` asks the same, but by a path.
fn disk(file: &impl AsHandle) -> Disk {
    let Some(device) = ask_volume::<FILE_FS_DEVICE_INFORMATION>(file, FileFsDeviceInformation)
    else {
        return Disk::Unknown;
    };
    let remote = device.Characteristics & FILE_REMOTE_DEVICE != 0;
    match device.DeviceType {
        _ if remote => Disk::Remote,
        FILE_DEVICE_NETWORK_FILE_SYSTEM => Disk::Remote,
        FILE_DEVICE_VIRTUAL_DISK => Disk::Memory,
        _ => Disk::Local,
    }
}
