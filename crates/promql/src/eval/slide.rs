//! `rate`, `increase` and `delta` of plain floats, which most range queries consist of, for all steps of a series at once.
//!
//! Where the windows lie, and by how much they are extrapolated, hangs on the times of the samples alone, and the series of one
//! target share these. So the windows are worked out when the times change, and what is left for a series is its values. The
//! arithmetic is that of `functions::rate`, operation by operation, so that both give the same bits.

use std::ops::Range;

use model::stale_nan;

use super::select::Lookup;
use super::series::Steps;

/// The functions that are known here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extrapolated {
    /// A drop of the value is a reset, and no increase reaches back below zero.
    pub(crate) is_counter: bool,
    /// The increase is divided by the range.
    pub(crate) is_rate: bool,
}

impl Extrapolated {
    pub(crate) fn of(function: &str) -> Option<Self> {
        match function {
            "rate" => Some(Extrapolated { is_counter: true, is_rate: true }),
            "increase" => Some(Extrapolated { is_counter: true, is_rate: false }),
            "delta" => Some(Extrapolated { is_counter: false, is_rate: false }),
            _ => None,
        }
    }
}

/// Which samples each step sees, and what is done with them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) steps: Steps,
    pub(crate) lookup: Lookup,
    /// Length of the range in milliseconds, above zero.
    pub(crate) range_ms: i64,
    pub(crate) function: Extrapolated,
}

/// Steps that are worked on together: what is noted of them stays in the nearest cache.
const LANES: usize = 64;
/// A product that is so much greater than another one is greater whatever rounding did to both.
const SLACK: f64 = 1.000_001;
/// The same for products below the normal floats.
const LEAST: f64 = 1e-300;

/// The windows of all steps as far as they hang on times: a column for each figure.
#[derive(Debug, Default)]
struct Windows {
    /// Places of the first and the last sample.
    ends: Vec<(u32, u32)>,
    /// From the first sample to the last, in seconds; 0 where there are less than two.
    sampled: Vec<f64>,
    /// How far the increase reaches beyond the first and the last sample, in seconds.
    to_start: Vec<f64>,
    to_end: Vec<f64>,
    /// What the increase is multiplied with, unless zero lies nearer than the start.
    factor: Vec<f64>,
}

/// Memory that is used again from series to series.
#[derive(Debug, Default)]
pub(crate) struct Slide {
    /// What the windows were worked out for.
    grid: Option<Grid>,
    times: Vec<i64>,
    windows: Windows,
    /// Samples that each step sees, and those of them that the step before did not.
    seen: Vec<u64>,
    new: Vec<u64>,
    has_result: bool,
    /// Places of the samples that are lower than the one before.
    resets: Vec<u32>,
}

impl Slide {
    /// The column of results over all steps, empty where no step has one.
    pub(crate) fn run(&mut self, (times, values): (&[i64], &[f64]), grid: Grid) -> Vec<f64> {
        if self.grid != Some(grid) || self.times != times {
            self.work_out(times, grid);
        }
        if !self.has_result {
            return Vec::new();
        }
        self.find_resets(values, grid.function.is_counter);
        let windows = &self.windows;
        let mut column = Vec::with_capacity(windows.ends.len());
        let (mut increases, mut firsts) = ([0.0; LANES], [0.0; LANES]);
        let mut next_reset = 0;
        for begin in (0..windows.ends.len()).step_by(LANES) {
            let steps = begin..windows.ends.len().min(begin + LANES);
            for ((increase, first), ends) in increases.iter_mut().zip(&mut firsts).zip(&windows.ends[steps.clone()]) {
                *first = values[ends.0 as usize];
                *increase = values[ends.1 as usize] - *first;
            }
            if next_reset < self.resets.len() {
                next_reset = windows.add_lost(&self.resets, next_reset, values, steps.clone(), &mut increases);
            }
            let (sampled, factors) = (&windows.sampled[steps.clone()], &windows.factor[steps.clone()]);
            let results = increases.iter().zip(factors).zip(sampled);
            column.extend(results.map(
                |((increase, factor), sampled)| {
                    if *sampled > 0.0 { increase * factor } else { stale_nan() }
                },
            ));
            if grid.function.is_counter {
                windows.stop_at_zero(&firsts, &increases, grid, steps.clone(), &mut column[steps]);
            }
        }
        column
    }

    /// For each step how many samples it sees, and how many of them the step before did not see; of the last run.
    pub(crate) fn counts(&self) -> (&[u64], &[u64]) {
        (&self.seen, &self.new)
    }

    fn find_resets(&mut self, values: &[f64], is_counter: bool) {
        self.resets.clear();
        // Most counters never go down, which a loop without branches tells fastest.
        let falls = |(before, after): (&f64, &f64)| after < before;
        let pairs = || values.iter().zip(values.iter().skip(1));
        if is_counter && pairs().fold(false, |any, pair| any | falls(pair)) {
            self.resets.extend((1_u32..).zip(pairs()).filter(|(_, pair)| falls(*pair)).map(|(at, _)| at));
        }
    }

    fn work_out(&mut self, times: &[i64], grid: Grid) {
        self.grid = Some(grid);
        self.times.clear();
        self.times.extend_from_slice(times);
        self.windows.clear();
        self.seen.clear();
        self.new.clear();
        self.has_result = false;
        let (mut from, mut to) = (0, 0);
        for step in 0..grid.steps.count {
            let end = grid.lookup.time(grid.steps.at(step));
            let start = end.saturating_sub(grid.range_ms);
            let seen = to;
            while to < times.len() && times[to] <= end {
                to += 1;
            }
            while from < to && times[from] <= start {
                from += 1;
            }
            self.seen.push((to - from) as u64);
            self.new.push((to - seen.max(from)) as u64);
            if to - from < 2 {
                self.windows.push_none();
            } else {
                self.has_result = true;
                self.windows.push(times, from, to - 1, (start, end), grid);
            }
        }
    }
}

impl Windows {
    fn columns(&mut self) -> [&mut Vec<f64>; 4] {
        [&mut self.sampled, &mut self.to_start, &mut self.to_end, &mut self.factor]
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.columns().into_iter().for_each(Vec::clear);
    }

    /// Adds the window of a step that sees less than two samples.
    fn push_none(&mut self) {
        self.ends.push((0, 0));
        self.columns().into_iter().for_each(|column| column.push(0.0));
    }

    fn push(&mut self, times: &[i64], first: usize, last: usize, (start, end): (i64, i64), grid: Grid) {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let sampled = seconds(times[last] - times[first]);
        let average = sampled / (last - first) as f64;
        let within = |distance: f64| if distance >= average * 1.1 { average / 2.0 } else { distance };
        let (to_start, to_end) = (within(seconds(times[first] - start)), within(seconds(end - times[last])));
        self.ends.push((first as u32, last as u32));
        self.sampled.push(sampled);
        self.to_start.push(to_start);
        self.to_end.push(to_end);
        self.factor.push(factor(sampled, to_start, to_end, grid));
    }

    /// Adds what counters lost at resets within the windows of some steps; answers the first reset that later ones may have.
    fn add_lost(
        &self,
        resets: &[u32],
        mut next: usize,
        values: &[f64],
        steps: Range<usize>,
        increases: &mut [f64],
    ) -> usize {
        for (increase, (first, last)) in increases.iter_mut().zip(&self.ends[steps]).filter(|(_, ends)| ends.0 < ends.1)
        {
            while next < resets.len() && resets[next] <= *first {
                next += 1;
            }
            for reset in resets[next..].iter().take_while(|reset| *reset <= last) {
                *increase += values[*reset as usize - 1];
            }
        }
        next
    }

    /// A counter was never below zero: where a straight line back reaches zero after the start of the range, the increase is
    /// that since then.
    fn stop_at_zero(
        &self,
        firsts: &[f64; LANES],
        increases: &[f64; LANES],
        grid: Grid,
        steps: Range<usize>,
        results: &mut [f64],
    ) {
        let (sampled, to_start) = (&self.sampled[steps.clone()], &self.to_start[steps.clone()]);
        // Multiplying is quicker than dividing, and few windows are left for the exact answer.
        let is_far = |((first, increase), (sampled, to_start)): ((&f64, &f64), (&f64, &f64))| {
            sampled * first > to_start * increase * SLACK + LEAST
        };
        let figures = || firsts.iter().zip(increases).zip(sampled.iter().zip(to_start));
        if figures().fold(true, |all, figures| all & is_far(figures)) {
            return;
        }
        for (((first, increase), (sampled, to_start)), (step, result)) in figures().zip(steps.zip(results)) {
            let to_zero = sampled * (first / increase);
            if *increase > 0.0 && *first >= 0.0 && to_zero < *to_start {
                *result = increase * factor(*sampled, to_zero, self.to_end[step], grid);
            }
        }
    }
}

/// What an increase is multiplied with that reaches so far beyond the first and the last sample.
fn factor(sampled: f64, to_start: f64, to_end: f64, grid: Grid) -> f64 {
    let factor = (sampled + to_start + to_end) / sampled;
    if grid.function.is_rate { factor / (grid.range_ms as f64 / 1000.0) } else { factor }
}

#[cfg(test)]
mod tests {
    use model::{SampleBuffer, SampleValue};
    use proptest::prelude::*;

    use super::*;
    use crate::annotations::Annotations;
    use crate::ast::At;
    use crate::eval::windows::{Bounds, Cursor, Samples};
    use crate::functions::{RangeEnv, range_function};

    /// A step, how many samples it sees, and how many of them it reads anew.
    type Seen = (usize, usize, usize);

    /// The general way, step by step: the column, and how many samples each step sees and reads anew.
    fn step_by_step(buffer: &SampleBuffer, grid: Grid, name: &str) -> (Vec<Option<u64>>, Vec<Seen>) {
        let mut samples = Samples::default();
        samples.load(buffer, false);
        let mut notes = Annotations::default();
        let mut env = RangeEnv { scalars: [0.0; 2], metric: "m_total", position: 0, notes: &mut notes };
        let mut cursor = Cursor::default();
        let (mut column, mut seen) = (Vec::new(), Vec::new());
        for step in 0..grid.steps.count {
            let end = grid.lookup.time(grid.steps.at(step));
            let start = end.saturating_sub(grid.range_ms);
            cursor.advance(&samples, start, end);
            if cursor.is_empty() {
                column.push(None);
                continue;
            }
            let all = cursor.weight(&samples);
            let new = if step == 0 { all } else { cursor.weight_after(&samples, end - grid.steps.interval) };
            seen.push((step, all, new));
            let bounds = Bounds { start, range_ms: grid.range_ms, ..Bounds::instant(end) };
            let function = range_function(name).unwrap();
            column.push(match function(&cursor.window(&samples, bounds), &mut env).unwrap() {
                Some(SampleValue::Float(v)) => Some(v.to_bits()),
                _ => None,
            });
        }
        (column, seen)
    }

    proptest! {
        #[test]
        fn gives_the_bits_of_the_general_way(
            samples in proptest::collection::vec((1_i64..40_000, prop_oneof![4 => 0.0..100.0, 1 => Just(0.0), 1 => -5.0..5.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]), 0..200),
            grows in any::<bool>(),
            start in -100_000_i64..1_000_000,
            interval in 1_i64..60_000,
            count in 1_usize..150,
            range_ms in 1_i64..600_000,
            offset in -50_000_i64..50_000,
        ) {
            let mut buffer = SampleBuffer::default();
            let (mut time, mut total) = (0, 0.0);
            for (gap, value) in samples {
                time += gap;
                total = if grows { total + value } else { value };
                buffer.push_float(time, total);
            }
            let lookup = Lookup::new(None::<At>, offset);
            let mut slide = Slide::default();
            for name in ["rate", "increase", "delta"] {
                let function = Extrapolated::of(name).unwrap();
                let grid = Grid { steps: Steps { start, interval, count }, lookup, range_ms, function };
                let column = slide.run((&buffer.timestamps, &buffer.values), grid);
                let (all, new) = slide.counts();
                let rows = all.iter().zip(new).enumerate().map(|(step, (all, new))| (step, *all as usize, *new as usize));
                let seen: Vec<Seen> = rows.filter(|(_, all, _)| *all > 0).collect();
                let (expected, expected_seen) = step_by_step(&buffer, grid, name);
                prop_assert_eq!(seen, expected_seen);
                if column.is_empty() {
                    prop_assert!(expected.iter().all(Option::is_none));
                    continue;
                }
                for (step, (ours, theirs)) in column.iter().zip(&expected).enumerate() {
                    let ours = Some(*ours).filter(|v| !model::is_stale(*v));
                    let is_nan = |bits: &Option<u64>| bits.is_some_and(|b| f64::from_bits(b).is_nan());
                    let both_nan = ours.is_some_and(f64::is_nan) && is_nan(theirs);
                    prop_assert!(both_nan || ours.map(f64::to_bits) == *theirs, "{} at {}: {:?} {:?}", name, step, ours, theirs.map(f64::from_bits));
                }
            }
        }
    }
}
