//! A page whose entries are in memory: of the head, or put together from others for one reader.

use std::sync::Arc;

use memchr::memmem;
use model::{Column, Held, LineFormat, Lines, LogPage, NamedColumn, PageInfo, SourceError};

use crate::entries::{Entries, find};

/// The page.
pub(crate) struct MemoryPage {
    info: PageInfo,
    timestamps: Arc<[i64]>,
    lines: Arc<Lines>,
    metadata: Arc<[NamedColumn]>,
    /// What it takes of a reader's memory.
    _held: Held,
}

impl MemoryPage {
    /// Entries in order of time; there is at least one.
    pub(crate) fn new(entries: Entries, held: Held) -> Self {
        MemoryPage {
            info: entries.info(),
            metadata: Arc::from(entries.meta.columns(entries.len())),
            timestamps: Arc::from(entries.timestamps),
            lines: Arc::new(entries.lines),
            _held: held,
        }
    }
}

impl LogPage for MemoryPage {
    fn info(&self) -> PageInfo {
        self.info
    }

    fn may_contain(&self, fragment: &[u8]) -> bool {
        memmem::find(&self.lines.text, fragment).is_some()
    }

    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError> {
        Ok(self.timestamps.clone())
    }

    fn lines(&self) -> Result<Arc<Lines>, SourceError> {
        Ok(self.lines.clone())
    }

    fn find(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        Ok(find(&self.lines, text))
    }

    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError> {
        Ok(self.metadata.clone())
    }

    fn column(&self, _: LineFormat, _: &str) -> Result<Option<Arc<Column>>, SourceError> {
        Ok(None)
    }

    fn is_all(&self, _: LineFormat) -> bool {
        false
    }

    fn fields(&self, _: LineFormat) -> Vec<String> {
        Vec::new()
    }
}
