//! A page of the head, as it lies there: nothing of it is copied but what a reader asks for.

use std::sync::{Arc, OnceLock};

use model::{Column, Held, LineFormat, Lines, LogPage, NamedColumn, PageInfo, Reservation, SourceError};

use crate::entries::{Entries, find};
use crate::head::Chunk;

/// The page.
pub(crate) struct ChunkPage {
    chunk: Arc<Chunk>,
    info: PageInfo,
    memory: Option<Arc<Reservation>>,
    lines: OnceLock<(Arc<Lines>, Held)>,
}

impl ChunkPage {
    /// `None` where the entries are not in order, or there are none.
    pub(crate) fn of(chunk: &Arc<Chunk>, memory: Option<&Arc<Reservation>>) -> Option<Self> {
        let entries = chunk.in_order().filter(|entries| !entries.is_empty())?;
        let info = entries.info();
        Some(ChunkPage { chunk: chunk.clone(), info, memory: memory.cloned(), lines: OnceLock::new() })
    }

    fn entries(&self) -> &Entries {
        self.chunk.in_order().expect("a page is made of a chunk in order, and those that are shared do not change")
    }
}

impl LogPage for ChunkPage {
    fn info(&self) -> PageInfo {
        self.info
    }

    fn may_contain(&self, fragment: &[u8]) -> bool {
        memchr::memmem::find(&self.entries().lines.text, fragment).is_some()
    }

    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError> {
        Ok(Arc::from(self.entries().timestamps.as_slice()))
    }

    fn count_until(&self, times: &[i64]) -> Result<Vec<u32>, SourceError> {
        let timestamps = &self.entries().timestamps;
        Ok(times.iter().map(|until| timestamps.partition_point(|time| time <= until) as u32).collect())
    }

    fn lines(&self) -> Result<Arc<Lines>, SourceError> {
        if let Some((lines, _)) = self.lines.get() {
            return Ok(lines.clone());
        }
        let mut held = Held::of(self.memory.as_ref());
        held.add(self.entries().lines.text.len() + 4 * self.entries().len())?;
        let lines = Arc::new(self.entries().lines.clone());
        Ok(self.lines.get_or_init(|| (lines, held)).0.clone())
    }

    fn lines_at(&self, places: &[u32]) -> Result<Lines, SourceError> {
        let mut lines = Lines::default();
        places.iter().for_each(|place| lines.push(self.entries().lines.get(*place as usize)));
        Ok(lines)
    }

    fn find(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        Ok(find(&self.entries().lines, text))
    }

    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError> {
        let entries = self.entries();
        Ok(Arc::from(entries.meta.columns(entries.len())))
    }

    fn may_have_metadata(&self, name: &str) -> bool {
        self.entries().meta.has(name)
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
