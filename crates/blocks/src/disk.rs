//! The few file operations that stores need, behind a trait, so that a test can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file that grows at its end.
pub trait WriteFile: Send {
    /// Appends all bytes. After an error an unknown part of them may be in the file.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written is durable. After an error the file must not be trusted again.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read at any place.
pub trait ReadFile: Send + Sync + std::fmt::Debug {
    /// Fills the buffer from `offset`; the file must be long enough.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// True for a file without bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A place for files.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a directory and its parents.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Sorted names of the files in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file, replacing an old one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file for writing at its end; makes it where it does not exist.
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file for reading. A file that is removed meanwhile stays readable.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;

    /// Cuts a file to a length, durably.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Gives a file a new name, replacing a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name on the same file system; the new name must not exist. Both share the bytes.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns once the names in a directory are durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let mut bytes = vec![0; file.len()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Puts a file in place at once and durably: readers see the old content or the new.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file = self.create(&temporary)?;
        file.write_all(bytes)?;
        file.sync()?;
        drop(file);
        self.rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))
    }
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl WriteFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl ReadFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(OpenOptions::new().create(true).append(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}
