//! How the lines of a bucket are put together, and what is kept of them: no more than the way needs.

use std::cmp::Ordering;

use super::windows::Windows;
use super::{ABSENT, is_absent};
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
    /// What an operation needs of each bucket; all samples where there are no buckets.
    pub(crate) fn of(op: RangeOp, windows: &Windows) -> Fold {
        if windows.has_buckets() { Fold::of_samples(op) } else { Fold::Samples }
    }

    /// What an operation needs of samples that it can put together.
    pub(crate) fn of_samples(op: RangeOp) -> Fold {
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

/// The lines of a bucket, or of several, as they are put together; kept as what [`Packed`] makes of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    count: f64,
    value: f64,
    /// Sum of squared differences from the mean, or the time of the value.
    extra: f64,
}

impl Cell {
    pub(crate) fn add(&mut self, fold: Fold, timestamp: i64, value: f64) {
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
    pub(crate) fn merge(&mut self, fold: Fold, other: &Cell) {
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

    pub(crate) fn result(&self, op: RangeOp, interval: i64) -> f64 {
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

/// What a row keeps of a bucket.
pub(crate) trait Slot: Clone {
    /// Of a bucket without lines.
    const EMPTY: Self;

    /// True for a bucket without lines.
    fn is_empty(&self) -> bool;

    /// Puts a line to it. Answers the bytes by which it grew beside itself.
    fn add(&mut self, fold: Fold, timestamp: i64, value: f64) -> usize;

    /// Puts what another has to it. Answers the bytes by which it grew beside itself.
    fn join(&mut self, fold: Fold, other: Self) -> usize;
}

/// A cell as it is kept.
pub(crate) trait Packed: Copy {
    /// Of a cell without lines.
    const NOTHING: Self;

    fn is_nothing(&self) -> bool;

    fn pack(fold: Fold, cell: Cell) -> Self;

    fn unpack(self, fold: Fold) -> Cell;
}

/// All that sums, counts, and least and greatest values need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct One(f64);

/// A value with its time, or a mean with the count of its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Two(f64, f64);

impl Packed for One {
    const NOTHING: Self = One(ABSENT);

    fn is_nothing(&self) -> bool {
        is_absent(self.0)
    }

    fn pack(_: Fold, cell: Cell) -> Self {
        if cell.count == 0.0 { Self::NOTHING } else { One(cell.value) }
    }

    fn unpack(self, _: Fold) -> Cell {
        if self.is_nothing() { Cell::default() } else { Cell { count: 1.0, value: self.0, extra: 0.0 } }
    }
}

impl Packed for Two {
    const NOTHING: Self = Two(ABSENT, 0.0);

    fn is_nothing(&self) -> bool {
        is_absent(self.0)
    }

    fn pack(fold: Fold, cell: Cell) -> Self {
        match fold {
            _ if cell.count == 0.0 => Self::NOTHING,
            Fold::Mean => Two(cell.value, cell.count),
            _ => Two(cell.value, cell.extra),
        }
    }

    fn unpack(self, fold: Fold) -> Cell {
        match fold {
            _ if self.is_nothing() => Cell::default(),
            Fold::Mean => Cell { count: self.1, value: self.0, extra: 0.0 },
            _ => Cell { count: 1.0, value: self.0, extra: self.1 },
        }
    }
}

impl Packed for Cell {
    const NOTHING: Self = Cell { count: 0.0, value: 0.0, extra: 0.0 };

    fn is_nothing(&self) -> bool {
        self.count == 0.0
    }

    fn pack(_: Fold, cell: Cell) -> Self {
        cell
    }

    fn unpack(self, _: Fold) -> Cell {
        self
    }
}

impl<P: Packed> Slot for P {
    const EMPTY: Self = P::NOTHING;

    fn is_empty(&self) -> bool {
        self.is_nothing()
    }

    fn add(&mut self, fold: Fold, timestamp: i64, value: f64) -> usize {
        let mut cell = self.unpack(fold);
        cell.add(fold, timestamp, value);
        *self = P::pack(fold, cell);
        0
    }

    fn join(&mut self, fold: Fold, other: Self) -> usize {
        let mut cell = self.unpack(fold);
        cell.merge(fold, &other.unpack(fold));
        *self = P::pack(fold, cell);
        0
    }
}

impl One {
    /// Adds to a sum.
    pub(crate) fn add_sum(&mut self, value: f64) {
        self.0 = if is_absent(self.0) { value + 0.0 } else { self.0 + value };
    }
}

/// Every value of the bucket.
impl Slot for Vec<f64> {
    const EMPTY: Self = Vec::new();

    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn add(&mut self, _: Fold, _: i64, value: f64) -> usize {
        let before = self.capacity();
        self.push(value);
        (self.capacity() - before) * size_of::<f64>()
    }

    fn join(&mut self, _: Fold, other: Self) -> usize {
        if self.is_empty() {
            // What it has was counted where it grew, unless that was another's.
            *self = other;
            return 0;
        }
        let before = self.capacity();
        self.extend(other);
        (self.capacity() - before) * size_of::<f64>()
    }
}
