//! The next compaction job.
//!
//! Three kinds, per tenant; of all that are possible the one with the fewest input bytes comes first:
//! - level-0 blocks that reach into closed windows are split along windows;
//! - level-0 blocks of open windows become one when there are `fan_in` of a size class;
//! - blocks of a closed window become one block of its level.

use std::collections::{BTreeMap, BTreeSet};

use model::{Tenant, TimeRange, Timestamp};

use crate::catalogue::BlockEntry;
use crate::plan::{Job, OutputWindow, PlanOptions};

/// A block is merged with smaller ones only once these have a quarter of its length together: late samples must not cause
/// a large block to be written again for each handful.
const MAX_SKEW: u64 = 4;
/// Smallest length that makes a size class of its own.
const SMALLEST_CLASS_BYTES: u64 = 64 << 10;

/// The job to do next; `None` where everything is as it should be.
///
/// Answers the same for the same entries, whatever their order. Entries of a job under way must be left out by the caller,
/// with all others of their tenant.
pub fn next_job(entries: &[BlockEntry], now: Timestamp, options: &PlanOptions) -> Option<Job> {
    next_job_without(entries, &BTreeSet::new(), now, options)
}

/// The same, without the blocks that are held back: no job takes them, but what is written before and after them stays apart.
pub fn next_job_without(
    entries: &[BlockEntry],
    held: &BTreeSet<u64>,
    now: Timestamp,
    options: &PlanOptions,
) -> Option<Job> {
    let mut tenants: BTreeMap<&Tenant, Vec<&BlockEntry>> = BTreeMap::new();
    for entry in entries {
        tenants.entry(&entry.tenant).or_default().push(entry);
    }
    let mut best: Option<Job> = None;
    for blocks in tenants.values_mut() {
        blocks.sort_unstable_by_key(|block| block.written());
        for job in candidates(blocks, held, now, options) {
            if best.as_ref().is_none_or(|best| job.input_bytes < best.input_bytes) {
                best = Some(job);
            }
        }
    }
    best
}

fn candidates(blocks: &[&BlockEntry], held: &BTreeSet<u64>, now: Timestamp, options: &PlanOptions) -> Vec<Job> {
    let closed_before = options.closed_before(now);
    let (level_0, settled): (Vec<&BlockEntry>, Vec<&BlockEntry>) =
        blocks.iter().filter(|block| !held.contains(&block.id)).partition(|block| block.level == 0);
    let (due, open): (Vec<&BlockEntry>, Vec<&BlockEntry>) =
        level_0.into_iter().partition(|block| block.range.start.ms() < closed_before);
    let mut jobs: Vec<Job> = split(&due, blocks, closed_before, options).into_iter().collect();
    jobs.extend(gather(&open, blocks, options));
    jobs.extend(merge(&settled, &due, blocks, closed_before, options));
    jobs
}

/// Cuts inputs into runs, in the order of writing, each of which can become one block that takes the place of its oldest
/// input in that order: no block stays outside that was written in between and overlaps a younger input, because of two
/// different samples of one time the younger one would then go before the older one.
fn runs<'b>(mut inputs: Vec<&'b BlockEntry>, all: &[&BlockEntry]) -> Vec<Vec<&'b BlockEntry>> {
    inputs.sort_unstable_by_key(|block| block.written());
    let ids: BTreeSet<u64> = inputs.iter().map(|block| block.id).collect();
    let outside: Vec<&&BlockEntry> = all.iter().filter(|block| !ids.contains(&block.id)).collect();
    let mut runs: Vec<Vec<&BlockEntry>> = Vec::new();
    for block in inputs {
        let joins = |run: &Vec<&BlockEntry>| {
            let between = run[0].written().0..block.written().0;
            !outside.iter().any(|other| between.contains(&other.written().0) && other.range.overlaps(&block.range))
        };
        match runs.last_mut() {
            Some(run) if joins(run) => run.push(block),
            _ => runs.push(vec![block]),
        }
    }
    runs
}

fn job(inputs: &[&BlockEntry], outputs: Vec<OutputWindow>) -> Job {
    let mut ids: Vec<u64> = inputs.iter().map(|block| block.id).collect();
    ids.sort_unstable();
    Job { tenant: inputs[0].tenant.clone(), inputs: ids, outputs, input_bytes: bytes(inputs) }
}

fn bytes(blocks: &[&BlockEntry]) -> u64 {
    blocks.iter().map(|block| block.bytes).sum()
}

fn hull(blocks: &[&BlockEntry]) -> TimeRange {
    let start = blocks.iter().map(|block| block.range.start).min();
    let end = blocks.iter().map(|block| block.range.end).max();
    start.zip(end).map_or(TimeRange::ALL, |(start, end)| TimeRange { start, end })
}

/// Takes the due blocks around the oldest one's first window and sends their samples where they belong.
fn split(due: &[&BlockEntry], all: &[&BlockEntry], closed_before: i64, options: &PlanOptions) -> Option<Job> {
    let oldest = due.iter().min_by_key(|block| (block.range.start, block.id))?;
    let window = target(oldest.range.start.ms(), closed_before, options).range;
    let mut inputs: Vec<&BlockEntry> = vec![oldest];
    let mut total = oldest.bytes;
    for block in due.iter().filter(|block| block.id != oldest.id && block.range.overlaps(&window)) {
        if total.saturating_add(block.bytes) <= options.max_job_bytes {
            total += block.bytes;
            inputs.push(block);
        }
    }
    let inputs = runs(inputs, all).into_iter().find(|run| run.iter().any(|block| block.id == oldest.id))?;
    let outputs = outputs(&inputs, closed_before, options);
    Some(job(&inputs, outputs))
}

/// Where a time belongs: the widest closed window, or level 0 for all that is open.
fn target(t: i64, closed_before: i64, options: &PlanOptions) -> OutputWindow {
    for level in options.levels().rev() {
        let range = options.window(level, t);
        if range.end.ms() < closed_before {
            return OutputWindow { range, level };
        }
    }
    OutputWindow { range: TimeRange::new(closed_before, i64::MAX), level: 0 }
}

/// The outputs that samples of the inputs may fall into, without gaps, in order of time; at most `max_outputs` or one more.
///
/// Where there are more windows than outputs, neighbours stay together at level 0 and are split further in a later job.
fn outputs(inputs: &[&BlockEntry], closed_before: i64, options: &PlanOptions) -> Vec<OutputWindow> {
    let hull = hull(inputs);
    let most = options.max_outputs.max(2);
    let widest = options.windows_ms[options.windows_ms.len() - 1];
    let last_closed = hull.end.ms().min(closed_before.saturating_sub(1));
    let windows = i128::from(last_closed.div_euclid(widest)) - i128::from(hull.start.ms().div_euclid(widest)) + 1;
    if windows > most as i128 {
        return coarse(hull, closed_before, (windows + most as i128 - 1) / most as i128, options);
    }
    let mut targets = Vec::new();
    let mut at = hull.start.ms();
    loop {
        let next = target(at, closed_before, options);
        targets.push(next);
        if next.range.end >= hull.end {
            break;
        }
        at = next.range.end.ms() + 1;
    }
    let merged = targets.chunks(targets.len().div_ceil(most)).map(|group| match group {
        [one] => *one,
        several => {
            let end = several[several.len() - 1].range.end;
            OutputWindow { range: TimeRange { start: several[0].range.start, end }, level: 0 }
        }
    });
    merged.collect()
}

/// Cuts a long time into groups of so many of the widest windows; what is open stays apart.
fn coarse(hull: TimeRange, closed_before: i64, windows: i128, options: &PlanOptions) -> Vec<OutputWindow> {
    let size = i128::from(options.windows_ms[options.windows_ms.len() - 1]);
    let mut outputs = Vec::new();
    let mut index = i128::from(hull.start.ms()).div_euclid(size);
    while index * size < i128::from(closed_before) && index * size <= i128::from(hull.end.ms()) {
        let start = (index * size).max(i64::MIN.into()) as i64;
        index += windows;
        let next = (index * size).min(closed_before.into()) as i64;
        outputs.push(OutputWindow { range: TimeRange::new(start, next - 1), level: 0 });
    }
    if hull.end.ms() >= closed_before {
        outputs.push(OutputWindow { range: TimeRange::new(closed_before, i64::MAX), level: 0 });
    }
    outputs
}

/// Level-0 blocks of open windows: the oldest `fan_in` of the smallest size class that has so many.
fn gather(open: &[&BlockEntry], all: &[&BlockEntry], options: &PlanOptions) -> Option<Job> {
    let mut classes: BTreeMap<u32, Vec<&BlockEntry>> = BTreeMap::new();
    for block in open {
        let class = (block.bytes.max(1).div_ceil(SMALLEST_CLASS_BYTES)).ilog(options.fan_in.max(2) as u64);
        classes.entry(class).or_default().push(block);
    }
    for class in classes.values().filter(|class| class.len() >= options.fan_in.max(2)) {
        let inputs = class[..options.fan_in.max(2)].to_vec();
        let Some(inputs) = runs(inputs, all).into_iter().find(|run| run.len() >= 2) else { continue };
        if bytes(&inputs) <= options.max_job_bytes {
            return Some(job(&inputs, vec![OutputWindow { range: hull(&inputs), level: 0 }]));
        }
    }
    None
}

/// Blocks of closed windows, the widest windows first; a block stands in at most one job. Windows that due blocks still
/// flow into wait for these.
fn merge(
    settled: &[&BlockEntry],
    due: &[&BlockEntry],
    all: &[&BlockEntry],
    closed_before: i64,
    options: &PlanOptions,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    for level in options.levels().rev() {
        let mut windows: BTreeMap<i64, Vec<&BlockEntry>> = BTreeMap::new();
        for block in settled.iter().filter(|block| block.level <= level && !taken.contains(&block.id)) {
            let window = options.window(level, block.range.start.ms());
            if block.range.end <= window.end {
                windows.entry(window.start.ms()).or_default().push(block);
            }
        }
        for (start, blocks) in windows {
            let range = options.window(level, start);
            if range.end.ms() >= closed_before || due.iter().any(|block| block.range.overlaps(&range)) {
                continue;
            }
            if let Some(inputs) = worthwhile(blocks, all, options.max_job_bytes) {
                taken.extend(inputs.iter().map(|block| block.id));
                jobs.push(job(&inputs, vec![OutputWindow { range, level }]));
            }
        }
    }
    jobs
}

/// The blocks of one window to merge: all but those too large for the rest; the oldest run that fits where not all do.
fn worthwhile<'b>(mut blocks: Vec<&'b BlockEntry>, all: &[&BlockEntry], max_bytes: u64) -> Option<Vec<&'b BlockEntry>> {
    blocks.sort_unstable_by_key(|block| (block.bytes, block.id));
    while blocks.len() >= 2 && skewed(&blocks) {
        blocks.pop();
    }
    if blocks.len() < 2 {
        return None;
    }
    if bytes(&blocks) <= max_bytes {
        return runs(blocks, all).into_iter().find_map(fit);
    }
    blocks.sort_unstable_by_key(|block| (block.range.start, block.id));
    for first in 0..blocks.len() - 1 {
        let mut total = 0;
        let fits = |block: &&&BlockEntry| {
            total += block.bytes;
            total <= max_bytes
        };
        let count = blocks[first..].iter().take_while(fits).count();
        let run = runs(blocks[first..first + count].to_vec(), all).into_iter().find_map(fit);
        if run.is_some() {
            return run;
        }
    }
    None
}

/// The blocks, sorted by length, if there are several and none is too large for the rest.
fn fit(mut blocks: Vec<&BlockEntry>) -> Option<Vec<&BlockEntry>> {
    blocks.sort_unstable_by_key(|block| (block.bytes, block.id));
    (blocks.len() >= 2 && !skewed(&blocks)).then_some(blocks)
}

/// True where the last of the blocks, sorted by length, is too large for the others.
fn skewed(by_length: &[&BlockEntry]) -> bool {
    let largest = by_length.last().map_or(0, |block| block.bytes);
    largest > (bytes(by_length) - largest).saturating_mul(MAX_SKEW)
}
