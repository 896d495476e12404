//! Where finished files lie: a directory ([`LocalFiles`]) or a bucket ([`RemoteFiles`]).
//!
//! A file is put once, whole and durable, is read at any place, and goes. Names are flat. Calls block and may come from
//! any thread.

mod faulty;
mod local;
mod memory;
mod remote;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use faulty::{FaultyFiles, FileFaults};
pub use local::LocalFiles;
pub use memory::MemoryFiles;
pub use remote::{RemoteFiles, RemoteOptions};

use crate::disk::ReadFile;

/// A file in a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileInfo {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A place for finished files.
pub trait FileStore: Debug + Send + Sync {
    /// Moves a local file, already synced, into the store under `name`, replacing a file of that name; durable when it
    /// answers. After an error the local file and the stored one may or may not be there: put a new file under a new name.
    fn put(&self, name: &str, local: &Path) -> io::Result<()>;

    /// Puts a small file from memory; readers see the old content or the new.
    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Opens a file for reading; `NotFound` where it is not there (a bucket may say so only when the file is read).
    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>>;

    /// Opens a file that is known to be there, with a length that is known. A bucket is not asked before the file is read, so
    /// this succeeds while it does not answer.
    fn open_listed(&self, name: &str, length: u64) -> io::Result<Arc<dyn ReadFile>> {
        let _ = length;
        self.open(name)
    }

    /// Removes a file. Removing what is not there is fine.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// All files, sorted by name.
    fn list(&self) -> io::Result<Vec<FileInfo>>;

    /// Makes the file available at a local path that must not exist: as a second name of the same bytes where that is
    /// possible, as a copy otherwise; durable when it answers.
    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()>;

    /// Where this is, for people; without secrets.
    fn describe(&self) -> String;

    /// True where the files outlive this machine's disk.
    fn is_remote(&self) -> bool;

    /// The whole content of a small file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.open(name)?;
        let mut bytes = vec![0; file.len()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// Refuses names that could leave the store's directory.
pub(crate) fn checked_name(name: &str) -> io::Result<&str> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(name);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name for a file in a store")))
}
