//! Puts samples that were gathered from several places in order of time.

use model::{SampleBuffer, TimeRange, Timestamp};

/// Makes the rows from `begin` on strictly increasing in time. Of two samples with one time the one gathered first wins, so
/// gather in the order of writing.
pub(crate) fn normalise(samples: &mut SampleBuffer, begin: usize) {
    if samples.timestamps[begin..].is_sorted_by(|a, b| a < b) {
        return;
    }
    if reorder_runs(samples, begin) {
        return;
    }
    let mut order: Vec<u32> = (begin as u32..samples.len() as u32).collect();
    order.sort_by_key(|row| samples.timestamps[*row as usize]);
    order.dedup_by_key(|row| samples.timestamps[*row as usize]);
    let mut sorted = SampleBuffer::default();
    for &row in &order {
        sorted.push_row(samples, row as usize);
    }
    samples.truncate(begin);
    for row in 0..sorted.len() {
        samples.push_row(&sorted, row);
    }
}

/// The usual case: plain floats that came in whole stretches, one block's after another's, none of which overlaps another in
/// time. Puts the stretches in order; answers false, and changes nothing, where the case is not that.
fn reorder_runs(samples: &mut SampleBuffer, begin: usize) -> bool {
    let is_plain =
        samples.histograms.is_empty() && samples.start_timestamps.is_empty() && samples.aggregates.is_empty();
    if !is_plain {
        return false;
    }
    let times = &samples.timestamps;
    let mut runs = Vec::new();
    let mut from = begin;
    for row in begin + 1..=times.len() {
        if row == times.len() || times[row] <= times[row - 1] {
            runs.push(from..row);
            from = row;
        }
    }
    runs.sort_unstable_by_key(|run| times[run.start]);
    if !runs.windows(2).all(|pair| times[pair[0].end - 1] < times[pair[1].start]) {
        return false;
    }
    let sorted_times: Vec<i64> = runs.iter().flat_map(|run| &times[run.clone()]).copied().collect();
    let sorted_values: Vec<f64> = runs.iter().flat_map(|run| &samples.values[run.clone()]).copied().collect();
    samples.timestamps[begin..].copy_from_slice(&sorted_times);
    samples.values[begin..].copy_from_slice(&sorted_values);
    true
}

/// Removes the rows from `begin` on that lie in `range`.
pub(crate) fn remove(samples: &mut SampleBuffer, begin: usize, range: TimeRange) {
    let is_hit = |t: &i64| range.contains(Timestamp(*t));
    if !samples.timestamps[begin..].iter().any(is_hit) {
        return;
    }
    let mut kept = SampleBuffer::default();
    for row in begin..samples.len() {
        if !is_hit(&samples.timestamps[row]) {
            kept.push_row(samples, row);
        }
    }
    samples.truncate(begin);
    for row in 0..kept.len() {
        samples.push_row(&kept, row);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use model::FloatHistogram;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_writer_of_a_time_wins(rows in proptest::collection::vec((0..40_i64, any::<bool>(), 0..3_i64), 0..80)) {
            let mut samples = SampleBuffer::default();
            samples.push_float(-100, 5.0);
            let mut expected = BTreeMap::new();
            for (i, (t, is_histogram, start)) in rows.iter().enumerate() {
                if *is_histogram {
                    samples.push_histogram(*t, Arc::new(FloatHistogram { sum: i as f64, ..FloatHistogram::default() }));
                } else {
                    samples.push_float(*t, i as f64);
                }
                samples.set_last_start(*start);
                expected.entry(*t).or_insert((i as f64, *is_histogram, *start));
            }
            normalise(&mut samples, 1);
            prop_assert_eq!(samples.timestamps[0], -100);
            let histograms: BTreeMap<u32, f64> = samples.histograms.iter().map(|(row, h)| (*row, h.sum)).collect();
            let found: BTreeMap<_, _> = (1..samples.len())
                .map(|row| {
                    let sum = histograms.get(&(row as u32));
                    let start = samples.start_timestamps.get(row).copied().unwrap_or(0);
                    (samples.timestamps[row], (*sum.unwrap_or(&samples.values[row]), sum.is_some(), start))
                })
                .collect();
            prop_assert_eq!(samples.len() - 1, expected.len());
            prop_assert_eq!(found, expected);
        }
    }

    proptest! {
        #[test]
        fn stretches_are_put_in_order(lengths in proptest::collection::vec(1..9_usize, 1..6), seed in any::<u64>(), touch in any::<bool>()) {
            use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
            let mut time = 0;
            let mut stretches: Vec<Vec<i64>> = lengths
                .iter()
                .map(|n| {
                    // Where they touch, the last of one is the first of the next.
                    time -= i64::from(touch);
                    let stretch = (0..*n as i64).map(|i| time + i).collect();
                    time += *n as i64;
                    stretch
                })
                .collect();
            stretches.shuffle(&mut StdRng::seed_from_u64(seed));
            let mut samples = SampleBuffer::default();
            samples.push_float(-100, 5.0);
            let mut expected = BTreeMap::new();
            for (i, t) in stretches.iter().flatten().enumerate() {
                samples.push_float(*t, i as f64);
                expected.entry(*t).or_insert(i as f64);
            }
            normalise(&mut samples, 1);
            prop_assert_eq!((samples.timestamps[0], samples.values[0]), (-100, 5.0));
            let found: Vec<_> = samples.timestamps[1..].iter().copied().zip(samples.values[1..].iter().copied()).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
