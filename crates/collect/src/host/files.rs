//! Small files of the kernel.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::CollectError;

/// The text of a file; bytes that are not UTF-8 are replaced. A missing file is [`CollectError::NoData`].
pub(super) fn read(path: &Path) -> Result<String, CollectError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(CollectError::NoData),
        Err(source) => Err(CollectError::Read { path: path.to_owned(), source }),
    }
}

/// The trimmed text of a file, `None` where it cannot be read: many files of `/sys` exist but answer with an error.
pub(super) fn line(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The number in a file; decimal, or hexadecimal after `0x`.
pub(super) fn number(path: &Path) -> Option<f64> {
    let text = line(path)?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|value| value as f64),
        None => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

/// As [`number`], where its absence is an error.
pub(super) fn required_number(path: &Path) -> Result<f64, CollectError> {
    let text = read(path)?;
    text.trim().parse().map_err(|_| CollectError::Format { path: path.to_owned(), expected: "a number" })
}

/// The entries of a directory, sorted by name. A missing directory is [`CollectError::NoData`].
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let read = fs::read_dir(directory).map_err(|source| match source.kind() {
        ErrorKind::NotFound => CollectError::NoData,
        _ => CollectError::Read { path: directory.to_owned(), source },
    })?;
    let mut entries: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    Ok(entries)
}

/// The last part of a path as text.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Entries named `PREFIX` and a number, as `(number, path)`, in the order of their numbers.
pub(super) fn numbered(directory: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, CollectError> {
    let mut found: Vec<(u64, PathBuf)> = entries(directory)?
        .into_iter()
        .filter_map(|path| {
            let number = name(&path).strip_prefix(prefix)?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    found.sort();
    Ok(found)
}
