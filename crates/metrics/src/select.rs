//! Reading: selections, label names and values, exemplars.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{
    Exemplar, LabelRequest, Labels, Matcher, Projection, SampleBuffer, SelectRequest, SeriesSet, SourceError,
    TimeRange, Timestamp,
};
use parking_lot::RwLock;
use roaring::RoaringBitmap;

use crate::SeriesExemplars;
use crate::head::{Head, Symbol};
use crate::merge;

/// Keeps slots and symbols of a head in place.
#[derive(Debug)]
struct Pin(Arc<Head>);

impl Pin {
    fn new(head: &Arc<Head>) -> Self {
        head.pins.fetch_add(1, Ordering::SeqCst);
        Pin(head.clone())
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.0.pins.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A projection with its names looked up.
#[derive(Debug)]
enum Wanted {
    All,
    Only(Vec<Symbol>),
    Without(Vec<Symbol>),
}

impl Wanted {
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
    pin: Pin,
    /// Slot and id of each series.
    series: Vec<(u32, u64)>,
    wanted: Wanted,
}

/// A selection without series.
#[derive(Debug)]
pub(crate) struct Nothing;

impl SeriesSet for Nothing {
    fn len(&self) -> usize {
        0
    }

    fn labels(&self, _: usize) -> Labels {
        Labels::empty()
    }

    fn read(&self, _: usize, _: TimeRange, _: &mut SampleBuffer) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Finds series in a head.
pub(crate) fn select(head: &Arc<Head>, request: &SelectRequest<'_>) -> Box<dyn SeriesSet> {
    let pin = Pin::new(head);
    let found = head.matching(request.matchers, request.range);
    let series = ids(head, &found);
    let lookup = |names: &[String]| {
        let index = head.index.read();
        names.iter().filter_map(|n| index.symbols.find(n)).collect()
    };
    let wanted = match request.projection {
        None => Wanted::All,
        Some(Projection::Only(names)) => Wanted::Only(lookup(names)),
        Some(Projection::Without(names)) => Wanted::Without(lookup(names)),
    };
    Box::new(Selection { pin, series, wanted })
}

/// Slots and ids in the order of creation. Prometheus' head gives series in that order, and some answers of PromQL hang on it
/// (`limitk`, ties of `topk`); slots would not do, as a restart deals them anew.
fn ids(head: &Head, slots: &RoaringBitmap) -> Vec<(u32, u64)> {
    let shards: Vec<_> = head.shards.iter().map(RwLock::read).collect();
    let id = |slot: u32| Some((slot, shards[head.shard_of_slot(slot)].get(head.local(slot))?.id));
    let mut series: Vec<(u32, u64)> = slots.iter().filter_map(id).collect();
    drop(shards);
    series.sort_unstable_by_key(|(_, id)| *id);
    series
}

impl SeriesSet for Selection {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        let head = &self.pin.0;
        let slot = self.series[index].0;
        let shard = head.shards[head.shard_of_slot(slot)].read();
        let series = shard.get(head.local(slot)).expect("the pin keeps selected series in place");
        let index = head.index.read();
        let pairs = series.pairs.iter().filter(|pair| self.wanted.holds(pair.name));
        let texts = pairs.map(|pair| (index.symbols.text(pair.name), index.symbols.text(pair.value)));
        Labels::from_sorted(texts, &mut String::with_capacity(256))
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let head = &self.pin.0;
        let (slot, id) = self.series[index];
        let damaged = |e: crate::bytes::Damaged| SourceError::Storage(e.to_string());
        let begin = out.len();
        let shard = head.shards[head.shard_of_slot(slot)].read();
        let Some(series) = shard.get(head.local(slot)).filter(|s| s.id == id) else { return Ok(()) };
        if !series.is_unresolved && range.start.ms() > series.flushed_until {
            series.read(range, out).map_err(damaged)?;
        } else {
            // The list of parts is taken under the shard's lock: what the series no longer holds, a part of the list does.
            let parts = head.parts.snapshot();
            let mut recent = SampleBuffer::default();
            series.read(range, &mut recent).map_err(damaged)?;
            drop(shard);
            head.parts.read_from(&parts, id, range, out);
            for row in 0..recent.len() {
                merge::push_row(&recent, row, out);
            }
        }
        merge::normalise(out, begin);
        Ok(())
    }
}

/// Slots that a label request is about; `None` for all.
fn requested(head: &Head, request: &LabelRequest<'_>) -> Option<RoaringBitmap> {
    if request.matcher_sets.is_empty() {
        return (request.range != TimeRange::ALL).then(|| head.matching(&[], request.range));
    }
    let sets = request.matcher_sets.iter().map(|matchers| head.matching(matchers, request.range));
    Some(sets.fold(RoaringBitmap::new(), |union, set| union | set))
}

fn sorted(mut texts: Vec<String>, limit: usize) -> Vec<String> {
    texts.sort_unstable();
    if limit > 0 {
        texts.truncate(limit);
    }
    texts
}

pub(crate) fn label_names(head: &Arc<Head>, request: &LabelRequest<'_>) -> Vec<String> {
    let _pin = Pin::new(head);
    let set = requested(head, request);
    let index = head.index.read();
    let names = index.names.iter().filter(|(_, name)| set.as_ref().is_none_or(|set| name.touches(set)));
    sorted(names.map(|(symbol, _)| index.symbols.text(*symbol).to_owned()).collect(), request.limit)
}

pub(crate) fn label_values(head: &Arc<Head>, name: &str, request: &LabelRequest<'_>) -> Vec<String> {
    let _pin = Pin::new(head);
    let set = requested(head, request);
    let index = head.index.read();
    let values = index.name(name).into_iter().flat_map(|name| &name.values);
    let values = values.filter(|(_, postings)| set.as_ref().is_none_or(|set| postings.touches(set)));
    sorted(values.map(|(symbol, _)| index.symbols.text(*symbol).to_owned()).collect(), request.limit)
}

pub(crate) fn series(head: &Arc<Head>, request: &LabelRequest<'_>) -> Vec<Labels> {
    let pin = Pin::new(head);
    let set = requested(head, request).unwrap_or_else(|| head.matching(&[], TimeRange::ALL));
    let selection = Selection { series: ids(head, &set), pin, wanted: Wanted::All };
    let mut found: Vec<Labels> = (0..selection.len()).map(|i| selection.labels(i)).collect();
    found.sort_unstable();
    if request.limit > 0 {
        found.truncate(request.limit);
    }
    found
}

pub(crate) fn exemplars(head: &Arc<Head>, sets: &[Vec<Matcher>], range: TimeRange) -> Vec<SeriesExemplars> {
    let _pin = Pin::new(head);
    let lists = head.exemplars.lock().select(range);
    let matching: Vec<RoaringBitmap> = sets.iter().map(|m| head.matching(m, TimeRange::ALL)).collect();
    let mut scratch = String::new();
    let mut found = Vec::new();
    for list in lists {
        let (slot, id) = (list[0].slot, list[0].id);
        if !sets.is_empty() && !matching.iter().any(|set| set.contains(slot)) {
            continue;
        }
        let shard = head.shards[head.shard_of_slot(slot)].read();
        let Some(series) = shard.get(head.local(slot)).filter(|s| s.id == id) else { continue };
        let labels = head.labels(&series.pairs, &mut scratch);
        let exemplar =
            |e: crate::head::Stored| Exemplar { labels: e.labels, value: e.value, timestamp: Some(Timestamp(e.time)) };
        found.push(SeriesExemplars { labels, exemplars: list.into_iter().map(exemplar).collect() });
    }
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    found
}
