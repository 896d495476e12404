//! Which series a line counts for, and the series found so far.

use hashbrown::HashMap;
use model::{Held, Labels, NumberColumn, NumberStyle};

use super::cells::Fold;
use super::grid::Grid;
use super::windows::Windows;
use crate::error::QueryError;
use crate::pipeline::{LineLabels, PRESERVE_ERROR, StreamLabels};

/// What names a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupBy {
    /// Nothing: there is one.
    One,
    /// These labels.
    By(Vec<String>),
    /// All labels but these.
    Without(Vec<String>),
}

/// The series of one worker.
pub(crate) struct Table<'p> {
    pub(crate) fold: Fold,
    pub(crate) windows: &'p Windows,
    by_key: HashMap<Box<str>, u32>,
    pub(crate) series: Vec<(Labels, Grid)>,
    key: String,
    numbers: Vec<Numbered>,
    held: Held,
    /// Of what is held, the bytes of series.
    bytes: usize,
}

/// The series that numbers of one label name, so that they need not be written to be looked up.
struct Numbered {
    name: String,
    prefix: Box<str>,
    suffix: Box<str>,
    style: NumberStyle,
    /// Series of the numbers from 0 on; `u32::MAX` where none is known.
    small: Vec<u32>,
    others: HashMap<i64, u32>,
    /// Lines counted by number, where there is one bucket, that are in no series yet.
    counts: Vec<u64>,
}

/// Larger numbers are kept in a map.
const MOST_SMALL: i64 = 1 << 17;

/// Bytes of a series beside its cells.
const SERIES_BYTES: usize = 200;

impl<'p> Table<'p> {
    pub(crate) fn new(fold: Fold, windows: &'p Windows, held: Held) -> Self {
        Table {
            fold,
            windows,
            by_key: HashMap::new(),
            series: Vec::new(),
            key: String::new(),
            numbers: Vec::new(),
            held,
            bytes: 0,
        }
    }

    /// The series with these labels; blank values are none.
    pub(crate) fn find<'a>(
        &mut self,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<usize, QueryError> {
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        self.key.clear();
        for (name, value) in pairs.clone() {
            push(&mut self.key, name);
            push(&mut self.key, value);
        }
        match self.by_key.get(self.key.as_str()) {
            Some(known) => Ok(*known as usize),
            None => self.add(Labels::from_pairs(pairs)),
        }
    }

    fn add(&mut self, labels: Labels) -> Result<usize, QueryError> {
        self.add_with(labels, Grid::new(self.fold, self.windows))
    }

    fn add_with(&mut self, labels: Labels, grid: Grid) -> Result<usize, QueryError> {
        self.hold(SERIES_BYTES + 2 * self.key.len() + grid.bytes())?;
        let place = self.series.len();
        self.by_key.insert(self.key.as_str().into(), place as u32);
        self.series.push((labels, grid));
        Ok(place)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.bytes += bytes;
        Ok(self.held.add(bytes)?)
    }

    /// Adds a sample to a bucket of a series.
    pub(crate) fn add_to(
        &mut self,
        series: usize,
        bucket: usize,
        timestamp: i64,
        value: f64,
    ) -> Result<(), QueryError> {
        match self.series[series].1.add_to(self.fold, self.windows, bucket, timestamp, value) {
            0 => Ok(()),
            grown => self.hold(grown),
        }
    }

    /// Adds lines whose values are `sum` together; only where values are summed, and not where there are no lines.
    pub(crate) fn add_sum(&mut self, series: usize, bucket: usize, sum: f64) -> Result<(), QueryError> {
        self.add_to(series, bucket, 0, sum)
    }

    /// Gives series away one by one, and with each the memory that it took.
    pub(crate) fn each_series(
        self,
        mut visit: impl FnMut(Labels, Grid) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let Table { mut held, mut bytes, series, by_key, .. } = self;
        drop(by_key);
        for (labels, grid) in series {
            bytes = bytes.saturating_sub(SERIES_BYTES + grid.bytes());
            visit(labels, grid)?;
            held.set(bytes)?;
        }
        Ok(())
    }

    /// Where the series of numbers of a label are kept that are written as those of this column.
    pub(crate) fn numbered(&mut self, name: &str, column: &NumberColumn) -> usize {
        let is_same = |known: &Numbered| {
            known.name == name
                && known.prefix == column.prefix
                && known.suffix == column.suffix
                && known.style == column.style
        };
        self.numbers.iter().position(is_same).unwrap_or_else(|| {
            self.numbers.push(Numbered {
                name: name.to_owned(),
                prefix: column.prefix.clone(),
                suffix: column.suffix.clone(),
                style: column.style,
                small: Vec::new(),
                others: HashMap::new(),
                counts: Vec::new(),
            });
            self.numbers.len() - 1
        })
    }

    /// Counts a line by its number; false where the number is too large for that.
    pub(crate) fn count_number(&mut self, list: usize, value: i64) -> Result<bool, QueryError> {
        let counts = &mut self.numbers[list].counts;
        let Ok(place) = usize::try_from(value) else { return Ok(false) };
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
            return Ok(true);
        }
        if value >= MOST_SMALL {
            return Ok(false);
        }
        let length = (place + 1).next_power_of_two();
        self.held.add((length - counts.len()) * size_of::<u64>())?;
        counts.resize(length, 0);
        counts[place] += 1;
        Ok(true)
    }

    /// Puts what was counted by number into series.
    pub(crate) fn settle(&mut self) -> Result<(), QueryError> {
        for mut list in std::mem::take(&mut self.numbers) {
            let column = NumberColumn {
                prefix: std::mem::take(&mut list.prefix),
                suffix: std::mem::take(&mut list.suffix),
                style: list.style,
                values: Vec::new(),
            };
            let mut text = String::new();
            for (value, count) in list.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                text.clear();
                column.write(value as i64, &mut text);
                let series = self.find(std::iter::once((list.name.as_str(), text.as_str())))?;
                self.add_sum(series, 0, *count as f64)?;
            }
        }
        Ok(())
    }

    /// The series of a number, where it is known.
    pub(crate) fn series_of_number(&self, list: usize, value: i64) -> Option<usize> {
        let list = &self.numbers[list];
        let known = match usize::try_from(value).ok().and_then(|place| list.small.get(place)) {
            Some(known) => Some(*known).filter(|series| *series != u32::MAX),
            None => list.others.get(&value).copied(),
        };
        known.map(|series| series as usize)
    }

    /// Keeps the series of a number.
    pub(crate) fn note_series_of_number(&mut self, list: usize, value: i64, series: usize) -> Result<(), QueryError> {
        let list = &mut self.numbers[list];
        if (0..MOST_SMALL).contains(&value) {
            let place = value as usize;
            if place >= list.small.len() {
                let length = (place + 1).next_power_of_two();
                self.held.add((length - list.small.len()) * size_of::<u32>())?;
                list.small.resize(length, u32::MAX);
                // What was too large for the list before is in it now.
                let moved: Vec<(i64, u32)> =
                    list.others.extract_if(|value, _| (0..length as i64).contains(value)).collect();
                moved.into_iter().for_each(|(value, series)| list.small[value as usize] = series);
            }
            list.small[place] = series as u32;
        } else {
            self.held.add(24)?;
            list.others.insert(value, series as u32);
        }
        Ok(())
    }

    /// The series that a line counts for. A line with an error that nobody asked for ends the query.
    pub(crate) fn of_line(
        &mut self,
        group: &GroupBy,
        stream: &StreamLabels,
        labels: &LineLabels,
    ) -> Result<usize, QueryError> {
        if labels.has_error() {
            if labels.get(stream, PRESERVE_ERROR) != Some("true") {
                return Err(QueryError::Pipeline(all_labels(stream, labels)));
            }
            return self.of_all(stream, labels, &[]);
        }
        match group {
            GroupBy::One => self.find(std::iter::empty()),
            GroupBy::By(names) => {
                let pairs = names.iter().filter_map(|name| Some((name.as_str(), labels.get(stream, name)?)));
                self.find(pairs)
            }
            GroupBy::Without(names) => self.of_all(stream, labels, names),
        }
    }

    fn of_all(&mut self, stream: &StreamLabels, labels: &LineLabels, but: &[String]) -> Result<usize, QueryError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        labels.each(stream, &mut |_, name, value| {
            if !but.iter().any(|other| other == name) {
                pairs.push((name, value));
            }
        });
        pairs.sort_unstable();
        self.find(pairs.into_iter())
    }

    /// Takes over the series of another worker.
    pub(crate) fn merge(&mut self, other: Table<'_>) -> Result<(), QueryError> {
        let Table { mut held, mut bytes, .. } = other;
        let mut keys: Vec<Box<str>> = vec![Box::default(); other.series.len()];
        for (key, place) in other.by_key {
            keys[place as usize] = key;
        }
        for ((labels, grid), key) in other.series.into_iter().zip(keys) {
            self.key.clear();
            self.key.push_str(&key);
            // What goes over is held once.
            bytes = bytes.saturating_sub(SERIES_BYTES + 2 * key.len() + grid.bytes());
            held.set(bytes)?;
            match self.by_key.get(&key) {
                Some(known) => {
                    let known = *known as usize;
                    let grown = self.series[known].1.merge(self.fold, self.windows, grid);
                    self.hold(grown)?;
                }
                None => {
                    self.add_with(labels, grid)?;
                }
            }
        }
        Ok(())
    }
}

/// Adds a text behind its length, so that no two lists of texts read alike.
fn push(key: &mut String, text: &str) {
    for shift in [0, 7, 14, 21, 28] {
        key.push(char::from((text.len() >> shift & 0x7f) as u8));
    }
    key.push_str(text);
}

fn all_labels(stream: &StreamLabels, labels: &LineLabels) -> Labels {
    let mut pairs: Vec<(String, String)> = Vec::new();
    labels.each(stream, &mut |_, name, value| pairs.push((name.to_owned(), value.to_owned())));
    Labels::from_pairs(pairs)
}
