//! Lists: label names and values, series, exemplars, metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    Exemplar, Held, LabelRequest, Labels, Matcher, Metadata, MetricType, SourceError, Tenant, TimeRange, Timestamp,
};
use roaring::RoaringBitmap;

use super::found::{in_block, in_blocks, in_head};
use super::join::{self, Entry, NONE};
use super::{ENTRY_BYTES, Reader, Wanted, labels};
use crate::SeriesExemplars;
use crate::block::{Block, GroupRanges};
use crate::head::{Head, PART_SUFFIXES, Stored};

/// What an answer takes besides its text, in a list that is sorted.
const ANSWER_BYTES: usize = 96;
/// How far from the samples of a block its exemplars may lie.
const EXEMPLAR_SLACK_MS: i64 = 10 * 60 * 1000;

/// Slots that a request is about; `None` for all.
fn in_index(head: &Head, request: &LabelRequest<'_>) -> Option<RoaringBitmap> {
    if request.matcher_sets.is_empty() {
        return (!head.lies_within(request.range)).then(|| head.matching(&[], request.range));
    }
    let sets = request.matcher_sets.iter().map(|matchers| head.matching(matchers, request.range));
    Some(sets.fold(RoaringBitmap::new(), |union, set| union | set))
}

fn sets<'r>(request: &LabelRequest<'r>) -> Vec<&'r [Matcher]> {
    match request.matcher_sets {
        [] => vec![&[]],
        sets => sets.iter().map(Vec::as_slice).collect(),
    }
}

/// Asks for the memory of one answer.
fn take(request: &LabelRequest<'_>, text_bytes: usize) -> Result<(), SourceError> {
    Ok(request.memory.map_or(Ok(()), |memory| memory.take(text_bytes + ANSWER_BYTES))?)
}

/// Adds texts; some may be there already.
fn add(
    request: &LabelRequest<'_>,
    texts: impl IntoIterator<Item = impl Into<String>>,
    found: &mut Vec<String>,
) -> Result<(), SourceError> {
    for text in texts {
        let text = text.into();
        take(request, text.len())?;
        found.push(text);
    }
    Ok(())
}

/// The texts in order, each once. They come in a few sorted runs, which this sort makes use of.
fn sorted(mut found: Vec<String>, limit: usize) -> Vec<String> {
    found.sort();
    found.dedup();
    limited(found.into_iter(), limit)
}

fn limited<T>(list: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    list.take(if limit == 0 { usize::MAX } else { limit }).collect()
}

/// Adds to a list what the rows of each block have that the request is about.
fn from_blocks(
    reader: &Reader,
    request: &LabelRequest<'_>,
    list: impl Fn(&Block, &[GroupRanges]) -> std::io::Result<Vec<String>>,
    found: &mut Vec<String>,
) -> Result<(), SourceError> {
    let sets = sets(request);
    for block in reader.view.of(request.tenant, request.range) {
        let has_graves = reader.view.graves_of(block).next().is_some();
        let rows = match &sets[..] {
            [set] if !has_graves => block.matching_ranges(set, request.range),
            _ => match in_block(reader, block, &sets, request.range)? {
                Some(rows) => block.ranges_of(&rows.rows),
                None => continue,
            },
        };
        let listed = reader.sound(block, rows.and_then(|rows| list(block, &rows)))?;
        add(request, listed.unwrap_or_default(), found)?;
    }
    Ok(())
}

pub(crate) fn label_names(reader: &Reader, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
    let mut found = Vec::new();
    if let Some(head) = &reader.head {
        let set = in_index(head, request);
        let index = head.index.read();
        let names = index.names.iter().filter(|(_, name)| set.as_ref().is_none_or(|set| name.touches(set)));
        add(request, names.map(|(symbol, _)| index.symbols.text(*symbol)), &mut found)?;
    }
    from_blocks(reader, request, |block, rows| block.label_names(rows), &mut found)?;
    Ok(sorted(found, request.limit))
}

pub(crate) fn label_values(
    reader: &Reader,
    name: &str,
    request: &LabelRequest<'_>,
) -> Result<Vec<String>, SourceError> {
    let mut found = Vec::new();
    if let Some(head) = &reader.head {
        let set = in_index(head, request);
        let index = head.index.read();
        let values = index.name(name).into_iter().flat_map(|name| &name.values);
        let values = values.filter(|(_, postings)| set.as_ref().is_none_or(|set| postings.touches(set)));
        add(request, values.map(|(symbol, _)| index.symbols.text(*symbol)), &mut found)?;
    }
    from_blocks(reader, request, |block, rows| block.label_values(name, rows), &mut found)?;
    Ok(sorted(found, request.limit))
}

pub(crate) fn series(reader: &Reader, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
    let sets = sets(request);
    let mut held = Held::of(request.memory);
    let head = in_head(reader, &sets, request.range, &mut held)?;
    let blocks = in_blocks(reader, request.tenant, &sets, request.range, &mut held)?;
    let mut joined = join::join(reader, &blocks, head)?;
    held.add(joined.entries.len() * ENTRY_BYTES)?;
    let labels = labels::read(reader, &blocks, &mut joined, None, &mut held)?;
    let of_entry = |(entry, labels): (&Entry, Labels)| {
        let labels = if entry.slot == NONE { labels } else { reader.head_labels(entry.slot, &Wanted::All) };
        take(request, labels.encoded_len())?;
        Ok(labels)
    };
    let found: Result<Vec<Labels>, SourceError> = joined.entries.iter().zip(labels).map(of_entry).collect();
    let mut found = found?;
    // Rows of blocks come nearly sorted, which this sort makes use of.
    found.sort();
    Ok(limited(found.into_iter(), request.limit))
}

/// Exemplars in `range` of the series that match all matchers of at least one set (of all, where there is no set).
pub(crate) fn exemplars(
    reader: &Reader,
    tenant: &Tenant,
    sets: &[Vec<Matcher>],
    range: TimeRange,
) -> Result<Vec<SeriesExemplars>, SourceError> {
    let request = LabelRequest { tenant, matcher_sets: sets, range, limit: 0, memory: None };
    let sets = self::sets(&request);
    let mut found: BTreeMap<Labels, Vec<Exemplar>> = BTreeMap::new();
    let near = TimeRange { start: range.start.plus_ms(-EXEMPLAR_SLACK_MS), end: range.end.plus_ms(EXEMPLAR_SLACK_MS) };
    for block in reader.view.of(tenant, near) {
        let Some(rows) = in_block(reader, block, &sets, TimeRange::ALL)? else { continue };
        let lists = reader.sound(block, block.exemplars(&rows.rows, range))?.unwrap_or_default();
        for (row, list) in lists {
            if let Some(labels) = reader.sound(block, block.labels(row, None))? {
                found.entry(labels).or_default().extend(list);
            }
        }
    }
    if let Some(head) = &reader.head {
        in_memory(reader, head, &sets, range, &mut found);
    }
    let series = |(labels, mut exemplars): (Labels, Vec<Exemplar>)| {
        exemplars.sort_by_key(|e| e.timestamp);
        exemplars.dedup();
        SeriesExemplars { labels, exemplars }
    };
    Ok(found.into_iter().map(series).collect())
}

fn in_memory(
    reader: &Reader,
    head: &Arc<Head>,
    sets: &[&[Matcher]],
    range: TimeRange,
    found: &mut BTreeMap<Labels, Vec<Exemplar>>,
) {
    let lists = head.exemplars.lock().select(range);
    if lists.is_empty() {
        return;
    }
    let matching: Vec<RoaringBitmap> = sets.iter().map(|set| head.index.read().matching(set)).collect();
    for list in lists {
        let (slot, id) = (list[0].slot, list[0].id);
        let stands_here = |slot: u32| {
            let shard = head.shards[head.shard_of_slot(slot)].read();
            shard.get(head.local(slot)).is_some_and(|series| series.id == id)
        };
        if matching.iter().any(|set| set.contains(slot)) && stands_here(slot) {
            let exemplar =
                |e: Stored| Exemplar { labels: e.labels, value: e.value, timestamp: Some(Timestamp(e.time)) };
            let labels = reader.head_labels(slot, &Wanted::All);
            found.entry(labels).or_default().extend(list.into_iter().map(exemplar));
        }
    }
}

/// Metadata by metric family name, sorted; at most `limit` families (0 for all), or only that of `metric`. The head knows
/// the newest; blocks know of families that it has not seen.
pub(crate) fn metadata(
    reader: &Reader,
    tenant: &Tenant,
    limit: usize,
    metric: Option<&str>,
) -> Result<Vec<(String, Metadata)>, SourceError> {
    let mut found: BTreeMap<String, Metadata> = BTreeMap::new();
    for block in reader.view.of(tenant, TimeRange::ALL) {
        for (name, metadata) in reader.sound(block, block.metadata())?.unwrap_or_default() {
            found.insert(family(&name, &metadata).to_owned(), metadata);
        }
    }
    if let Some(head) = &reader.head {
        // A family is called by its own name where the head knows it: blocks know only the names of metrics.
        found.retain(|name, _| head.metadata_of(name).is_none());
        found.extend(head.metadata());
    }
    found.retain(|name, _| metric.is_none_or(|metric| metric == name));
    Ok(limited(found.into_iter(), limit))
}

/// The name of the family that a metric of a block belongs to, as well as its name can tell.
fn family<'n>(metric: &'n str, metadata: &Metadata) -> &'n str {
    let has_parts =
        matches!(metadata.metric_type, MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary);
    let base = PART_SUFFIXES.iter().find_map(|suffix| metric.strip_suffix(suffix));
    if has_parts { base.unwrap_or(metric) } else { metric }
}
