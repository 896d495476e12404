//! A bucket in memory, for tests: what a put answered is there for good, whatever happens to the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::{Disk, ReadFile};
use crate::files::{FileInfo, FileStore, checked_name};

/// Files in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryFiles {
    disk: Arc<dyn Disk>,
    files: Arc<Mutex<BTreeMap<String, Arc<Content>>>>,
}

#[derive(Debug)]
struct Content(Vec<u8>);

impl ReadFile for Content {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = (offset as usize).checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.0.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

impl MemoryFiles {
    /// No files yet; local files are read from and written to `disk`.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        MemoryFiles { disk, files: Arc::default() }
    }
}

impl FileStore for MemoryFiles {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        self.put_bytes(name, &self.disk.read(local)?)?;
        // As with a real bucket, a local file that cannot be removed is no failure.
        let _ = self.disk.remove(local);
        Ok(())
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.lock().insert(checked_name(name)?.to_owned(), Arc::new(Content(bytes.to_vec())));
        Ok(())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        let found = self.files.lock().get(checked_name(name)?).cloned();
        Ok(found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name} is not there")))?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().remove(checked_name(name)?);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let files = self.files.lock();
        let infos = files.iter().map(|(name, content)| FileInfo { name: name.clone(), bytes: content.0.len() as u64 });
        Ok(infos.collect())
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        if self.disk.open(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        super::local::copy(self.disk.as_ref(), self.open(name)?.as_ref(), to)?;
        to.parent().map_or(Ok(()), |dir| self.disk.sync_dir(dir))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn is_remote(&self) -> bool {
        true
    }
}
