//! The part of a flush that writes the rows of one head, some hundred series at a time: under locks their chunks are copied,
//! without locks these are decoded and written.

use std::io;
use std::ops::Range;

use hashbrown::{HashMap, HashSet};
use model::{Exemplar, METRIC_NAME, Metadata, SampleBuffer, TimeRange, Timestamp};

use super::Places;
use super::definitions::log_exemplars;
use crate::block::{BlockEntry, BlockWriter, SeriesHash, WriterOptions};
use crate::head::{Head, Pair, Stored, Symbol};
use crate::headlog::HeadLog;
use crate::{chunk, merge};

/// Series whose chunks are in memory twice.
const BATCH: usize = 512;

/// What was written of one head.
#[derive(Debug)]
pub(super) struct Written {
    /// The block, finished but not committed; `None` where nothing was in memory.
    pub(super) entry: Option<BlockEntry>,
    /// Number that ends the exemplars taken.
    exemplars_end: u64,
    /// Series whose exemplars are in the block.
    with_exemplars: HashSet<u64>,
}

impl Written {
    /// The block counts: its exemplars need not be written again.
    pub(super) fn is_committed(&self, head: &Head) {
        head.exemplars.lock().are_flushed(self.exemplars_end, |id| self.with_exemplars.contains(&id));
    }
}

/// Writes what is in memory to a block.
pub(super) fn write(head: &Head, places: Places<'_>, wal_from: u64, headlog: &mut HeadLog) -> io::Result<Written> {
    let (unflushed, exemplars_end) = head.exemplars.lock().unflushed();
    let mut exemplars: HashMap<u64, Vec<Stored>> = HashMap::new();
    unflushed.into_iter().for_each(|exemplar| exemplars.entry(exemplar.id).or_default().push(exemplar));
    let mut rows = Rows { head, places, wal_from, block: None, exemplars, with_exemplars: HashSet::new() };
    let result = rows.write_all();
    let Rows { block, exemplars, with_exemplars, .. } = rows;
    let left: Vec<Stored> = exemplars.into_values().flatten().collect();
    if let Err(error) = result.and_then(|()| log_exemplars(head, &left, headlog)) {
        if let Some((writer, _)) = block {
            writer.abandon();
        }
        return Err(error);
    }
    let finish = |(writer, entry): (BlockWriter, BlockEntry)| {
        let unfinished = entry.clone();
        writer.finish(entry).inspect_err(|_| places.shelf.discard(&[unfinished]))
    };
    let entry = block.map(finish).transpose()?;
    Ok(Written { entry, exemplars_end, with_exemplars })
}

struct Rows<'f> {
    head: &'f Head,
    places: Places<'f>,
    wal_from: u64,
    block: Option<(BlockWriter, BlockEntry)>,
    /// Of series that did not come yet, by series.
    exemplars: HashMap<u64, Vec<Stored>>,
    /// Series whose exemplars are in the block.
    with_exemplars: HashSet<u64>,
}

/// A series on its way from the head to the block.
struct Taken {
    id: u64,
    identity: SeriesHash,
    pairs: Range<usize>,
    chunks: Range<usize>,
}

/// Texts of labels, one after the other; neighbours share what they have in common.
#[derive(Default)]
struct Texts {
    text: String,
    /// Where each series' labels stand in `labels`.
    rows: Vec<Range<usize>>,
    labels: Vec<(Range<usize>, Range<usize>)>,
}

impl Rows<'_> {
    fn write_all(&mut self) -> io::Result<()> {
        let mut upkeep = self.head.upkeep.lock();
        self.head.sort_in_new(&mut upkeep.order);
        let mut batch: Vec<Taken> = Vec::new();
        let mut metadata = FamilyOf::default();
        let (mut chunks, mut pairs) = (Vec::new(), Vec::new());
        for slots in upkeep.order.chunks(BATCH) {
            batch.clear();
            chunks.clear();
            pairs.clear();
            self.take(slots, &mut batch, &mut chunks, &mut pairs);
            if batch.is_empty() {
                continue;
            }
            let texts = self.texts(&batch, &pairs);
            self.write_batch(&batch, &chunks, &texts, &mut metadata)?;
        }
        Ok(())
    }

    /// Seals the series of some slots and copies what has to be written.
    fn take(&self, slots: &[u32], batch: &mut Vec<Taken>, chunks: &mut Vec<u8>, pairs: &mut Vec<Pair>) {
        let head = self.head;
        let mut found: Vec<Option<Taken>> = slots.iter().map(|_| None).collect();
        for (number, shard) in head.shards.iter().enumerate() {
            let mut shard = shard.write();
            for (at, slot) in slots.iter().enumerate().filter(|(_, slot)| head.shard_of_slot(**slot) == number) {
                let Some(series) = shard.get_mut(head.local(*slot)) else { continue };
                let (first_chunk, first_pair) = (chunks.len(), pairs.len());
                let before = series.weight();
                let has_samples = series.begin_flush(self.places.idle.now, chunks);
                head.account_since(before, series);
                if has_samples {
                    pairs.extend_from_slice(&series.pairs);
                    found[at] = Some(Taken {
                        id: series.id,
                        identity: series.identity(),
                        pairs: first_pair..pairs.len(),
                        chunks: first_chunk..chunks.len(),
                    });
                }
            }
        }
        batch.extend(found.into_iter().flatten());
    }

    fn texts(&self, batch: &[Taken], pairs: &[Pair]) -> Texts {
        let index = self.head.index.read();
        let mut texts = Texts::default();
        let mut before: &[Pair] = &[];
        let mut before_from = 0;
        for series in batch {
            let mine = &pairs[series.pairs.clone()];
            let from = texts.labels.len();
            for (at, pair) in mine.iter().enumerate() {
                let known = before.get(at).map(|other| (other, texts.labels[before_from + at].clone()));
                let (name, value) = match known {
                    Some((other, known)) if other == pair => known,
                    Some((other, known)) if other.name == pair.name => {
                        (known.0, texts.put(index.symbols.text(pair.value)))
                    }
                    _ => (texts.put(index.symbols.text(pair.name)), texts.put(index.symbols.text(pair.value))),
                };
                texts.labels.push((name, value));
            }
            texts.rows.push(from..texts.labels.len());
            (before, before_from) = (mine, from);
        }
        texts
    }

    fn write_batch(
        &mut self,
        batch: &[Taken],
        chunks: &[u8],
        texts: &Texts,
        metadata: &mut FamilyOf,
    ) -> io::Result<()> {
        let mut samples = SampleBuffer::default();
        let mut labels: Vec<(&str, &str)> = Vec::new();
        for (series, row) in batch.iter().zip(&texts.rows) {
            samples.clear();
            for piece in chunk::listed(&chunks[series.chunks.clone()]) {
                piece.and_then(|p| chunk::decode(p, TimeRange::ALL, &mut samples)).map_err(io::Error::other)?;
            }
            merge::normalise(&mut samples, 0);
            labels.clear();
            let text = |range: &Range<usize>| &texts.text[range.clone()];
            labels.extend(texts.labels[row.clone()].iter().map(|(name, value)| (text(name), text(value))));
            let exemplars = self.exemplars_of(series.id);
            let metadata = metadata.get(self.head, &labels);
            self.writer()?.add(series.identity, &labels, metadata, &samples, &exemplars)?;
        }
        Ok(())
    }

    fn exemplars_of(&mut self, id: u64) -> Vec<Exemplar> {
        let Some(list) = self.exemplars.remove(&id) else { return Vec::new() };
        self.with_exemplars.insert(id);
        let exemplar = |e: Stored| Exemplar { labels: e.labels, value: e.value, timestamp: Some(Timestamp(e.time)) };
        list.into_iter().map(exemplar).collect()
    }

    fn writer(&mut self) -> io::Result<&mut BlockWriter> {
        if self.block.is_none() {
            let options = WriterOptions { label_names: self.label_names(), wal_from: self.wal_from };
            let block = crate::shelf::create(self.places.shelf, &self.head.tenant, 0, self.places.now, options)?;
            self.block = Some(block);
        }
        Ok(&mut self.block.as_mut().expect("the block was begun above").0)
    }

    /// Names of labels, those that most series have first.
    fn label_names(&self) -> Vec<String> {
        let index = self.head.index.read();
        let mut names: Vec<(u64, Symbol)> = index.names.iter().map(|(symbol, name)| (name.len(), *symbol)).collect();
        names.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| index.symbols.text(a.1).cmp(index.symbols.text(b.1))));
        names.into_iter().map(|(_, symbol)| index.symbols.text(symbol).to_owned()).collect()
    }
}

impl Texts {
    fn put(&mut self, text: &str) -> Range<usize> {
        let from = self.text.len();
        self.text.push_str(text);
        from..self.text.len()
    }
}

/// The metadata of a metric's family, looked up once for all its series.
#[derive(Default)]
struct FamilyOf {
    metric: Option<String>,
    found: Option<Metadata>,
}

impl FamilyOf {
    fn get(&mut self, head: &Head, labels: &[(&str, &str)]) -> Option<&Metadata> {
        let metric = labels.iter().find(|(name, _)| *name == METRIC_NAME).map_or("", |(_, value)| value);
        if self.metric.as_deref() != Some(metric) {
            self.metric = Some(metric.to_owned());
            self.found = head.metadata_of(metric);
        }
        self.found.as_ref()
    }
}
