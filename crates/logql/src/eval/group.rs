//! Which series a line counts for, and the series found so far.

use hashbrown::HashMap;
use model::{Held, Labels};

use super::grid::{Fold, Grid};
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
    held: Held,
}

/// Bytes of a series beside its cells.
const SERIES_BYTES: usize = 200;

impl<'p> Table<'p> {
    pub(crate) fn new(fold: Fold, windows: &'p Windows, held: Held) -> Self {
        Table { fold, windows, by_key: HashMap::new(), series: Vec::new(), key: String::new(), held }
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
        self.held.add(SERIES_BYTES + 2 * self.key.len() + Grid::bytes(self.fold, self.windows))?;
        let place = self.series.len();
        self.by_key.insert(self.key.as_str().into(), place as u32);
        self.series.push((labels, Grid::new(self.fold, self.windows)));
        Ok(place)
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

    /// Notes memory that samples take beside their series.
    pub(crate) fn hold_samples(&mut self, samples: usize) -> Result<(), QueryError> {
        if self.fold == Fold::Samples {
            self.held.add(samples * size_of::<(i64, f64)>())?;
        }
        Ok(())
    }

    /// Takes over the series of another worker.
    pub(crate) fn merge(&mut self, other: Table<'_>) -> Result<(), QueryError> {
        let mut keys: Vec<Box<str>> = vec![Box::default(); other.series.len()];
        for (key, place) in other.by_key {
            keys[place as usize] = key;
        }
        for ((labels, grid), key) in other.series.into_iter().zip(keys) {
            self.key.clear();
            self.key.push_str(&key);
            let place = match self.by_key.get(&key) {
                Some(known) => *known as usize,
                None => self.add(labels)?,
            };
            if let Grid::Samples(samples) = &grid {
                self.hold_samples(samples.len())?;
            }
            self.series[place].1.merge(self.fold, grid);
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
