//! Plans as tables, and the promise that they end.

use std::collections::BTreeMap;

use model::{Tenant, TimeRange, Timestamp};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::catalogue::BlockEntry;

const MIN: i64 = 60_000;
const H: i64 = 60 * MIN;
const MIB: u64 = 1 << 20;

fn options() -> PlanOptions {
    PlanOptions { close_after_ms: 10 * MIN, ..PlanOptions::default() }
}

fn block(id: u64, level: u8, start: i64, end: i64, bytes: u64) -> BlockEntry {
    let mut entry = BlockEntry::new(id, Tenant::default(), level, Timestamp(0));
    entry.range = TimeRange::new(start, end);
    entry.bytes = bytes;
    entry
}

/// Level, first and last millisecond.
type Output = (u8, i64, i64);

fn plan(entries: &[BlockEntry], now: i64) -> Option<(Vec<u64>, Vec<Output>)> {
    let job = next_job(entries, Timestamp(now), &options())?;
    let outputs = job.outputs.iter().map(|out| (out.level, out.range.start.ms(), out.range.end.ms())).collect();
    Some((job.inputs, outputs))
}

#[test]
fn a_window_stays_open_until_its_samples_are_flushed() {
    let entries = [block(1, 0, 0, H, MIB), block(2, 0, H, 2 * H - 1, MIB)];
    assert_eq!(plan(&entries, 2 * H + 10 * MIN - 1), None);
    assert_eq!(plan(&entries, 2 * H + 10 * MIN), Some((vec![1, 2], vec![(1, 0, 2 * H - 1)])));
}

#[test]
fn a_block_that_reaches_into_an_open_window_is_split() {
    let entries = [block(1, 0, 2 * H - MIN, 2 * H + MIN, MIB)];
    let outputs = vec![(1, 0, 2 * H - 1), (0, 2 * H, i64::MAX)];
    assert_eq!(plan(&entries, 3 * H), Some((vec![1], outputs)));
}

#[test]
fn eight_of_a_class_become_one_and_the_small_come_first() {
    let mut entries: Vec<BlockEntry> = (1..=8).map(|id| block(id, 0, 0, MIN, 20 * MIB)).collect();
    assert_eq!(plan(&entries[..7], H), None);
    assert_eq!(plan(&entries, H), Some(((1..=8).collect(), vec![(0, 0, MIN)])));
    entries.extend((9..=16).map(|id| block(id, 0, 0, 2 * MIN, 1000)));
    assert_eq!(plan(&entries, H), Some(((9..=16).collect(), vec![(0, 0, 2 * MIN)])));
}

#[test]
fn closed_windows_become_one_block_of_the_widest_that_is_closed() {
    let mut entries: Vec<BlockEntry> =
        (0..4).map(|i| block(i as u64 + 1, 1, 2 * H * i, 2 * H * (i + 1) - 1, MIB)).collect();
    assert_eq!(plan(&entries, 8 * H), None);
    assert_eq!(plan(&entries, 9 * H), Some((vec![1, 2, 3, 4], vec![(2, 0, 8 * H - 1)])));
    assert_eq!(plan(&entries, 25 * H), Some((vec![1, 2, 3, 4], vec![(3, 0, 24 * H - 1)])));
    entries.push(block(5, 1, 8 * H, 9 * H, MIB));
    assert_eq!(plan(&entries, 97 * H), Some((vec![1, 2, 3, 4, 5], vec![(4, 0, 96 * H - 1)])));
    // late samples on the way to the window are waited for
    entries.push(block(6, 0, H, 95 * H, 100 * MIB));
    assert_eq!(plan(&entries, 97 * H), Some((vec![6], vec![(4, 0, 96 * H - 1)])));
}

#[test]
fn a_few_late_samples_do_not_rewrite_a_large_block() {
    let mut entries = vec![block(1, 4, 0, 95 * H, 100 * MIB), block(2, 4, 0, 95 * H, 10 * MIB)];
    assert_eq!(plan(&entries, 200 * H), None);
    entries.push(block(3, 4, 0, 95 * H, 10 * MIB));
    assert_eq!(plan(&entries, 200 * H), Some((vec![2, 3], vec![(4, 0, 96 * H - 1)])));
    entries[1].bytes = 12 * MIB;
    assert_eq!(plan(&entries, 200 * H), Some((vec![2, 3], vec![(4, 0, 96 * H - 1)])));
    entries[2].bytes = 20 * MIB;
    assert_eq!(plan(&entries, 200 * H), Some((vec![1, 2, 3], vec![(4, 0, 96 * H - 1)])));
}

#[test]
fn a_year_of_backfill_opens_few_windows() {
    let year = 365 * 24 * H;
    let now = 20_000 * 24 * H;
    let mut entries = vec![block(1, 0, now - year, now - MIN, 64 * MIB)];
    let mut next_id = 2;
    let mut rewritten = 0;
    while let Some(job) = next_job(&entries, Timestamp(now), &options()) {
        assert!(job.outputs.len() <= options().max_outputs + 1, "{}", job.outputs.len());
        rewritten += job.input_bytes;
        apply(&mut entries, &job, &mut next_id);
    }
    assert!(entries.len() <= 92 + 4 + 4 + 4, "{}", entries.len());
    assert!(rewritten <= 3 * 64 * MIB, "{} MiB", rewritten / MIB);
}

#[test]
fn any_time_can_be_planned() {
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1_700_000_000_000, i64::MAX - 1, i64::MAX];
    for (start, end) in times.iter().flat_map(|start| times.iter().map(move |end| (*start, *end))) {
        for now in [i64::MIN, 0, 1_700_000_000_000, i64::MAX] {
            if start > end {
                continue;
            }
            // Two blocks of two samples each.
            let mut entries = vec![block(1, 0, start, end, 10), block(2, 0, start, end, 10)];
            let mut next_id = 3;
            for _ in 0..100 {
                let Some(job) = next_job(&entries, Timestamp(now), &options()) else { break };
                assert!(job.outputs.len() <= options().max_outputs + 1);
                assert_no_gaps(&job.outputs);
                let (first, last) = (job.outputs[0], job.outputs[job.outputs.len() - 1]);
                let inputs: Vec<BlockEntry> = entries.extract_if(.., |entry| job.inputs.contains(&entry.id)).collect();
                let samples: Vec<i64> =
                    inputs.iter().flat_map(|entry| [entry.range.start.ms(), entry.range.end.ms()]).collect();
                assert!(samples.iter().all(|t| first.range.start.ms() <= *t && *t <= last.range.end.ms()));
                for output in &job.outputs {
                    let inside = samples.iter().filter(|t| output.range.contains(Timestamp(**t)));
                    if let Some((first, last)) = inside.clone().min().zip(inside.max()) {
                        entries.push(block(next_id, output.level, *first, *last, 10));
                        next_id += 1;
                    }
                }
            }
            assert_eq!(next_job(&entries, Timestamp(now), &options()), None, "{start} {end} {now}: {entries:?}");
        }
    }
}

fn assert_no_gaps(outputs: &[OutputWindow]) {
    assert!(outputs.iter().all(|output| output.range.start <= output.range.end));
    for pair in outputs.windows(2) {
        assert_eq!(pair[0].range.end.plus_ms(1), pair[1].range.start, "{outputs:?}");
    }
}

/// Does a job as if the inputs were full of samples: each output covers what it can of their hull.
fn apply(entries: &mut Vec<BlockEntry>, job: &Job, next_id: &mut u64) {
    let (inputs, rest): (Vec<_>, Vec<_>) = entries.drain(..).partition(|entry| job.inputs.contains(&entry.id));
    assert_eq!(inputs.len(), job.inputs.len());
    *entries = rest;
    let start = inputs.iter().map(|entry| entry.range.start).min().unwrap();
    let end = inputs.iter().map(|entry| entry.range.end).max().unwrap();
    assert!(job.outputs[0].range.start <= start && job.outputs[job.outputs.len() - 1].range.end >= end);
    let mut bytes = job.input_bytes;
    for (i, output) in job.outputs.iter().enumerate() {
        let range = TimeRange { start: output.range.start.max(start), end: output.range.end.min(end) };
        if range.start <= range.end {
            let share = if i + 1 == job.outputs.len() { bytes } else { job.input_bytes / job.outputs.len() as u64 };
            bytes -= share;
            let mut entry = block(*next_id, output.level, range.start.ms(), range.end.ms(), share);
            entry.tenant = job.tenant.clone();
            // The samples carried along, to see that none is lost.
            entry.rules = inputs
                .iter()
                .flat_map(|entry| entry.rules.iter().copied())
                .filter(|t| range.contains(Timestamp(*t as i64)))
                .collect();
            entries.push(entry);
            *next_id += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn plans_end_and_lose_nothing(
        flushes in prop::collection::vec((0..3_000_i64, 0..400_i64, 1..200_u64, 0..2_u8), 1..60),
        hours in 1..3_000_i64,
        max_outputs in 2..20_usize,
        max_job_mib in 50..1_000_u64,
    ) {
        let now = Timestamp(hours * H);
        let options = PlanOptions { max_outputs, max_job_bytes: max_job_mib * MIB, ..options() };
        let mut entries = Vec::new();
        for (i, (start, length, mib, tenant)) in flushes.into_iter().enumerate() {
            let (start, end) = (start * H, (start + length) * H + 30 * MIN);
            let mut entry = block(i as u64 + 1, 0, start, end, mib * MIB);
            entry.tenant = Tenant::new(["a", "b"][tenant as usize]).unwrap();
            entry.rules = vec![start as u64, end as u64, ((start + end) / 2) as u64];
            entries.push(entry);
        }
        let samples = |entries: &[BlockEntry]| {
            let mut all: Vec<(String, u64)> =
                entries.iter().flat_map(|e| e.rules.iter().map(|t| (e.tenant.to_string(), *t))).collect();
            all.sort_unstable();
            all
        };
        let before = samples(&entries);
        let mut next_id = 1_000;
        let mut jobs = 0;
        while let Some(job) = next_job(&entries, now, &options) {
            jobs += 1;
            prop_assert!(jobs < 5_000, "no end");
            prop_assert!(job.inputs.len() == 1 || job.input_bytes <= options.max_job_bytes);
            prop_assert!(job.inputs.is_sorted());
            prop_assert!(job.outputs.len() <= max_outputs + 1);
            assert_no_gaps(&job.outputs);
            apply(&mut entries, &job, &mut next_id);
        }
        prop_assert_eq!(before, samples(&entries));
        let closed_before = options.closed_before(now);
        for entry in &entries {
            if entry.level == 0 {
                prop_assert!(entry.range.start.ms() >= closed_before, "{:?}", entry);
            } else {
                let window = options.window(entry.level, entry.range.start.ms());
                prop_assert!(entry.range.end <= window.end && window.end.ms() < closed_before, "{:?}", entry);
            }
        }
    }
}

/// A block with samples: times, and which flush each is from.
type Filled = (BlockEntry, BTreeMap<i64, u64>);

/// Does a job with real samples; of two of one time the one in the block that was written first stays.
fn merge_filled(blocks: &mut Vec<Filled>, job: &Job, next_id: &mut u64) {
    let mut inputs: Vec<Filled> = blocks.extract_if(.., |(entry, _)| job.inputs.contains(&entry.id)).collect();
    inputs.sort_unstable_by_key(|(entry, _)| entry.written());
    let mut merged = BTreeMap::new();
    for (t, flush) in inputs.iter().flat_map(|(_, samples)| samples) {
        merged.entry(*t).or_insert(*flush);
    }
    for output in &job.outputs {
        let inside: BTreeMap<i64, u64> = merged
            .iter()
            .filter(|(t, _)| output.range.contains(Timestamp(**t)))
            .map(|(t, flush)| (*t, *flush))
            .collect();
        let (Some((start, _)), Some((end, _))) = (inside.first_key_value(), inside.last_key_value()) else { continue };
        let bytes = inside.len() as u64 * MIB;
        let mut entry = block(*next_id, output.level, *start, *end, bytes);
        entry.first = inputs[0].0.written().0;
        blocks.push((entry, inside));
        *next_id += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_first_writer_of_a_time_wins_whatever_is_merged_when(
        flushes in prop::collection::vec((prop::collection::vec(0..30_i64, 1..12), 0..3_u8, 0..3_i64), 1..50),
        fan_in in 2..6_usize,
    ) {
        let options = PlanOptions { fan_in, max_job_bytes: 60 * MIB, ..options() };
        let mut blocks: Vec<Filled> = Vec::new();
        let mut truth: BTreeMap<i64, u64> = BTreeMap::new();
        let mut next_id = 1;
        let mut now = 10 * H;
        for (times, jobs, passed) in flushes {
            now += passed * H;
            let id = next_id;
            next_id += 1;
            let samples: BTreeMap<i64, u64> = times.iter().map(|t| (t * H, id)).collect();
            samples.keys().for_each(|t| { truth.entry(*t).or_insert(id); });
            let (start, end) = (samples.first_key_value().unwrap().0, samples.last_key_value().unwrap().0);
            blocks.push((block(id, 0, *start, *end, samples.len() as u64 * MIB), samples.clone()));
            // Now and then compaction falls behind.
            for _ in 0..if passed == 0 { u16::MAX } else { jobs.into() } {
                let entries: Vec<BlockEntry> = blocks.iter().map(|(entry, _)| entry.clone()).collect();
                let Some(job) = next_job(&entries, Timestamp(now), &options) else { break };
                merge_filled(&mut blocks, &job, &mut next_id);
            }
            let mut order: Vec<&Filled> = blocks.iter().collect();
            order.sort_unstable_by_key(|(entry, _)| entry.written());
            let mut read: BTreeMap<i64, u64> = BTreeMap::new();
            order.iter().flat_map(|(_, samples)| samples).for_each(|(t, flush)| { read.entry(*t).or_insert(*flush); });
            prop_assert_eq!(&read, &truth);
        }
    }
}

/// Flushes of two hours of samples, of which some writers lag: each flush reaches back by some of its neighbours' time.
fn lagging_flushes(seed: u64, flushes: i64) -> Vec<Filled> {
    let mut rng = StdRng::seed_from_u64(seed);
    let lag = rng.random_range(0..flushes);
    let begin = rng.random_range(0..2 * H);
    (0..flushes)
        .map(|i| {
            let (start, end) = (begin + i * 2 * H / flushes, begin + (i + 1) * 2 * H / flushes - 1);
            let mut times: Vec<i64> = (0..40).map(|k| start + (end - start) * k / 40).collect();
            let back = rng.random_range(0..=lag.min(i));
            times.extend((0..8).map(|k| start - back * 2 * H / flushes + k * 7 + i));
            let id = i as u64 + 1;
            let samples: BTreeMap<i64, u64> = times.into_iter().map(|t| (t, id)).collect();
            let range = (*samples.first_key_value().unwrap().0, *samples.last_key_value().unwrap().0);
            (block(id, 0, range.0, range.1, samples.len() as u64 * MIB), samples)
        })
        .collect()
}

#[test]
fn what_lags_is_not_read_again_and_again() {
    let newest = PlanOptions { windows_ms: vec![2 * H], ..options() };
    for seed in 0..100 {
        for flushes in [5, 20, 60] {
            let mut blocks = lagging_flushes(seed, flushes);
            let total: u64 = blocks.iter().map(|(entry, _)| entry.bytes).sum();
            let (mut next_id, mut read) = (1000, 0);
            loop {
                let entries: Vec<BlockEntry> = blocks.iter().map(|(entry, _)| entry.clone()).collect();
                let Some(job) = next_job(&entries, Timestamp(10 * H), &newest) else { break };
                read += job.input_bytes;
                merge_filled(&mut blocks, &job, &mut next_id);
            }
            assert!(2 * read <= 5 * total, "seed {seed}, {flushes} flushes: read {read} of {total}");
            assert!(blocks.len() <= 6, "{}", blocks.len());
        }
    }
}
