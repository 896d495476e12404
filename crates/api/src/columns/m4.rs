//! M4: the samples of a line that its picture needs (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation").
//!
//! The time axis is cut into as many columns as the picture has pixels. Of each unbroken piece of a line within a column the
//! first, the last, the least and the greatest sample are kept: the line through them covers the same pixels of the column,
//! and leaves it where the whole line leaves it. A line is broken by absent steps and by values that are no finite numbers;
//! each such value is kept, and of each run of absent steps the first one, so that the breaks stay where they are.

/// The indexes that are kept, ascending. `absent` tells which values are missing; `width` is at least 1.
pub(super) fn reduce(values: &[f64], absent: impl Fn(f64) -> bool, width: usize) -> Vec<u32> {
    let mut kept = Vec::with_capacity((width * 4).min(values.len()));
    let mut piece: Option<Piece> = None;
    for (at, value) in values.iter().copied().enumerate() {
        if value.is_finite() {
            let column = column(at, values.len(), width);
            match &mut piece {
                Some(piece) if piece.column == column => piece.add(at, value),
                other => {
                    if let Some(done) = other.replace(Piece::new(column, at, value)) {
                        done.keep(&mut kept);
                    }
                }
            }
            continue;
        }
        let begins_gap = at > 0 && !absent(values[at - 1]);
        if let Some(done) = piece.take() {
            done.keep(&mut kept);
        }
        if !absent(value) || begins_gap {
            kept.push(at as u32);
        }
    }
    if let Some(done) = piece {
        done.keep(&mut kept);
    }
    kept
}

/// The pixel column of a step: the first step lies at the left edge, the last one at the right.
fn column(at: usize, steps: usize, width: usize) -> usize {
    let last = steps.saturating_sub(1).max(1);
    (at * width / last).min(width - 1)
}

/// What is known of the piece of a line within a column.
struct Piece {
    column: usize,
    first: usize,
    last: usize,
    least: (usize, f64),
    greatest: (usize, f64),
}

impl Piece {
    fn new(column: usize, at: usize, value: f64) -> Self {
        Piece { column, first: at, last: at, least: (at, value), greatest: (at, value) }
    }

    fn add(&mut self, at: usize, value: f64) {
        self.last = at;
        if value < self.least.1 {
            self.least = (at, value);
        }
        if value > self.greatest.1 {
            self.greatest = (at, value);
        }
    }

    fn keep(self, kept: &mut Vec<u32>) {
        let mut indexes = [self.first, self.least.0, self.greatest.0, self.last];
        indexes.sort_unstable();
        for index in indexes {
            if kept.last() != Some(&(index as u32)) {
                kept.push(index as u32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn absent(v: f64) -> bool {
        model::is_stale(v)
    }

    /// Column, lowest and highest value, and the sample that the stroke into it comes from.
    type Covered = (usize, f64, f64, Option<(usize, f64)>);

    /// What a picture shows of a line: of each column the range that is covered, and the strokes that lead into it.
    fn picture(samples: &[(usize, f64)], steps: usize, width: usize) -> Vec<Covered> {
        let mut columns: Vec<Covered> = Vec::new();
        let mut before: Option<(usize, f64)> = None;
        for (at, value) in samples.iter().copied() {
            if !value.is_finite() {
                before = None;
                if !absent(value) {
                    columns.push((at, f64::NAN, f64::NAN, None));
                }
                continue;
            }
            let here = column(at, steps, width);
            match columns.last_mut() {
                Some(last) if last.0 == here && before.is_some() => {
                    last.1 = last.1.min(value);
                    last.2 = last.2.max(value);
                }
                // The stroke into a column begins at the last sample of the one before and ends at the first of this one.
                _ => columns.push((here, value, value, before)),
            }
            before = Some((at, value));
        }
        columns
    }

    fn all(values: &[f64]) -> Vec<(usize, f64)> {
        values.iter().copied().enumerate().collect()
    }

    #[test]
    fn first_last_least_and_greatest_stay() {
        let values: Vec<f64> = vec![3.0, 9.0, 1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 2.0, 8.0, 4.0, 6.0];
        assert_eq!(reduce(&values, absent, 1), [0, 1, 2, 11]);
        assert_eq!(reduce(&values, absent, 2), [0, 1, 2, 5, 6, 8, 9, 11]);
        assert_eq!(reduce(&values, absent, 100), (0..12).collect::<Vec<u32>>());
        assert_eq!(reduce(&[], absent, 5), [0_u32; 0]);
        assert_eq!(reduce(&[7.0], absent, 5), [0]);
    }

    #[test]
    fn gaps_stay() {
        let gone = model::stale_nan();
        let values = [1.0, 1.0, 1.0, gone, gone, gone, 2.0, 2.0, 2.0, f64::NAN, 3.0, f64::INFINITY, gone, 1.0];
        assert_eq!(reduce(&values, absent, 1), [0, 2, 3, 6, 8, 9, 10, 11, 12, 13]);
        assert_eq!(reduce(&[gone, gone, 1.0, gone], absent, 1), [2, 3]);
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            20 => -1e3..1e3_f64,
            4 => (-3..3_i32).prop_map(f64::from),
            2 => Just(model::stale_nan()),
            1 => Just(f64::NAN),
            1 => Just(f64::NEG_INFINITY),
        ]
    }

    proptest! {
        #[test]
        fn the_picture_is_the_same(values in prop::collection::vec(value(), 0..600), width in 1_usize..90) {
            let kept = reduce(&values, absent, width);
            prop_assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            let reduced: Vec<(usize, f64)> = kept.iter().map(|at| (*at as usize, values[*at as usize])).collect();
            let (whole, drawn) =
                (picture(&all(&values), values.len(), width), picture(&reduced, values.len(), width));
            prop_assert_eq!(format!("{:?}", whole), format!("{:?}", drawn));
            let breaks = values.iter().filter(|v| !v.is_finite()).count();
            prop_assert!(kept.len() <= 4 * (width + breaks + 1) + breaks);
        }
    }
}
