//! Small files of the data directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts a file in place at once and durably: whoever reads finds the old content or the new, also after a power cut.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
