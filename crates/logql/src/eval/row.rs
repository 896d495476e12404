//! The buckets of one series: as many cells as have lines, or all of them where that takes no more.
//!
//! Cells are noted in the order in which lines come, which is nearly that of time. Only when there is no room left are they
//! sorted, and those of one bucket joined; so a line costs little in any order, and the room never exceeds what a cell for each
//! bucket would take.

use super::cells::{Fold, Slot};

/// Rows of so few bytes have a cell for each bucket from the start.
const SMALL: usize = 256;
/// Cells that there is room for at first.
const FIRST: usize = 4;

/// What is kept of each bucket.
#[derive(Clone, Debug)]
pub(crate) enum Row<T> {
    /// Cells with their buckets. Ascending but for what was added since there was no room; a bucket may be there twice.
    Few(Vec<(u32, T)>),
    /// One cell for each bucket.
    All(Vec<T>),
}

/// A piece of a row that has a cell for each bucket.
pub(crate) struct Piece<T> {
    /// The first and the last bucket with lines.
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// The bucket of the first cell.
    pub(crate) base: usize,
    pub(crate) cells: Vec<T>,
}

impl<T: Slot> Row<T> {
    pub(crate) fn new(buckets: usize) -> Row<T> {
        match buckets * size_of::<T>() <= SMALL {
            true => Row::All(vec![T::EMPTY; buckets]),
            false => Row::Few(Vec::new()),
        }
    }

    /// Bytes that the cells take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Row::Few(cells) => cells.capacity() * size_of::<(u32, T)>(),
            Row::All(cells) => cells.capacity() * size_of::<T>(),
        }
    }

    /// The cell of a bucket, and the bytes by which the row grew for it.
    pub(crate) fn cell(&mut self, fold: Fold, bucket: usize, buckets: usize) -> (&mut T, usize) {
        let mut grown = 0;
        if let Row::Few(cells) = self
            && cells.last().is_none_or(|(last, _)| *last as usize != bucket)
        {
            if cells.len() == cells.capacity() {
                grown = self.make_room(fold, buckets);
            }
            if let Row::Few(cells) = self
                && cells.last().is_none_or(|(last, _)| *last as usize != bucket)
            {
                cells.push((bucket as u32, T::EMPTY));
            }
        }
        match self {
            Row::All(cells) => (&mut cells[bucket], grown),
            Row::Few(cells) => (&mut cells.last_mut().expect("the bucket is there").1, grown),
        }
    }

    #[cold]
    fn make_room(&mut self, fold: Fold, buckets: usize) -> usize {
        let before = self.bytes();
        let Row::Few(cells) = self else { return 0 };
        let room = cells.capacity();
        let mut grown = tidy(fold, cells);
        if cells.len() > room / 2 || room == 0 {
            let wanted = (2 * room).max(FIRST);
            if wanted * size_of::<(u32, T)>() < buckets * size_of::<T>() {
                cells.reserve_exact(wanted - cells.len());
            } else {
                let mut all = vec![T::EMPTY; buckets];
                for (bucket, cell) in cells.drain(..) {
                    grown += all[bucket as usize].join(fold, cell);
                }
                *self = Row::All(all);
            }
        }
        grown + self.bytes().saturating_sub(before)
    }

    /// Puts what another row of the same buckets has to this. Answers the bytes by which it grew.
    pub(crate) fn join(&mut self, fold: Fold, other: Row<T>, buckets: usize) -> usize {
        let mut grown = 0;
        let mut put = |bucket: usize, theirs: T| {
            let (ours, grown_here) = self.cell(fold, bucket, buckets);
            grown += grown_here + ours.join(fold, theirs);
        };
        match other {
            Row::Few(cells) => cells.into_iter().for_each(|(bucket, cell)| put(bucket as usize, cell)),
            Row::All(cells) => {
                let cells = cells.into_iter().enumerate();
                cells.filter(|(_, cell)| !cell.is_empty()).for_each(|(bucket, cell)| put(bucket, cell));
            }
        }
        grown
    }

    /// The part that has lines, from and up to whole blocks of `block` buckets; `None` where there are no lines.
    pub(crate) fn piece(self, fold: Fold, block: usize, buckets: usize) -> Option<Piece<T>> {
        match self {
            Row::All(cells) => {
                let first = cells.iter().position(|cell| !cell.is_empty())?;
                let last = cells.iter().rposition(|cell| !cell.is_empty())?;
                Some(Piece { first, last, base: 0, cells })
            }
            Row::Few(mut few) => {
                tidy(fold, &mut few);
                few.retain(|(_, cell)| !cell.is_empty());
                let (first, last) = (few.first()?.0 as usize, few.last()?.0 as usize);
                let base = first - first % block;
                let end = ((last / block + 1) * block).min(buckets);
                let mut cells = vec![T::EMPTY; end - base];
                few.into_iter().for_each(|(bucket, cell)| cells[bucket as usize - base] = cell);
                Some(Piece { first, last, base, cells })
            }
        }
    }
}

/// Sorts cells by bucket, and joins those of one; what came first stays first.
fn tidy<T: Slot>(fold: Fold, cells: &mut Vec<(u32, T)>) -> usize {
    let mut grown = 0;
    if !cells.is_sorted_by_key(|(bucket, _)| *bucket) {
        cells.sort_by_key(|(bucket, _)| *bucket);
    }
    cells.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            grown += kept.1.join(fold, std::mem::replace(&mut next.1, T::EMPTY));
        }
        is_same
    });
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same lines into a row and into a plain list of sums.
    #[test]
    fn a_row_has_what_was_put_to_it_in_any_order() {
        let buckets = 1950;
        for (lines, stride) in [(0, 1), (1, 1), (5, 400), (300, 7), (5000, 1), (5000, 1201), (20_000, 3)] {
            let mut row: Row<Vec<f64>> = Row::new(buckets);
            let mut wanted = vec![Vec::new(); buckets];
            let mut bytes = row.bytes();
            for n in 0..lines {
                let bucket = n * stride % buckets;
                let (cell, grown) = row.cell(Fold::Values, bucket, buckets);
                bytes += grown + cell.add(Fold::Values, 0, n as f64);
                wanted[bucket].push(n as f64);
                assert!(row.bytes() <= buckets * size_of::<Vec<f64>>());
            }
            assert!(bytes >= row.bytes());
            if lines <= 5 {
                assert!(bytes <= 1000, "{bytes}");
            }
            let mut twice = row.clone();
            twice.join(Fold::Values, row.clone(), buckets);
            for (row, times) in [(row, 1), (twice, 2)] {
                let Some(piece) = row.piece(Fold::Values, 150, buckets) else {
                    assert_eq!(lines, 0);
                    continue;
                };
                assert!(piece.base.is_multiple_of(150) && !piece.cells[piece.first - piece.base].is_empty());
                assert!(!piece.cells[piece.last - piece.base].is_empty());
                for (bucket, wanted) in wanted.iter().enumerate() {
                    let have = bucket.checked_sub(piece.base).and_then(|at| piece.cells.get(at));
                    assert_eq!(have.map_or(&[][..], |have| have), wanted.repeat(times), "{bucket}");
                }
            }
        }
    }
}
