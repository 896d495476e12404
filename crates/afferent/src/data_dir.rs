//! The data directory and its lock: two servers never write to the same one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};

/// Holds the lock for as long as it lives; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

/// Makes the directory where it is missing, and locks it.
pub(crate) fn lock(dir: &Path) -> anyhow::Result<DataDir> {
    let shown = dir.display();
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the data directory {shown}"))?;
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let owner = owner.trim();
            let who = if owner.is_empty() {
                "another server".to_owned()
            } else {
                format!("the server with process id {owner}")
            };
            bail!(
                "the data directory {shown} is in use by {who}: stop it first, or choose another directory with --data"
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    // Who holds the lock is a courtesy to the next one; a full disk must not prevent the start.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(DataDir { _lock: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("made/on/demand");
        let first = lock(&data).unwrap();
        let error = lock(&data).unwrap_err().to_string();
        assert!(error.contains(&format!("process id {}", std::process::id())), "{error}");
        drop(first);
        lock(&data).unwrap();
    }
}
