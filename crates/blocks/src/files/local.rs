//! Files in a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, ReadFile};
use crate::files::{FileInfo, FileStore, checked_name};

const COPY_BYTES: u64 = 1 << 20;

/// A directory of files.
#[derive(Clone, Debug)]
pub struct LocalFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl LocalFiles {
    /// Uses a directory, which is made where it is missing.
    pub fn new(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> io::Result<Self> {
        let dir = dir.into();
        disk.create_dir_all(&dir)?;
        Ok(LocalFiles { disk, dir })
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        Ok(self.dir.join(checked_name(name)?))
    }
}

impl FileStore for LocalFiles {
    fn put(&self, name: &str, local: &Path) -> io::Result<()> {
        self.disk.rename(local, &self.path(name)?)?;
        self.disk.sync_dir(&self.dir)
    }

    fn put_bytes(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.disk.replace(&self.path(name)?, bytes)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn ReadFile>> {
        self.disk.open(&self.path(name)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.disk.remove(&self.path(name)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn list(&self) -> io::Result<Vec<FileInfo>> {
        let mut files = Vec::new();
        for name in self.disk.list(&self.dir)? {
            match self.disk.open(&self.dir.join(&name)) {
                Ok(file) => files.push(FileInfo { bytes: file.len()?, name }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {} // removed meanwhile
                Err(error) => return Err(error),
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    fn copy_out(&self, name: &str, to: &Path) -> io::Result<()> {
        let from = self.path(name)?;
        match self.disk.link(&from, to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                copy(self.disk.as_ref(), self.disk.open(&from)?.as_ref(), to)?;
            }
            other => other?,
        }
        to.parent().map_or(Ok(()), |dir| self.disk.sync_dir(dir))
    }

    fn describe(&self) -> String {
        self.dir.display().to_string()
    }

    fn is_remote(&self) -> bool {
        false
    }
}

/// Copies a file piece by piece and syncs the copy.
pub(crate) fn copy(disk: &dyn Disk, from: &dyn ReadFile, to: &Path) -> io::Result<()> {
    let length = from.len()?;
    let mut file = disk.create(to)?;
    let mut buffer = vec![0; COPY_BYTES.min(length) as usize];
    let mut at = 0;
    while at < length {
        let piece = &mut buffer[..COPY_BYTES.min(length - at) as usize];
        from.read_at(piece, at)?;
        file.write_all(piece)?;
        at += piece.len() as u64;
    }
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::faults::FaultyDisk;

    fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
        let mut file = disk.create(path).unwrap();
        file.write_all(bytes).unwrap();
        file.sync().unwrap();
    }

    #[test]
    fn a_file_is_put_read_copied_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = LocalFiles::new(Arc::new(RealDisk), dir.path().join("blocks")).unwrap();
        write(&RealDisk, &dir.path().join("x.tmp"), b"hello");
        files.put("a.parquet", &dir.path().join("x.tmp")).unwrap();
        files.put_bytes("b", b"bytes").unwrap();
        assert_eq!(files.read("a.parquet").unwrap(), b"hello");
        let listed = files.list().unwrap();
        assert_eq!(listed[0], FileInfo { name: "a.parquet".into(), bytes: 5 });
        assert_eq!(listed.len(), 2);
        files.copy_out("a.parquet", &dir.path().join("copy")).unwrap();
        files.remove("a.parquet").unwrap();
        files.remove("a.parquet").unwrap();
        assert_eq!(RealDisk.read(&dir.path().join("copy")).unwrap(), b"hello");
        assert_eq!(files.open("a.parquet").unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(files.copy_out("b", &dir.path().join("copy")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn names_stay_in_the_directory() {
        let files = LocalFiles::new(Arc::new(FaultyDisk::new(1)), "d").unwrap();
        for name in ["", "..", ".hidden", "a/b", "a\\b", "../x"] {
            assert_eq!(files.open(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn what_was_put_survives_a_crash() {
        for seed in 0..200 {
            let disk = FaultyDisk::new(seed);
            let files = LocalFiles::new(Arc::new(disk.clone()), "d").unwrap();
            write(&disk, Path::new("t/x"), b"hello");
            files.put("a", Path::new("t/x")).unwrap();
            files.copy_out("a", Path::new("s/a")).unwrap();
            disk.crash();
            assert_eq!(files.read("a").unwrap(), b"hello");
            assert_eq!(disk.read(Path::new("s/a")).unwrap(), b"hello");
        }
    }
}
