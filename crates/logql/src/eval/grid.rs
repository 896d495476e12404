//! What is kept of a series while pages are read, and how windows are made of it.

use std::cmp::Ordering;

use super::ABSENT;
use super::windows::Windows;
use crate::syntax::ast::RangeOp;
use crate::units::seconds;

/// How the lines of a bucket are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    Sum,
    Min,
    Max,
    Mean,
    Moments,
    First,
    Last,
    /// Not at all: every value is kept.
    Values,
    /// Not at all: every sample is kept with its time.
    Samples,
}

impl Fold {
    /// What an operation needs.
    pub(crate) fn of(op: RangeOp, windows: &Windows) -> Fold {
        if !windows.has_buckets() {
            return Fold::Samples;
        }
        match op {
            RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum | RangeOp::Absent => {
                Fold::Sum
            }
            RangeOp::Min => Fold::Min,
            RangeOp::Max => Fold::Max,
            RangeOp::Avg => Fold::Mean,
            RangeOp::Stdvar | RangeOp::Stddev => Fold::Moments,
            RangeOp::First => Fold::First,
            RangeOp::Last => Fold::Last,
            RangeOp::Quantile => Fold::Values,
            RangeOp::RateCounter => Fold::Samples,
        }
    }
}

/// The lines of a bucket, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    count: f64,
    value: f64,
    /// Sum of squared differences from the mean, or the time of the value.
    extra: f64,
}

impl Cell {
    fn add(&mut self, fold: Fold, timestamp: i64, value: f64) {
        let one = match fold {
            Fold::First | Fold::Last => Cell { count: 1.0, value, extra: f64::from_bits(timestamp as u64) },
            // There is no deviation from a value that is not finite.
            Fold::Moments if !value.is_finite() => Cell { count: 1.0, value, extra: f64::NAN },
            _ => Cell { count: 1.0, value, extra: 0.0 },
        };
        self.merge(fold, &one);
    }

    fn time(&self) -> i64 {
        self.extra.to_bits() as i64
    }

    /// Before or after another, by time.
    fn place(&self, other: &Cell) -> Ordering {
        self.time().cmp(&other.time()).then_with(|| self.value.total_cmp(&other.value))
    }

    /// Puts what `other` has to this.
    fn merge(&mut self, fold: Fold, other: &Cell) {
        if other.count == 0.0 {
            return;
        }
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        let count = self.count + other.count;
        match fold {
            Fold::Sum | Fold::Values | Fold::Samples => self.value += other.value,
            Fold::Min if other.value < self.value || self.value.is_nan() => self.value = other.value,
            Fold::Max if other.value > self.value || self.value.is_nan() => self.value = other.value,
            Fold::Min | Fold::Max => {}
            Fold::Mean => self.value = merge_means(self, other),
            Fold::Moments => {
                let delta = other.value - self.value;
                self.extra += other.extra + delta * delta * self.count * other.count / count;
                self.value += delta * other.count / count;
            }
            // Pages are read in any order, so that of two values of one time the value itself decides.
            Fold::First if other.place(self).is_lt() => *self = *other,
            Fold::Last if other.place(self).is_gt() => *self = *other,
            Fold::First | Fold::Last => {}
        }
        self.count = count;
    }

    fn result(&self, op: RangeOp, interval: i64) -> f64 {
        if self.count == 0.0 {
            return ABSENT;
        }
        match op {
            RangeOp::Rate | RangeOp::BytesRate => self.value / seconds(interval),
            RangeOp::Stdvar => self.extra / self.count,
            RangeOp::Stddev => (self.extra / self.count).sqrt(),
            RangeOp::Absent => 1.0,
            _ => self.value,
        }
    }
}

/// An infinite mean stays, unless what is added is infinite the other way, or no number.
fn merge_means(a: &Cell, b: &Cell) -> f64 {
    match (a.value.is_infinite(), b.value.is_infinite()) {
        (true, true) if (a.value > 0.0) == (b.value > 0.0) => a.value,
        (true, true) => f64::NAN,
        (true, false) if !b.value.is_nan() => a.value,
        (false, true) if !a.value.is_nan() => b.value,
        _ => {
            let count = a.count + b.count;
            a.value * (a.count / count) + b.value * (b.count / count)
        }
    }
}

/// What is kept of one series.
#[derive(Clone, Debug)]
pub(crate) enum Grid {
    /// One cell for each bucket.
    Cells(Vec<Cell>),
    /// The values of each bucket.
    Values(Vec<Vec<f64>>),
    /// Time and value of every sample.
    Samples(Vec<(i64, f64)>),
}

impl Grid {
    pub(crate) fn new(fold: Fold, windows: &Windows) -> Grid {
        match fold {
            Fold::Samples => Grid::Samples(Vec::new()),
            Fold::Values => Grid::Values(vec![Vec::new(); windows.buckets]),
            _ => Grid::Cells(vec![Cell::default(); windows.buckets]),
        }
    }

    /// Bytes that a new one takes.
    pub(crate) fn bytes(fold: Fold, windows: &Windows) -> usize {
        match fold {
            Fold::Samples => 64,
            _ => windows.buckets * size_of::<Cell>(),
        }
    }

    /// Adds a sample to a bucket.
    pub(crate) fn add_to(&mut self, fold: Fold, bucket: usize, timestamp: i64, value: f64) {
        match self {
            Grid::Samples(samples) => samples.push((timestamp, value)),
            Grid::Values(values) => values[bucket].push(value),
            Grid::Cells(cells) if fold == Fold::Sum => {
                let cell = &mut cells[bucket];
                cell.count += 1.0;
                cell.value += value;
            }
            Grid::Cells(cells) => cells[bucket].add(fold, timestamp, value),
        }
    }

    /// Adds `count` lines whose values are `sum` together; only for sums.
    pub(crate) fn add_sum(&mut self, bucket: usize, count: u64, sum: f64) {
        if let Grid::Cells(cells) = self {
            cells[bucket].merge(Fold::Sum, &Cell { count: count as f64, value: sum, extra: 0.0 });
        }
    }

    /// Puts what another has of the same series to this.
    pub(crate) fn merge(&mut self, fold: Fold, other: Grid) {
        match (self, other) {
            (Grid::Samples(ours), Grid::Samples(theirs)) => ours.extend(theirs),
            (Grid::Values(ours), Grid::Values(theirs)) => {
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| match ours.is_empty() {
                    true => *ours = theirs,
                    false => ours.extend(theirs),
                });
            }
            (Grid::Cells(ours), Grid::Cells(theirs)) => {
                ours.iter_mut().zip(&theirs).for_each(|(ours, theirs)| ours.merge(fold, theirs));
            }
            _ => {}
        }
    }

    /// The value of every step.
    pub(crate) fn values(self, op: RangeOp, param: f64, fold: Fold, windows: &Windows) -> Vec<f64> {
        match self {
            Grid::Samples(samples) => of_samples(samples, op, param, windows),
            Grid::Values(values) => of_values(&values, param, windows),
            Grid::Cells(cells) if windows.per_window == 1 => {
                let at = |step: usize| cells[step * windows.per_step].result(op, windows.interval);
                (0..windows.steps).map(at).collect()
            }
            Grid::Cells(cells) => of_cells(&cells, op, fold, windows),
        }
    }
}

/// Windows from cells: those of a window are the end of one block and the start of the next, where a block is as long as a window;
/// what starts and ends of blocks come to is computed once.
fn of_cells(cells: &[Cell], op: RangeOp, fold: Fold, windows: &Windows) -> Vec<f64> {
    let length = windows.per_window;
    let mut starts = cells.to_vec();
    let mut ends = cells.to_vec();
    for i in 1..cells.len() {
        if !i.is_multiple_of(length) {
            let mut joined = starts[i - 1];
            joined.merge(fold, &cells[i]);
            starts[i] = joined;
        }
    }
    for i in (0..cells.len() - 1).rev() {
        if !(i + 1).is_multiple_of(length) {
            let mut joined = cells[i];
            joined.merge(fold, &ends[i + 1]);
            ends[i] = joined;
        }
    }
    let window = |step: usize| {
        let from = step * windows.per_step;
        let mut cell = ends[from];
        if !from.is_multiple_of(length) {
            cell.merge(fold, &starts[from + length - 1]);
        }
        cell.result(op, windows.interval)
    };
    (0..windows.steps).map(window).collect()
}

/// Quantiles of windows; the values of a window are those of its buckets.
fn of_values(values: &[Vec<f64>], param: f64, windows: &Windows) -> Vec<f64> {
    let mut buffer = Vec::new();
    let window = |step: usize| {
        let from = step * windows.per_step;
        buffer.clear();
        values[from..from + windows.per_window].iter().for_each(|values| buffer.extend_from_slice(values));
        if buffer.is_empty() { ABSENT } else { quantile(param, &mut buffer) }
    };
    (0..windows.steps).map(window).collect()
}

fn of_samples(mut samples: Vec<(i64, f64)>, op: RangeOp, param: f64, windows: &Windows) -> Vec<f64> {
    samples.sort_by_key(|(time, _)| *time);
    let (mut from, mut to) = (0, 0);
    let mut buffer = Vec::new();
    let mut values = Vec::with_capacity(windows.steps);
    for step in 0..windows.steps {
        let end = windows.end(step);
        to += samples[to..].iter().take_while(|(time, _)| *time <= end).count();
        let start = end.saturating_sub(windows.interval);
        from += samples[from..to].iter().take_while(|(time, _)| *time <= start).count();
        values.push(of_window(&samples[from..to], op, param, end, windows.interval, &mut buffer));
    }
    values
}

fn of_window(samples: &[(i64, f64)], op: RangeOp, param: f64, end: i64, interval: i64, buffer: &mut Vec<f64>) -> f64 {
    if samples.is_empty() {
        return ABSENT;
    }
    let fold = match op {
        RangeOp::Quantile => {
            buffer.clear();
            buffer.extend(samples.iter().map(|(_, value)| *value));
            return quantile(param, buffer);
        }
        RangeOp::RateCounter => return rate_counter(samples, end, interval),
        RangeOp::Min => Fold::Min,
        RangeOp::Max => Fold::Max,
        RangeOp::Avg => Fold::Mean,
        RangeOp::Stdvar | RangeOp::Stddev => Fold::Moments,
        RangeOp::First => Fold::First,
        RangeOp::Last => Fold::Last,
        _ => Fold::Sum,
    };
    let mut cell = Cell::default();
    samples.iter().for_each(|(time, value)| cell.add(fold, *time, *value));
    cell.result(op, interval)
}

/// The φ-quantile, between two samples a weighted mean (Loki `Quantile`). NaN sorts first.
fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if q < 0.0 || q.is_nan() {
        return if q.is_nan() { f64::NAN } else { f64::NEG_INFINITY };
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let order = |a: &f64, b: &f64| {
        b.is_nan().cmp(&a.is_nan()).then_with(|| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    };
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    // Without NaN and -0 the order of bits is the order of numbers, and cheaper to tell.
    let is_plain = !values.iter().any(|value| value.is_nan() || value.to_bits() == (-0.0_f64).to_bits());
    let (low, high) = match is_plain {
        true => neighbours(values, lower as usize, f64::total_cmp),
        false => neighbours(values, lower as usize, order),
    };
    low * (1.0 - weight) + high * weight
}

/// The value at a place of the order, and the one after it, or itself where it is the last.
fn neighbours(values: &mut [f64], place: usize, order: impl Fn(&f64, &f64) -> Ordering + Copy) -> (f64, f64) {
    let (_, low, above) = values.select_nth_unstable_by(place, order);
    let low = *low;
    (low, above.iter().copied().min_by(order).unwrap_or(low))
}

/// Prometheus' extrapolated rate of a counter over a window that ends at `end`.
fn rate_counter(samples: &[(i64, f64)], end: i64, interval: i64) -> f64 {
    let [first, .., last] = samples else { return 0.0 };
    let mut increase = last.1 - first.1;
    let mut before = 0.0;
    for (_, value) in samples {
        if *value < before {
            increase += before;
        }
        before = *value;
    }
    let sampled = seconds(last.0.saturating_sub(first.0));
    let average = sampled / (samples.len() - 1) as f64;
    let threshold = average * 1.1;
    let mut to_start = seconds(first.0.saturating_sub(end.saturating_sub(interval)));
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    let to_zero = if increase > 0.0 && first.1 >= 0.0 { sampled * (first.1 / increase) } else { to_start };
    let to_start = to_start.min(to_zero);
    let mut to_end = seconds(end.saturating_sub(last.0));
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    increase * ((sampled + to_start + to_end) / sampled) / seconds(interval)
}
