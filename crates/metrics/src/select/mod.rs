//! Reading: selections over head and blocks.

mod found;
mod join;
mod labels;
mod lists;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{
    Footprint, Held, Labels, Projection, Reservation, SampleBuffer, SelectRequest, SeriesSet, SourceError, Tenant,
    TimeRange, Timestamp,
};
use parking_lot::Mutex;

use crate::block::Block;
use crate::epochs::Pin;
use crate::head::{Head, Symbol};
use crate::merge;
use crate::shelf::{Shelf, View, is_damage};
use found::BlockRows;
use join::{Entry, Joined, NONE, Source};

pub(crate) use lists::{exemplars, label_names, label_values, metadata, series};

/// What an entry takes while lists of entries are joined and grow.
const ENTRY_BYTES: usize = 96;
/// Rows of one series that are read without asking for memory: some 200 KB.
const UNCOUNTED_ROWS: usize = 8;
/// Samples of a row at most.
const ROW_SAMPLES: usize = 1024;
/// What a sample takes in a buffer that grows by doubling.
const SAMPLE_BYTES: usize = 32;

/// What readers look at. The pin comes first, so that nothing of what is seen afterwards is taken away.
#[derive(Debug)]
pub(crate) struct Reader {
    pin: Pin,
    head: Option<Arc<Head>>,
    shelf: Arc<Shelf>,
    view: Arc<View>,
    /// What to tell about damage.
    warnings: Mutex<BTreeSet<String>>,
}

impl Reader {
    pub(crate) fn new(pin: Pin, head: Option<Arc<Head>>, shelf: Arc<Shelf>) -> Self {
        let view = shelf.view();
        Reader { pin, head, shelf, view, warnings: Mutex::default() }
    }

    /// The answer, or nothing where the block is damaged there, which is noted. Anything else is an error: the data is there,
    /// but cannot be had just now.
    fn sound<T>(&self, block: &Block, result: io::Result<T>) -> Result<Option<T>, SourceError> {
        match result {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_damage(&error) => {
                let warning = self.shelf.note_damage(block, &error);
                self.warnings.lock().insert(warning);
                Ok(None)
            }
            Err(error) => Err(SourceError::Storage(format!("block {}: {error}", block.entry().file_name()))),
        }
    }

    /// Labels of a series in the head, those that are wanted.
    fn head_labels(&self, slot: u32, wanted: &Wanted) -> Labels {
        let Some(head) = &self.head else { return Labels::empty() };
        let shard = head.shards[head.shard_of_slot(slot)].read();
        let Some(series) = shard.get(head.local(slot)) else { return Labels::empty() };
        let index = head.index.read();
        let pairs = series.pairs.iter().filter(|pair| wanted.holds(pair.name));
        let texts = pairs.map(|pair| (index.symbols.text(pair.name), index.symbols.text(pair.value)));
        Labels::from_sorted(texts, &mut String::with_capacity(256))
    }
}

/// A projection with its names looked up in the head.
#[derive(Debug)]
enum Wanted {
    All,
    Only(Vec<Symbol>),
    Without(Vec<Symbol>),
}

impl Wanted {
    fn new(head: Option<&Arc<Head>>, projection: Option<&Projection>) -> Wanted {
        let lookup = |names: &[String]| -> Vec<Symbol> {
            let index = head.map(|head| head.index.read());
            names.iter().filter_map(|n| index.as_ref()?.symbols.find(n)).collect()
        };
        match projection {
            None => Wanted::All,
            Some(Projection::Only(names)) => Wanted::Only(lookup(names)),
            Some(Projection::Without(names)) => Wanted::Without(lookup(names)),
        }
    }

    fn holds(&self, name: Symbol) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Only(names) => names.contains(&name),
            Wanted::Without(names) => !names.contains(&name),
        }
    }
}

#[derive(Debug)]
struct Selection {
    reader: Reader,
    blocks: Vec<BlockRows>,
    entries: Vec<Entry>,
    sources: Vec<Source>,
    /// Of those that are not in the head.
    labels: Vec<Labels>,
    wanted: Wanted,
    tenant: Tenant,
    range: TimeRange,
    /// Blocks of the tenant, whatever their time.
    blocks_of_tenant: u64,
    /// Where memory for reading is asked for.
    memory: Option<Arc<Reservation>>,
    /// What the selection itself takes.
    _held: Held,
}

/// Finds series.
///
/// Those of the head alone come in the order of their creation. Prometheus' head gives series in that order, and some answers
/// of PromQL hang on it (`limitk`, ties of `topk`). Where blocks take part, what they have comes first, in their order.
pub(crate) fn select(reader: Reader, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
    let sets = [request.matchers];
    let mut held = Held::of(request.memory);
    let head = found::in_head(&reader, &sets, request.range, &mut held)?;
    let blocks = found::in_blocks(&reader, request.tenant, &sets, request.range, &mut held)?;
    let wanted = Wanted::new(reader.head.as_ref(), request.projection);
    let mut joined = join::join(&reader, &blocks, head)?;
    held.add(joined.entries.len() * ENTRY_BYTES)?;
    let labels = labels::read(&reader, &blocks, &mut joined, request.projection, &mut held)?;
    let Joined { entries, sources } = joined;
    let blocks_of_tenant = reader.view.count_of(request.tenant);
    Ok(Box::new(Selection {
        reader,
        blocks,
        entries,
        sources,
        labels,
        wanted,
        tenant: request.tenant.clone(),
        range: request.range,
        blocks_of_tenant,
        memory: request.memory.cloned(),
        _held: held,
    }))
}

impl Selection {
    fn read_block(&self, source: &Source, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let BlockRows { block, graves, .. } = &self.blocks[source.block as usize];
        if !block.entry().range.overlaps(&range) {
            return Ok(());
        }
        let begin = out.len();
        if self.reader.sound(block, block.read(source.row, range, out))?.is_none() {
            out.truncate(begin);
        }
        for grave in graves {
            if grave.rows.binary_search(&source.row).is_ok() {
                merge::remove(out, begin, grave.range);
            }
        }
        Ok(())
    }

    fn newest_in_head(&self, slot: u32) -> Option<(i64, f64)> {
        let head = self.reader.head.as_ref()?;
        head.shards[head.shard_of_slot(slot)].read().get(head.local(slot))?.newest_float()
    }

    fn read_head(&self, slot: u32, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let Some(head) = &self.reader.head else { return Ok(()) };
        let shard = head.shards[head.shard_of_slot(slot)].read();
        let Some(series) = shard.get(head.local(slot)) else { return Ok(()) };
        let sees_blocks = self.reader.pin.epoch >= head.durable_epoch.load(Ordering::SeqCst);
        series.read(range, sees_blocks, out).map_err(|error| SourceError::Storage(error.to_string()))
    }
}

impl SeriesSet for Selection {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn labels(&self, index: usize) -> Labels {
        let entry = &self.entries[index];
        if entry.slot != NONE { self.reader.head_labels(entry.slot, &self.wanted) } else { self.labels[index].clone() }
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let begin = out.len();
        let entry = &self.entries[index];
        let sources = &self.sources[entry.sources()];
        if sources.len() > UNCOUNTED_ROWS {
            // Whoever owns the buffer counts it when it is full; until then it must not grow unseen.
            let mut held = Held::of(self.memory.as_ref());
            for source in sources {
                held.set((out.timestamps.capacity() + ROW_SAMPLES) * SAMPLE_BYTES)?;
                self.read_block(source, range, out)?;
            }
        } else {
            for source in sources {
                self.read_block(source, range, out)?;
            }
        }
        if entry.slot != NONE {
            self.read_head(entry.slot, range, out)?;
        }
        // A row is in order by itself. Blocks come in the order of writing, and so before the head: what was written first wins.
        if entry.slot != NONE || sources.len() > 1 {
            merge::normalise(out, begin);
        }
        Ok(())
    }

    fn read_newest(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let entry = &self.entries[index];
        if entry.slot != NONE
            && let Some((time, value)) = self.newest_in_head(entry.slot)
            && range.contains(Timestamp(time))
        {
            // Imported blocks may hold what is newer, and blocks from before a restart what was written first.
            let is_older = |source: &Source| self.blocks[source.block as usize].block.entry().range.end.ms() < time;
            if self.sources[entry.sources()].iter().all(is_older) {
                out.push_float(time, value);
                return Ok(());
            }
        }
        self.read(index, range, out)
    }

    fn warnings(&self) -> Vec<String> {
        let met = self.reader.warnings.lock().clone();
        met.into_iter().chain(self.reader.view.gaps(&self.tenant, self.range)).collect()
    }

    fn footprint(&self) -> Footprint {
        let blocks_read = self.blocks.len() as u64;
        let mut sum = Footprint {
            head_series: self.entries.iter().filter(|entry| entry.slot != NONE).count() as u64,
            blocks_read,
            blocks_skipped: self.blocks_of_tenant - blocks_read,
            rows: self.sources.len() as u64,
            ..Footprint::default()
        };
        // A block that is damaged there was noted when it was read.
        for touched in self.blocks.iter().filter_map(|rows| rows.block.touched(&rows.rows).ok()) {
            sum.pages_read += touched.pages;
            sum.pages_skipped += touched.other_pages;
            sum.bytes += touched.bytes;
        }
        sum
    }
}
