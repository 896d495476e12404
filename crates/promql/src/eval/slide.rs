//! `rate`, `increase` and `delta` of plain floats, which most range queries consist of, for all steps of a series at once.
//!
//! The first pass slides the window and notes what the extrapolation starts from, a column for each figure; the second is
//! arithmetic over these columns without branches. The arithmetic is that of `functions::rate`, operation by operation, so that
//! both give the same bits.

use model::stale_nan;

use super::select::Lookup;
use super::series::Steps;

/// The functions that are known here.
#[derive(Clone, Copy, Debug)]
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

/// Which samples each step sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) steps: Steps,
    pub(crate) lookup: Lookup,
    /// Length of the range in milliseconds, above zero.
    pub(crate) range_ms: i64,
}

/// Steps that are worked on together: what is noted of them stays in the nearest cache.
const LANES: usize = 64;

/// What is known of the windows of some steps. Times are in milliseconds.
#[derive(Debug)]
struct Windows {
    /// From the start of the range to the first sample.
    to_start: [f64; LANES],
    /// From the last sample to the end of the range.
    to_end: [f64; LANES],
    /// From the first sample to the last.
    sampled: [f64; LANES],
    /// Samples less one; 0 where nothing can be said.
    gaps: [f64; LANES],
    first: [f64; LANES],
    /// Last minus first, with what was lost at resets.
    increase: [f64; LANES],
}

/// Memory that is used again from series to series.
#[derive(Debug)]
pub(crate) struct Slide {
    windows: Box<Windows>,
    /// Places of the samples that are lower than the one before.
    resets: Vec<usize>,
}

impl Default for Slide {
    fn default() -> Self {
        let none = [0.0; LANES];
        let windows = Windows { to_start: none, to_end: none, sampled: none, gaps: none, first: none, increase: none };
        Slide { windows: Box::new(windows), resets: Vec::new() }
    }
}

/// Where the window stands: the places of its samples, and the first reset that may lie in it.
#[derive(Default)]
struct Cursor {
    from: usize,
    to: usize,
    next_reset: usize,
}

impl Slide {
    /// The column of results over all steps, empty where no step has one. `visit` is told of every step that has samples how
    /// many these are, and how many of them the step before did not have.
    pub(crate) fn run(
        &mut self,
        samples: (&[i64], &[f64]),
        grid: Grid,
        function: Extrapolated,
        mut visit: impl FnMut(usize, usize, usize),
    ) -> Vec<f64> {
        self.find_resets(samples.1, function.is_counter);
        let range = seconds(grid.range_ms as f64);
        let mut column = Vec::with_capacity(grid.steps.count);
        let mut cursor = Cursor::default();
        let mut any = false;
        for begin in (0..grid.steps.count).step_by(LANES) {
            let end = grid.steps.count.min(begin + LANES);
            any |= self.slide(samples, grid, begin..end, &mut cursor, &mut visit);
            let values: [f64; LANES] = std::array::from_fn(|lane| self.windows.value(lane, function, range));
            column.extend_from_slice(&values[..end - begin]);
        }
        if any { column } else { Vec::new() }
    }

    fn find_resets(&mut self, values: &[f64], is_counter: bool) {
        self.resets.clear();
        // Most counters never go down, which a loop without branches tells fastest.
        let falls = |(before, after): (&f64, &f64)| after < before;
        let pairs = || values.iter().zip(values.iter().skip(1));
        if is_counter && pairs().fold(false, |any, pair| any | falls(pair)) {
            self.resets.extend(pairs().enumerate().filter(|(_, pair)| falls(*pair)).map(|(at, _)| at + 1));
        }
    }

    /// Fills the windows of some steps; false where none has two samples.
    fn slide(
        &mut self,
        (times, values): (&[i64], &[f64]),
        grid: Grid,
        range: std::ops::Range<usize>,
        cursor: &mut Cursor,
        visit: &mut impl FnMut(usize, usize, usize),
    ) -> bool {
        let windows = &mut *self.windows;
        let Cursor { mut from, mut to, mut next_reset } = *cursor;
        let mut any = false;
        for (lane, step) in range.enumerate().take(LANES) {
            let end = grid.lookup.time(grid.steps.at(step));
            let start = end.saturating_sub(grid.range_ms);
            let seen = to;
            while to < times.len() && times[to] <= end {
                to += 1;
            }
            while from < to && times[from] <= start {
                from += 1;
            }
            windows.gaps[lane] = 0.0;
            if from == to {
                continue;
            }
            visit(step, to - from, to - seen.max(from));
            let last = to - 1;
            if from == last {
                continue;
            }
            any = true;
            let mut increase = values[last] - values[from];
            while next_reset < self.resets.len() && self.resets[next_reset] <= from {
                next_reset += 1;
            }
            for reset in self.resets[next_reset..].iter().take_while(|reset| **reset <= last) {
                increase += values[reset - 1];
            }
            windows.to_start[lane] = (times[from] - start) as f64;
            windows.to_end[lane] = (end - times[last]) as f64;
            windows.sampled[lane] = (times[last] - times[from]) as f64;
            windows.gaps[lane] = (last - from) as f64;
            windows.first[lane] = values[from];
            windows.increase[lane] = increase;
        }
        *cursor = Cursor { from, to, next_reset };
        any
    }
}

impl Windows {
    #[inline]
    fn value(&self, lane: usize, function: Extrapolated, range: f64) -> f64 {
        let (gaps, first, increase) = (self.gaps[lane], self.first[lane], self.increase[lane]);
        let (to_start, to_end) = (seconds(self.to_start[lane]), seconds(self.to_end[lane]));
        let sampled = seconds(self.sampled[lane]);
        let average = sampled / gaps;
        let (threshold, half) = (average * 1.1, average / 2.0);
        let to_start = if to_start >= threshold { half } else { to_start };
        let to_end = if to_end >= threshold { half } else { to_end };
        let to_zero = sampled * (first / increase);
        let reaches_zero = function.is_counter & (increase > 0.0) & (first >= 0.0) & (to_zero < to_start);
        let to_start = if reaches_zero { to_zero } else { to_start };
        let factor = (sampled + to_start + to_end) / sampled;
        let factor = if function.is_rate { factor / range } else { factor };
        if gaps == 0.0 { stale_nan() } else { increase * factor }
    }
}

#[inline]
fn seconds(ms: f64) -> f64 {
    ms / 1000.0
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
            let grid = Grid { steps: Steps { start, interval, count }, lookup, range_ms };
            let mut slide = Slide::default();
            for name in ["rate", "increase", "delta"] {
                let mut seen = Vec::new();
                let function = Extrapolated::of(name).unwrap();
                let visit = |step, all, new| seen.push((step, all, new));
                let column = slide.run((&buffer.timestamps, &buffer.values), grid, function, visit);
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
