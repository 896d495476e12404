//! What is kept of a series while pages are read, and how windows are made of it.

use std::cmp::Ordering;
use std::ops::Range;

use super::ABSENT;
use super::cells::{Cell, Fold, One, Packed, Slot, Two};
use super::row::{Piece, Row};
use super::span::Span;
use super::windows::Windows;
use crate::syntax::ast::RangeOp;
use crate::units::seconds;

/// What is kept of one series.
#[derive(Clone, Debug)]
enum Kept {
    /// Cells of each size.
    Ones(Row<One>),
    Twos(Row<Two>),
    Threes(Row<Cell>),
    /// The values of each bucket.
    Values(Row<Vec<f64>>),
    /// Time and value of every sample.
    Samples(Vec<(i64, f64)>),
}

/// What is kept of one series, and how large it is.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    kept: Kept,
    bytes: usize,
}

impl Grid {
    pub(crate) fn new(fold: Fold, windows: &Windows) -> Grid {
        fn sized<T: Slot>(windows: &Windows, of: fn(Row<T>) -> Kept) -> (Kept, usize) {
            let row = Row::new(windows.buckets);
            let bytes = row.bytes();
            (of(row), bytes)
        }
        let (kept, bytes) = match fold {
            Fold::Sum | Fold::Min | Fold::Max => sized(windows, Kept::Ones),
            Fold::Mean | Fold::First | Fold::Last => sized(windows, Kept::Twos),
            Fold::Moments => sized(windows, Kept::Threes),
            Fold::Values => sized(windows, Kept::Values),
            Fold::Samples => (Kept::Samples(Vec::new()), 0),
        };
        Grid { kept, bytes }
    }

    /// Bytes that it takes beside itself.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a sample to a bucket. Answers the bytes by which it grew.
    pub(crate) fn add_to(&mut self, fold: Fold, windows: &Windows, bucket: usize, timestamp: i64, value: f64) -> usize {
        fn add<T: Slot>(row: &mut Row<T>, fold: Fold, at: (usize, usize), line: (i64, f64)) -> usize {
            let (cell, grown) = row.cell(fold, at.0, at.1);
            grown + cell.add(fold, line.0, line.1)
        }
        let (at, line) = ((bucket, windows.buckets), (timestamp, value));
        let grown = match &mut self.kept {
            Kept::Ones(row) if fold == Fold::Sum => {
                let (cell, grown) = row.cell(fold, bucket, windows.buckets);
                cell.add_sum(value);
                grown
            }
            Kept::Ones(row) => add(row, fold, at, line),
            Kept::Twos(row) => add(row, fold, at, line),
            Kept::Threes(row) => add(row, fold, at, line),
            Kept::Values(row) => add(row, fold, at, line),
            Kept::Samples(samples) => {
                let before = samples.capacity();
                samples.push(line);
                (samples.capacity() - before) * size_of::<(i64, f64)>()
            }
        };
        self.bytes += grown;
        grown
    }

    /// Puts what another has of the same series to this. Answers the bytes by which it grew.
    pub(crate) fn merge(&mut self, fold: Fold, windows: &Windows, other: Grid) -> usize {
        let buckets = windows.buckets;
        let grown = match (&mut self.kept, other.kept) {
            (Kept::Ones(ours), Kept::Ones(theirs)) => ours.join(fold, theirs, buckets),
            (Kept::Twos(ours), Kept::Twos(theirs)) => ours.join(fold, theirs, buckets),
            (Kept::Threes(ours), Kept::Threes(theirs)) => ours.join(fold, theirs, buckets),
            // Lists move from one to the other, so that all of theirs may be ours afterwards.
            (Kept::Values(ours), Kept::Values(theirs)) => {
                let lists = other.bytes.saturating_sub(theirs.bytes());
                ours.join(fold, theirs, buckets) + lists
            }
            (Kept::Samples(ours), Kept::Samples(theirs)) => {
                let before = ours.capacity();
                ours.extend(theirs);
                (ours.capacity() - before) * size_of::<(i64, f64)>()
            }
            _ => 0,
        };
        self.bytes += grown;
        grown
    }

    /// The value of every step.
    pub(crate) fn values(self, op: RangeOp, param: f64, fold: Fold, windows: &Windows) -> Span {
        let (block, buckets) = (windows.per_window, windows.buckets);
        let span = match self.kept {
            Kept::Samples(samples) => return Span::of(0, of_samples(samples, op, param, windows)),
            Kept::Values(row) => row.piece(fold, block, buckets).map(|piece| of_values(&piece, param, windows)),
            Kept::Ones(row) => row.piece(fold, block, buckets).map(|piece| of_cells(&piece, op, fold, windows)),
            Kept::Twos(row) => row.piece(fold, block, buckets).map(|piece| of_cells(&piece, op, fold, windows)),
            Kept::Threes(row) => row.piece(fold, block, buckets).map(|piece| of_cells(&piece, op, fold, windows)),
        };
        span.unwrap_or_default()
    }
}

/// The steps whose windows reach a bucket of a piece that has lines.
fn steps_of<T>(piece: &Piece<T>, windows: &Windows) -> Range<usize> {
    let first = (piece.first + 1).saturating_sub(windows.per_window).div_ceil(windows.per_step);
    first..(piece.last / windows.per_step + 1).min(windows.steps)
}

/// Windows from cells: those of a window are the end of one block and the start of the next, where a block is as long as a window;
/// what starts and ends of blocks come to is computed once.
fn of_cells<P: Packed>(piece: &Piece<P>, op: RangeOp, fold: Fold, windows: &Windows) -> Span {
    let length = windows.per_window;
    let steps = steps_of(piece, windows);
    let first = steps.start;
    let cell = |at: usize| piece.cells[at].unpack(fold);
    if length == 1 {
        let window = |step: usize| cell(step * windows.per_step - piece.base).result(op, windows.interval);
        return Span::of(first, steps.map(window).collect());
    }
    // The base of a piece is where a block begins.
    let mut starts = piece.cells.clone();
    let mut ends = piece.cells.clone();
    for i in 1..piece.cells.len() {
        if !i.is_multiple_of(length) {
            let mut joined = starts[i - 1].unpack(fold);
            joined.merge(fold, &cell(i));
            starts[i] = P::pack(fold, joined);
        }
    }
    for i in (0..piece.cells.len() - 1).rev() {
        if !(i + 1).is_multiple_of(length) {
            let mut joined = cell(i);
            joined.merge(fold, &ends[i + 1].unpack(fold));
            ends[i] = P::pack(fold, joined);
        }
    }
    let look = |cells: &[P], bucket: usize| {
        let cell = bucket.checked_sub(piece.base).and_then(|at| cells.get(at));
        cell.map_or_else(Cell::default, |cell| cell.unpack(fold))
    };
    let window = |step: usize| {
        let from = step * windows.per_step;
        let mut cell = look(&ends, from);
        if !from.is_multiple_of(length) {
            cell.merge(fold, &look(&starts, from + length - 1));
        }
        cell.result(op, windows.interval)
    };
    Span::of(first, steps.map(window).collect())
}

/// Quantiles of windows; the values of a window are those of its buckets.
fn of_values(piece: &Piece<Vec<f64>>, param: f64, windows: &Windows) -> Span {
    let mut buffer = Vec::new();
    let steps = steps_of(piece, windows);
    let first = steps.start;
    let window = |step: usize| {
        let from = step * windows.per_step;
        let buckets = from.max(piece.first)..(from + windows.per_window).min(piece.last + 1);
        buffer.clear();
        for bucket in buckets {
            buffer.extend_from_slice(&piece.cells[bucket - piece.base]);
        }
        if buffer.is_empty() { ABSENT } else { quantile(param, &mut buffer) }
    };
    Span::of(first, steps.map(window).collect())
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
        op => Fold::of_samples(op),
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
