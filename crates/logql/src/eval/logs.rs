//! Log queries: entries from the newest page back, or the oldest on, until there are enough.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use model::{Labels, LogPage, NanoRange, PageInfo};
use rayon::prelude::*;

use super::pages::{Metadata, Outlook, Picked, in_range, is_inside, outlook, search, sift};
use super::run::{Run, Task};
use super::shape::Shape;
use crate::engine::{Direction, RangeParams};
use crate::error::QueryError;
use crate::pipeline::{Category, CompiledLineFilter, Pipeline, StreamLabels, Wanted};
use crate::syntax::ast::LogExpr;
use crate::value::{LogLine, LogStream};

/// An entry that passed.
struct Hit {
    timestamp: i64,
    /// Place of its page in the order of reading, and of the entry in the page: what decides between equal times.
    order: (usize, usize),
    line: Vec<u8>,
    labels: LineSet,
}

/// The labels of an entry by category: stream, metadata, parsed.
type LineSet = [Labels; 3];

/// Fewer than one of so many lines of a page are put together alone.
const FEW: usize = 8;
/// Pages that are read at a time at most.
const MOST_AT_ONCE: usize = 16;

/// Entries that pass the pipeline, by labels.
pub(crate) fn select(run: &Run<'_>, log: &LogExpr, params: &RangeParams) -> Result<Vec<LogStream>, QueryError> {
    drop(Pipeline::new(&log.stages, Wanted::All, run.clock)?);
    let range = NanoRange { start: params.start, end: params.end };
    let shape = Shape::of(&log.stages, None, &Wanted::All);
    if shape.is_empty() || params.start >= params.end {
        return Ok(Vec::new());
    }
    let hits = run.with_pages(&log.matchers, range, &shape.fragments(), |set, mut tasks| {
        match params.direction {
            Direction::Backward => tasks.sort_by_key(|task| Reverse(task.info.last)),
            Direction::Forward => tasks.sort_by_key(|task| task.info.first),
        }
        let labels_of = |task: &Task| StreamLabels { labels: set.labels(task.stream) };
        Collector::new(run, log, params, &shape, range).run(&tasks, &labels_of)
    })?;
    Ok(streams(thinned(hits, params)))
}

struct Collector<'c> {
    run: &'c Run<'c>,
    log: &'c LogExpr,
    params: &'c RangeParams,
    shape: &'c Shape,
    range: NanoRange,
    /// Entries to keep; with an interval all, because it is not known yet which of them count.
    limit: usize,
    /// Compiled pipelines that nobody uses at the moment.
    idle: Mutex<Vec<Pipeline>>,
}

impl<'c> Collector<'c> {
    fn new(run: &'c Run<'c>, log: &'c LogExpr, params: &'c RangeParams, shape: &'c Shape, range: NanoRange) -> Self {
        let limit = if params.limit == 0 || params.interval > 0 { usize::MAX } else { params.limit };
        Collector { run, log, params, shape, range, limit, idle: Mutex::default() }
    }

    /// Greater is later in the answer.
    fn key(&self, timestamp: i64) -> i64 {
        match self.params.direction {
            Direction::Forward => timestamp,
            Direction::Backward => !timestamp,
        }
    }

    fn run(&self, tasks: &[Task], labels_of: &(dyn Fn(&Task) -> StreamLabels + Sync)) -> Result<Vec<Hit>, QueryError> {
        // The hit that comes last in the answer is on top, to be replaced first.
        let mut kept: BinaryHeap<(i64, (usize, usize), usize)> = BinaryHeap::new();
        let mut hits: Vec<Option<Hit>> = Vec::new();
        let mut held = self.run.hold();
        let (mut at, mut at_once) = (0, 1);
        while at < tasks.len() {
            self.run.check()?;
            let worst = kept.peek().filter(|_| kept.len() >= self.limit).map(|(key, ..)| *key);
            let first_of = |task: &Task| match self.params.direction {
                Direction::Forward => self.key(task.info.first),
                Direction::Backward => self.key(task.info.last),
            };
            if worst.is_some_and(|worst| first_of(&tasks[at]) > worst) {
                break;
            }
            let batch = &tasks[at..(at + at_once).min(tasks.len())];
            let read = |(i, task): (usize, &Task)| self.page(&labels_of(task), task, at + i, worst);
            let found: Vec<Vec<Hit>> = match batch.len() {
                1 => vec![read((0, &batch[0]))?],
                _ => batch.par_iter().enumerate().map(read).collect::<Result<_, _>>()?,
            };
            for hit in found.into_iter().flatten() {
                let entry = (self.key(hit.timestamp), hit.order, hits.len());
                if kept.len() >= self.limit {
                    if kept.peek().is_some_and(|top| entry >= *top) {
                        continue;
                    }
                    if let Some((_, _, place)) = kept.pop() {
                        hits[place] = None;
                    }
                }
                held.add(hit.line.len() + size_of::<Hit>() + 64)?;
                kept.push(entry);
                hits.push(Some(hit));
            }
            at += batch.len();
            at_once = (at_once * 2).min(MOST_AT_ONCE);
        }
        let mut sorted = kept.into_sorted_vec();
        let hits: Vec<Hit> = sorted.drain(..).filter_map(|(_, _, place)| hits[place].take()).collect();
        self.run.take(hits.iter().map(|hit| hit.line.len() + size_of::<Hit>()).sum())?;
        Ok(hits)
    }

    /// The entries of a page that may be in the answer, at most as many as the limit; `worst` is what they must beat.
    fn page(
        &self,
        stream: &StreamLabels,
        task: &Task,
        order: usize,
        worst: Option<i64>,
    ) -> Result<Vec<Hit>, QueryError> {
        let page = &*task.page;
        let filters = match outlook(page, &self.shape.line_filters) {
            Outlook::Nothing => {
                self.run.note_page_done();
                return Ok(Vec::new());
            }
            Outlook::Filters(filters) => filters,
        };
        let simple = self.shape.simple.as_ref().filter(|simple| !super::columns::has_columns(page, simple.parser));
        let mut needs = simple.into_iter().flat_map(|simple| simple.needs(stream, page));
        if !needs.all(|text| page.may_contain(text)) {
            self.run.note_page_done();
            return Ok(Vec::new());
        }
        self.run.note_page_read();
        let timestamps = page.timestamps()?;
        let picked = Picked::All(self.places(&task.info, &timestamps, worst));
        let (picked, filters) = sift(page, picked, filters)?;
        let metadata = Metadata::of(page, &task.info);
        let picked = self.by_columns(stream, page, &metadata, picked)?;
        if picked.is_empty() {
            self.run.note_page_done();
            return Ok(Vec::new());
        }
        metadata.read()?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut pipeline = match idle {
            Some(pipeline) => pipeline,
            None => Pipeline::new(&self.log.stages, Wanted::All, self.run.clock)?,
        };
        let mut sets = LabelSets::default();
        let mut hits = Vec::new();
        let mut visit = |place: usize, line: &[u8]| -> bool {
            let timestamp = timestamps[place];
            if worst.is_some_and(|worst| self.key(timestamp) > worst) {
                return false;
            }
            let processed = metadata.with(place, |pairs| pipeline.process(stream, timestamp, line, pairs));
            if let Some(line) = processed {
                let order = match self.params.direction {
                    Direction::Forward => (order, place),
                    Direction::Backward => (order, timestamps.len() - place),
                };
                let labels = sets.of(stream, &pipeline);
                hits.push(Hit { timestamp, order, line: line.into_owned(), labels });
            }
            hits.len() < self.limit
        };
        self.each_line(page, task.info.entries as usize, &picked, &filters, &mut visit)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(pipeline);
        self.run.note_page_done();
        Ok(hits)
    }

    /// The places of the entries in the range that may beat `worst`.
    fn places(&self, info: &PageInfo, timestamps: &[i64], worst: Option<i64>) -> Range<usize> {
        let mut places = match is_inside(info, self.range) {
            true => 0..timestamps.len(),
            false => in_range(timestamps, self.range),
        };
        if let Some(worst) = worst {
            match self.params.direction {
                Direction::Forward => places.end = places.end.min(timestamps.partition_point(|time| *time <= worst)),
                Direction::Backward => {
                    places.start = places.start.max(timestamps.partition_point(|time| *time < !worst))
                }
            }
        }
        places.start..places.end.max(places.start)
    }

    /// Visits the picked lines that pass the filters in the order of the answer until `visit` has enough. Lines are put together
    /// a few at a time at first: often those are enough.
    fn each_line(
        &self,
        page: &dyn LogPage,
        entries: usize,
        picked: &Picked,
        filters: &[&CompiledLineFilter],
        visit: &mut dyn FnMut(usize, &[u8]) -> bool,
    ) -> Result<(), QueryError> {
        let mut places: Vec<u32> = picked.iter().map(|place| place as u32).collect();
        if self.params.direction == Direction::Backward {
            places.reverse();
        }
        let passes = |line: &[u8]| filters.iter().all(|filter| filter.passes(line));
        let mut rest = places.as_slice();
        let mut count = self.limit.clamp(16, 1 << 20);
        // Where nothing says which lines may pass, most do not, and all are needed.
        let is_likely = filters.is_empty() || matches!(picked, Picked::Some(_));
        while is_likely && !rest.is_empty() && count.min(rest.len()) * FEW < entries {
            self.run.check()?;
            let (part, others) = rest.split_at(count.min(rest.len()));
            rest = others;
            count *= 4;
            let mut ascending = part.to_vec();
            ascending.sort_unstable();
            let lines = page.lines_at(&ascending)?;
            self.run.note(part.len() as u64, lines.text.len() as u64);
            for (at, place) in part.iter().enumerate() {
                let at = if self.params.direction == Direction::Backward { part.len() - 1 - at } else { at };
                let line = lines.get(at);
                if passes(line) && !visit(*place as usize, line) {
                    return Ok(());
                }
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        let lines = page.lines()?;
        self.run.note(rest.len() as u64, lines.text.len() as u64);
        let found;
        // One search over the page is cheaper than one in each line.
        if !filters.is_empty()
            && rest.len() == places.len()
            && let Picked::All(range) = picked
        {
            found = search(&lines, range.clone(), filters);
            places = found.iter().map(|place| place as u32).collect();
            if self.params.direction == Direction::Backward {
                places.reverse();
            }
            rest = places.as_slice();
        }
        for (count, place) in rest.iter().enumerate() {
            if count.is_multiple_of(4096) {
                self.run.check()?;
            }
            let line = lines.get(*place as usize);
            if passes(line) && !visit(*place as usize, line) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Leaves out what columns say does not pass, where there are label filters to ask for.
    fn by_columns(
        &self,
        stream: &StreamLabels,
        page: &dyn LogPage,
        metadata: &Metadata<'_>,
        picked: Picked,
    ) -> Result<Picked, QueryError> {
        let Some(simple) = self.shape.simple.as_ref().filter(|simple| !simple.passes_all()) else {
            return Ok(picked);
        };
        if !super::columns::has_columns(page, simple.parser) {
            return Ok(picked);
        }
        let columns = super::columns::Columns { page, stream, metadata, parser: simple.parser };
        let all = match &picked {
            Picked::All(range) => Picked::All(range.clone()),
            Picked::Some(places) => Picked::Some(places.clone()),
        };
        Ok(columns.pick(simple, picked)?.unwrap_or(all))
    }
}

/// Labels with their categories.
type Pairs = Vec<(Category, String, String)>;

/// The label sets of the lines of a page, so that equal ones share their text.
#[derive(Default)]
struct LabelSets {
    last: Option<(Pairs, LineSet)>,
    of_stream: Option<LineSet>,
}

impl LabelSets {
    fn of(&mut self, stream: &StreamLabels, pipeline: &Pipeline) -> LineSet {
        if pipeline.labels.is_untouched() {
            let set = || [stream.labels.clone(), Labels::empty(), Labels::empty()];
            return self.of_stream.get_or_insert_with(set).clone();
        }
        let mut pairs = Pairs::new();
        pipeline.labels.each(stream, &mut |category, name, value| {
            pairs.push((category, name.to_owned(), value.to_owned()));
        });
        if let Some((_, set)) = self.last.as_ref().filter(|(known, _)| *known == pairs) {
            return set.clone();
        }
        let part = |category: Category| {
            let mut part: Vec<(&str, &str)> = pairs
                .iter()
                .filter(|pair| pair.0 == category)
                .map(|(_, name, value)| (name.as_str(), value.as_str()))
                .collect();
            part.sort_unstable();
            Labels::from_sorted(part, &mut String::new())
        };
        let set = [part(Category::Stream), part(Category::Metadata), part(Category::Parsed)];
        self.last = Some((pairs, set.clone()));
        set
    }
}

/// Leaves out entries that are closer than the interval to the one before, and what is beyond the limit.
fn thinned(mut hits: Vec<Hit>, params: &RangeParams) -> Vec<Hit> {
    if params.interval > 0 {
        let mut last: Option<i64> = None;
        hits.retain(|hit| {
            let is_far = last.is_none_or(|last| last.abs_diff(hit.timestamp) >= params.interval.unsigned_abs());
            if is_far {
                last = Some(hit.timestamp);
            }
            is_far
        });
        if params.limit > 0 {
            hits.truncate(params.limit);
        }
    }
    hits
}

fn streams(hits: Vec<Hit>) -> Vec<LogStream> {
    let mut places: HashMap<LineSet, usize> = HashMap::new();
    let mut streams: Vec<LogStream> = Vec::new();
    for Hit { timestamp, line, labels, .. } in hits {
        let place = *places.entry(labels).or_insert_with_key(|[stream, metadata, parsed]| {
            let mut all: Vec<(&str, &str)> =
                [stream, metadata, parsed].into_iter().flatten().map(|label| (label.name, label.value)).collect();
            all.sort_unstable();
            all.dedup_by_key(|(name, _)| *name);
            streams.push(LogStream {
                labels: Labels::from_sorted(all, &mut String::new()),
                stream: stream.clone(),
                metadata: metadata.clone(),
                parsed: parsed.clone(),
                entries: Vec::new(),
            });
            streams.len() - 1
        });
        streams[place].entries.push(LogLine { timestamp, line });
    }
    streams
}
