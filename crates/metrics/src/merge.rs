//! Puts samples that were gathered from several places in order of time.

use model::{SampleBuffer, TimeRange, Timestamp};

/// Makes the rows from `begin` on strictly increasing in time. Of two samples with one time the one gathered first wins, so
/// gather in the order of writing.
pub(crate) fn normalise(samples: &mut SampleBuffer, begin: usize) {
    if samples.timestamps[begin..].is_sorted_by(|a, b| a < b) {
        return;
    }
    let is_plain =
        samples.histograms.is_empty() && samples.start_timestamps.is_empty() && samples.aggregates.is_empty();
    if is_plain {
        return merge_runs(samples, begin);
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

/// The usual case: plain floats that came in whole stretches, one block's after another's. Only where stretches overlap in
/// time is there anything to do sample by sample.
fn merge_runs(samples: &mut SampleBuffer, begin: usize) {
    let (all_times, all_values) = (&samples.timestamps[begin..], &samples.values[begin..]);
    let (mut times, mut values) = (Vec::with_capacity(all_times.len()), Vec::with_capacity(all_times.len()));
    let mut at = 0;
    for run_times in all_times.chunk_by(|a, b| a < b) {
        let run_values = &all_values[at..at + run_times.len()];
        at += run_times.len();
        let kept = match times.last() {
            Some(last) if *last >= run_times[0] => times.partition_point(|t| *t < run_times[0]),
            _ => times.len(),
        };
        let (tail_times, tail_values) = (times.split_off(kept), values.split_off(kept));
        let (mut tail, mut run) = (0, 0);
        while tail < tail_times.len() && run < run_times.len() {
            // What was gathered first wins.
            let is_same = tail_times[tail] == run_times[run];
            if tail_times[tail] <= run_times[run] {
                times.push(tail_times[tail]);
                values.push(tail_values[tail]);
                tail += 1;
                run += usize::from(is_same);
            } else {
                times.push(run_times[run]);
                values.push(run_values[run]);
                run += 1;
            }
        }
        times.extend_from_slice(&tail_times[tail..]);
        values.extend_from_slice(&tail_values[tail..]);
        times.extend_from_slice(&run_times[run..]);
        values.extend_from_slice(&run_values[run..]);
    }
    samples.truncate(begin);
    samples.timestamps.extend_from_slice(&times);
    samples.values.extend_from_slice(&values);
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
        fn the_first_writer_of_a_time_wins(
            rows in proptest::collection::vec((0..40_i64, any::<bool>(), 0..3_i64), 0..80),
            is_plain in any::<bool>(),
        ) {
            let mut samples = SampleBuffer::default();
            samples.push_float(-100, 5.0);
            let mut expected = BTreeMap::new();
            let rows = rows.iter().map(|(t, h, start)| if is_plain { (*t, false, 0) } else { (*t, *h, *start) });
            for (i, (t, is_histogram, start)) in rows.enumerate() {
                if is_histogram {
                    samples.push_histogram(t, Arc::new(FloatHistogram { sum: i as f64, ..FloatHistogram::default() }));
                } else {
                    samples.push_float(t, i as f64);
                }
                samples.set_last_start(start);
                expected.entry(t).or_insert((i as f64, is_histogram, start));
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
