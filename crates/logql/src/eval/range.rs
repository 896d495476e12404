//! Range aggregations: pages are read in parallel, each in the cheapest way that answers the query.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use memchr::memmem;
use model::{LogPage, StreamSet};

use super::cells::Fold;
use super::columns::{Columns, convert, has_columns};
use super::group::{GroupBy, Table};
use super::pages::{Metadata, Outlook, Picked, outlook, search, sift};
use super::run::{Run, Task};
use super::shape::Shape;
use super::times::Times;
use super::windows::Windows;
use super::{Series, Span, Steps};
use crate::error::QueryError;
use crate::kql::Kql;
use crate::pipeline::{CompiledLabelFilter, Pipeline, StreamLabels, Wanted};
use crate::syntax::ast::{Grouping, RangeAggregation, RangeOp, Stage};

/// Lines between two looks at the clock.
const CHECK_EVERY: usize = 8192;
/// Fewer than one of so many lines of a page are put together alone.
const FEW: usize = 8;
/// Workers of one query.
const MOST_WORKERS: usize = 8;

/// A range aggregation, planned.
struct Plan<'q> {
    aggregation: &'q RangeAggregation,
    stages: &'q [Stage],
    group: GroupBy,
    wanted: Wanted,
    windows: Windows,
    fold: Fold,
    shape: Shape,
}

/// Evaluates a range aggregation; `outer` is the grouping of a sum around it, which then happens here.
pub(super) fn evaluate(
    run: &Run<'_>,
    aggregation: &RangeAggregation,
    outer: Option<&Grouping>,
    steps: Steps,
) -> Result<Vec<Series>, QueryError> {
    let plan = plan(aggregation, outer, steps);
    // Compiled once here, so that a stage that cannot be is told even where there is nothing to read.
    drop(worker_pipeline(run, &plan)?);
    if plan.windows.interval <= 0 || plan.shape.is_empty() {
        return finish(&plan, Vec::new(), run, steps);
    }
    let matchers = &aggregation.range.log.matchers;
    let fragments = plan.shape.fragments();
    let table =
        run.with_pages(matchers, plan.windows.range(), &fragments, |set, tasks| read(run, &plan, set, &tasks))?;
    let Some(table) = table else { return finish(&plan, Vec::new(), run, steps) };
    let param = aggregation.param.unwrap_or(0.0);
    // Rows become values one by one: what is held of the one is given back as the other is taken.
    let mut series = Vec::new();
    table.each_series(|labels, grid| {
        let values = grid.values(aggregation.op, param, plan.fold, &plan.windows);
        let one = Series { labels, values };
        run.take(Series::bytes(std::slice::from_ref(&one)))?;
        series.push(one);
        Ok(())
    })?;
    finish(&plan, series, run, steps)
}

fn plan<'q>(aggregation: &'q RangeAggregation, outer: Option<&Grouping>, steps: Steps) -> Plan<'q> {
    let range = &aggregation.range;
    let grouping = outer.or(aggregation.grouping.as_ref());
    let label = range.unwrap.as_ref().map(|unwrap| unwrap.label.clone());
    let group = match grouping {
        _ if aggregation.op == RangeOp::Absent => GroupBy::One,
        Some(grouping) if !grouping.without && grouping.names.is_empty() => GroupBy::One,
        Some(grouping) if !grouping.without => GroupBy::By(grouping.names.clone()),
        Some(grouping) => GroupBy::Without(grouping.names.iter().cloned().chain(label).collect()),
        None => GroupBy::Without(label.into_iter().collect()),
    };
    let windows = Windows::new(steps, range.interval, range.offset);
    let wanted = Wanted::of(&range.log.stages, range.unwrap.as_ref(), group.names());
    let shape = Shape::of(&range.log.stages, range.unwrap.as_ref(), &wanted);
    let fold = Fold::of(aggregation.op, &windows);
    Plan { aggregation, stages: &range.log.stages, group, wanted, windows, fold, shape }
}

/// Where lines are absent, `absent_over_time` has a series; elsewhere nothing is left to do.
fn finish(plan: &Plan<'_>, series: Vec<Series>, run: &Run<'_>, steps: Steps) -> Result<Vec<Series>, QueryError> {
    if plan.aggregation.op != RangeOp::Absent {
        return Ok(series);
    }
    let before = Series::bytes(&series);
    let mut values = vec![1.0; steps.count];
    for present in &series {
        present.values.iter().for_each(|(step, _)| values[step] = super::ABSENT);
    }
    let labels = super::metric::absent_labels(&plan.aggregation.range.log.matchers);
    run.exchange(before, vec![Series { labels, values: Span::of(0, values) }])
}

struct Worker<'p> {
    run: &'p Run<'p>,
    plan: &'p Plan<'p>,
    pipeline: Pipeline,
    filters: Vec<CompiledLabelFilter>,
    table: Table<'p>,
}

fn worker_pipeline(run: &Run<'_>, plan: &Plan<'_>) -> Result<(Pipeline, Vec<CompiledLabelFilter>), QueryError> {
    let pipeline = Pipeline::new(plan.stages, plan.wanted.clone(), run.clock)?;
    let after = plan.aggregation.range.unwrap.as_ref().map_or(&[][..], |unwrap| &unwrap.filters);
    let compile = |filter| {
        CompiledLabelFilter::new(filter)
            .map_err(|reason| crate::pipeline::StageError { stage: format!("| {filter}"), reason })
    };
    let filters = after.iter().map(compile).collect::<Result<_, _>>()?;
    Ok((pipeline, filters))
}

fn read<'p>(
    run: &'p Run<'p>,
    plan: &'p Plan<'p>,
    set: &dyn StreamSet,
    tasks: &[Task],
) -> Result<Option<Table<'p>>, QueryError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let tables: Mutex<Vec<Result<Table<'p>, QueryError>>> = Mutex::default();
    let work = || {
        let table = (|| {
            let (pipeline, filters) = worker_pipeline(run, plan)?;
            let table = Table::new(plan.fold, &plan.windows, run.hold());
            let mut worker = Worker { run, plan, pipeline, filters, table };
            let mut stream: Option<(usize, StreamLabels)> = None;
            while !failed.load(Ordering::Relaxed) {
                let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                if stream.as_ref().is_none_or(|(index, _)| *index != task.stream) {
                    stream = Some((task.stream, StreamLabels { labels: set.labels(task.stream) }));
                }
                if let Some((_, labels)) = &stream {
                    run.check()?;
                    worker.page(labels, task)?;
                    run.note_page_done();
                }
            }
            worker.table.settle()?;
            Ok(worker.table)
        })();
        if table.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        tables.lock().unwrap_or_else(PoisonError::into_inner).push(table);
    };
    let workers = rayon::current_num_threads().min(MOST_WORKERS).min(tasks.len().div_ceil(2)).max(1);
    if workers == 1 {
        work();
    } else {
        rayon::scope(|scope| (0..workers).for_each(|_| scope.spawn(|_| work())));
    }
    let mut merged: Option<Table<'p>> = None;
    for table in tables.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match &mut merged {
            None => merged = Some(table?),
            Some(merged) => merged.merge(table?)?,
        }
    }
    Ok(merged)
}

impl Worker<'_> {
    fn page(&mut self, stream: &StreamLabels, task: &Task) -> Result<(), QueryError> {
        let page = &*task.page;
        let filters = match outlook(page, &self.plan.shape.line_filters) {
            Outlook::Nothing => return Ok(()),
            Outlook::Filters(filters) => filters,
        };
        let metadata = Metadata::of(page, &task.info);
        if self.lacks_a_label(stream, page, &metadata)? {
            return Ok(());
        }
        // A page with columns answers by itself.
        let simple = self.plan.shape.simple.as_ref().filter(|simple| !has_columns(page, simple.parser));
        let needs: Vec<&[u8]> = simple.into_iter().flat_map(|simple| simple.needs(stream, page)).collect();
        if !needs.iter().all(|text| page.may_contain(text)) {
            return Ok(());
        }
        if filters.is_empty() && self.by_header(stream, task)? {
            return Ok(());
        }
        self.run.note_page_read();
        let times = Times::of(page, &task.info, &self.plan.windows, self.needs_times())?;
        let picked = Picked::All(times.places());
        let (mut picked, filters) = sift(page, picked, filters)?;
        if picked.is_empty() {
            return Ok(());
        }
        if !filters.is_empty() {
            picked = match picked {
                Picked::Some(places) if places.len() * FEW < task.info.entries as usize => {
                    let lines = page.lines_at(&places)?;
                    self.run.note(places.len() as u64, lines.text.len() as u64);
                    let passes = |at: &usize| filters.iter().all(|filter| filter.passes(lines.get(*at)));
                    Picked::Some((0..places.len()).filter(passes).map(|at| places[at]).collect())
                }
                Picked::Some(places) => {
                    let lines = page.lines()?;
                    self.run.note(places.len() as u64, lines.text.len() as u64);
                    let passes = |place: usize| filters.iter().all(|filter| filter.passes(lines.get(place)));
                    Picked::Some(places).retain(passes)
                }
                Picked::All(places) => {
                    let lines = page.lines()?;
                    self.run.note(places.len() as u64, lines.text.len() as u64);
                    search(&lines, places, &filters)
                }
            };
        }
        if picked.is_empty() {
            return Ok(());
        }
        if let Some(picked) = self.by_columns(stream, task, &metadata, picked, &times)? {
            self.by_line(stream, page, &metadata, &picked, &times, &needs)?;
        }
        Ok(())
    }

    /// True where no line of the page can pass, because none has a label that is asked for.
    fn lacks_a_label(
        &self,
        stream: &StreamLabels,
        page: &dyn LogPage,
        metadata: &Metadata<'_>,
    ) -> Result<bool, QueryError> {
        let Some(simple) = &self.plan.shape.simple else { return Ok(false) };
        let columns = Columns { page, stream, metadata, parser: simple.parser };
        if !columns.all_fail() {
            return Ok(false);
        }
        for name in simple.required() {
            if columns.is_absent(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True where the time of each line matters, though all are in one bucket.
    fn needs_times(&self) -> bool {
        matches!(self.plan.fold, Fold::First | Fold::Last | Fold::Samples)
            || self.plan.stages.iter().any(|stage| matches!(stage, Stage::LineFormat(_) | Stage::LabelFormat(_)))
    }

    /// Counts by what the header says, or by times. False where lines must be looked at.
    fn by_header(&mut self, stream: &StreamLabels, task: &Task) -> Result<bool, QueryError> {
        let plan = self.plan;
        let is_count = matches!(plan.aggregation.op, RangeOp::Count | RangeOp::Rate | RangeOp::Absent);
        let is_bytes = matches!(plan.aggregation.op, RangeOp::Bytes | RangeOp::BytesRate);
        let parses = plan.wanted != Wanted::Nothing;
        let is_plain = plan.stages.iter().all(|stage| match stage {
            Stage::LineFilter(_) => true,
            Stage::Search(kql) => kql.rest() == Kql::All,
            Stage::Json => !parses || task.page.is_all(model::LineFormat::Json),
            Stage::Logfmt { strict: false, .. } => true,
            _ => false,
        });
        let names_series = match &plan.group {
            GroupBy::One => true,
            GroupBy::By(names) => names.iter().all(|name| stream.labels.get(name).is_some()),
            GroupBy::Without(_) => plan.shape.keeps_labels && task.info.metadata_bytes == 0,
        };
        if plan.fold != Fold::Sum
            || plan.aggregation.range.unwrap.is_some()
            || !is_plain
            || !names_series
            || !(is_count || is_bytes)
        {
            return Ok(false);
        }
        let series = match &plan.group {
            GroupBy::Without(but) => {
                let kept = stream.labels.iter().filter(|label| !but.iter().any(|name| name == label.name));
                self.table.find(kept.map(|label| (label.name, label.value)))?
            }
            group => {
                let names = group.names().unwrap_or_default();
                let pairs = names.iter().filter_map(|name| Some((name.as_str(), stream.labels.get(name)?)));
                self.table.find(pairs)?
            }
        };
        let info = &task.info;
        if let Some(bucket) = plan.windows.common_bucket(info.first, info.last) {
            let sum = if is_bytes { info.line_bytes as f64 } else { f64::from(info.entries) };
            self.table.add_sum(series, bucket, sum)?;
            self.run.note(info.entries.into(), 0);
            return Ok(true);
        }
        self.run.note_page_read();
        if !is_bytes {
            let times = Times::of(&*task.page, info, &plan.windows, false)?;
            self.run.note(info.entries.into(), 0);
            times.each_run(|bucket, lines| self.table.add_sum(series, bucket, lines.len() as f64))?;
            return Ok(true);
        }
        let timestamps = task.page.timestamps()?;
        let lines = task.page.lines()?;
        self.run.note(timestamps.len() as u64, (timestamps.len() * 8 + lines.text.len()) as u64);
        for (place, timestamp) in timestamps.iter().enumerate() {
            if let Some(bucket) = plan.windows.bucket(*timestamp) {
                self.table.add_sum(series, bucket, lines.get(place).len() as f64)?;
            }
        }
        Ok(true)
    }

    /// Answers from columns; what must go line by line is given back.
    fn by_columns(
        &mut self,
        stream: &StreamLabels,
        task: &Task,
        metadata: &Metadata<'_>,
        picked: Picked,
        times: &Times,
    ) -> Result<Option<Picked>, QueryError> {
        let Some(simple) = &self.plan.shape.simple else { return Ok(Some(picked)) };
        let needs_lines = matches!(self.plan.aggregation.op, RangeOp::Bytes | RangeOp::BytesRate);
        let page = &*task.page;
        if needs_lines || !has_columns(page, simple.parser) {
            return Ok(Some(picked));
        }
        let columns = Columns { page, stream, metadata, parser: simple.parser };
        let Some(mut series) = columns.series(&self.plan.group)? else { return Ok(Some(picked)) };
        let before = picked.len();
        let kept = match &picked {
            Picked::All(range) => Picked::All(range.clone()),
            Picked::Some(places) => Picked::Some(places.clone()),
        };
        let Some(kept) = columns.pick(simple, kept)? else { return Ok(Some(picked)) };
        if columns.all_fail() && !kept.is_empty() {
            let unwraps_nothing = match &self.plan.aggregation.range.unwrap {
                Some(unwrap) => columns.is_absent(&unwrap.label)?,
                None => false,
            };
            // Lines with an error are for the pipeline to name.
            return Ok(Some(kept).filter(|_| !unwraps_nothing));
        }
        let Worker { run, plan, table, .. } = self;
        run.note(before as u64, before as u64 * 4);
        let counts = plan.aggregation.range.unwrap.is_none() && table.fold == Fold::Sum;
        if counts && series.is_one() && !kept.is_empty() {
            let series = series.at(0, table)?;
            times.each_run(|bucket, lines| match kept.count_in(lines) {
                0 => Ok(()),
                count => table.add_sum(series, bucket, count as f64),
            })?;
            return Ok(None);
        }
        let mut at = times.cursor();
        let counts_numbers = counts && plan.windows.buckets == 1;
        let mut add = |place: usize, value: f64| {
            let Some((timestamp, bucket)) = at.of(place) else { return Ok(()) };
            if counts_numbers && series.count(place, table)? {
                return Ok(());
            }
            let series = series.at(place, table)?;
            table.add_to(series, bucket, timestamp, value)
        };
        match &plan.aggregation.range.unwrap {
            Some(unwrap) => {
                if !columns.unwrap(unwrap, &kept, add)? {
                    return Ok(Some(picked));
                }
            }
            None => kept.iter().try_for_each(|place| add(place, 1.0))?,
        }
        Ok(None)
    }

    fn by_line(
        &mut self,
        stream: &StreamLabels,
        page: &dyn LogPage,
        metadata: &Metadata<'_>,
        picked: &Picked,
        times: &Times,
        needs: &[&[u8]],
    ) -> Result<(), QueryError> {
        metadata.read()?;
        let Worker { run, plan, pipeline, filters, table } = self;
        let needs: Vec<memmem::Finder<'_>> = needs.iter().map(memmem::Finder::new).collect();
        let unwrap = plan.aggregation.range.unwrap.as_ref();
        let is_bytes = matches!(plan.aggregation.op, RangeOp::Bytes | RangeOp::BytesRate);
        // Without stages the line itself does not matter, only its labels do.
        let lines = if plan.stages.is_empty() && !is_bytes { None } else { Some(page.lines()?) };
        run.note(picked.len() as u64, lines.as_ref().map_or(0, |lines| lines.text.len() as u64));
        let mut at = times.cursor();
        for (count, place) in picked.iter().enumerate() {
            if count % CHECK_EVERY == CHECK_EVERY - 1 {
                run.check()?;
            }
            let Some((timestamp, bucket)) = at.of(place) else { continue };
            let line = lines.as_ref().map_or(&b""[..], |lines| lines.get(place));
            if !needs.iter().all(|text| text.find(line).is_some()) {
                continue;
            }
            let processed = metadata.with(place, |pairs| pipeline.process(stream, timestamp, line, pairs));
            let Some(line) = processed else { continue };
            let value = match unwrap {
                None if is_bytes => line.len() as f64,
                None => 1.0,
                Some(unwrap) => {
                    let labels = &mut pipeline.labels;
                    let converted = match labels.get(stream, &unwrap.label) {
                        None | Some("") => continue,
                        Some(text) => convert(unwrap.conversion, text),
                    };
                    if let Err(error) = &converted {
                        labels.set_error("SampleExtractionErr", Some(error));
                    }
                    if !filters.iter().all(|filter| filter.passes(stream, labels)) {
                        continue;
                    }
                    converted.unwrap_or(0.0)
                }
            };
            let series = table.of_line(&plan.group, stream, &pipeline.labels)?;
            table.add_to(series, bucket, timestamp, value)?;
        }
        Ok(())
    }
}
