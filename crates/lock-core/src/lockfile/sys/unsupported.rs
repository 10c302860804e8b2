//! No seam for this operating system yet: every file operation answers `Unsupported`.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use super::{Access, At, Byte, Facts, Sys};
use crate::filesystem::Filesystem;

/// A system that can do nothing, and says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

/// The only directory there is: the root, which cannot be looked into.
#[derive(Debug)]
pub struct Root;

fn no<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "lock files are not supported on this OS yet"))
}

impl Sys for Native {
    type File = Infallible;
    type Dir = Root;

    fn root(&self) -> &Root {
        &Root
    }
    fn create_new(&self, _: At<'_, Self>) -> io::Result<Infallible> {
        no()
    }
    fn open(&self, _: At<'_, Self>, _: Access) -> io::Result<(Infallible, Facts)> {
        no()
    }
    fn facts(&self, file: &Infallible) -> io::Result<Facts> {
        match *file {}
    }
    fn stat(&self, _: At<'_, Self>) -> io::Result<Facts> {
        no()
    }
    fn is_dangling(&self, _: At<'_, Self>) -> io::Result<bool> {
        no()
    }
    fn read(&self, file: &Infallible, _: usize) -> io::Result<Vec<u8>> {
        match *file {}
    }
    fn write(&self, file: &Infallible, _: u64, _: &[u8]) -> io::Result<()> {
        match *file {}
    }
    fn try_lock(&self, file: &Infallible, _: Byte) -> io::Result<bool> {
        match *file {}
    }
    fn unlock(&self, file: &Infallible, _: Byte) -> io::Result<()> {
        match *file {}
    }
    fn is_locked(&self, file: &Infallible, _: Byte) -> io::Result<bool> {
        match *file {}
    }
    fn make_inheritable(&self, file: &mut Infallible) -> io::Result<()> {
        match *file {}
    }
    fn link(&self, _: At<'_, Self>, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn rename_new(&self, _: At<'_, Self>, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn rename(&self, _: At<'_, Self>, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn remove(&self, _: At<'_, Self>, file: &Infallible) -> io::Result<()> {
        match *file {}
    }
    fn remove_link(&self, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn create_dir(&self, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn open_dir(&self, _: At<'_, Self>) -> io::Result<Root> {
        no()
    }
    fn dir_facts(&self, _: &Root) -> io::Result<Facts> {
        no()
    }
    fn list(&self, _: &Root, _: usize) -> io::Result<Vec<OsString>> {
        no()
    }
    fn remove_dir(&self, _: At<'_, Self>) -> io::Result<()> {
        no()
    }
    fn filesystem(&self, file: &Infallible) -> Filesystem {
        match *file {}
    }
    fn dir_filesystem(&self, _: &Root) -> Filesystem {
        Filesystem::unknown()
    }
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
