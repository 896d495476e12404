//! The rows of one row group in memory, column by column, until they are written.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use hashbrown::hash_map::RawEntryMut;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use model::{Exemplar, METRIC_NAME, Metadata, SampleBuffer};

use super::schema::{self, MAX_LABEL_COLUMNS, Shape};
use super::{SeriesHash, aggregates, exemplars, payload};
use crate::chunk;

/// Most rows of a row group.
pub(super) const MAX_ROWS: usize = 131_072;
/// Bytes of payload that fill a row group.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// Byte strings one after another.
#[derive(Debug, Default)]
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.bytes[begin..self.ends[at] as usize]
    }

    /// Ends the string that was appended to `bytes`.
    fn end(&mut self) {
        self.ends.push(self.bytes.len() as u32);
    }
}

/// A column with few different values: the values, and runs of rows.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) values: Strings,
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// First row, code, number of rows. The code is the value's place and one; rows between the runs have none.
    runs: Vec<(u32, u32, u32)>,
    /// How many rows have a value.
    pub(super) present: usize,
}

impl Texts {
    /// Sets the value of a row that has none yet and comes after all others. Answers the bytes that it took.
    pub(super) fn set(&mut self, row: usize, value: &[u8]) -> usize {
        let before = self.values.bytes.len();
        let row = row as u32;
        self.present += 1;
        if let Some((first, code, length)) = self.runs.last_mut()
            && *first + *length == row
            && self.values.get(*code as usize - 1) == value
        {
            *length += 1;
            return 0;
        }
        let code = self.place(value) + 1;
        self.runs.push((row, code, 1));
        self.values.bytes.len() - before + 12
    }

    fn place(&mut self, value: &[u8]) -> u32 {
        let Texts { values, places, hasher, .. } = self;
        let hash = hasher.hash_one(value);
        if let Some(place) = places.find(hash, |place| values.get(*place as usize) == value) {
            return *place;
        }
        let place = values.len() as u32;
        values.bytes.extend_from_slice(value);
        values.end();
        places.insert_unique(hash, place, |place| hasher.hash_one(values.get(*place as usize)));
        place
    }

    /// Runs of codes that cover `rows` rows, 0 where there is no value.
    pub(super) fn covering(&self, rows: usize) -> Vec<(u32, usize)> {
        let mut out = Vec::with_capacity(self.runs.len() + 1);
        let mut next = 0;
        for (first, code, length) in &self.runs {
            if *first > next {
                out.push((0, (*first - next) as usize));
            }
            out.push((*code, *length as usize));
            next = first + length;
        }
        if rows > next as usize {
            out.push((0, rows - next as usize));
        }
        out
    }

    /// Code of each value's place when the values are sorted, and the places in that order.
    pub(super) fn sorted(&self) -> (Vec<u32>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        order.sort_unstable_by(|a, b| self.values.get(*a as usize).cmp(self.values.get(*b as usize)));
        let mut codes = vec![0; order.len() + 1];
        for (rank, place) in order.iter().enumerate() {
            codes[*place as usize + 1] = rank as u32 + 1;
        }
        (codes, order)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        self.runs.iter().copied()
    }
}

/// The times of rows: each different list of times once.
#[derive(Debug, Default)]
pub(super) struct Times {
    pub(super) lists: Strings,
    plain: Vec<(usize, usize)>,
    times: Vec<i64>,
    known: HashMap<u64, Vec<u32>>,
    /// Place of each row's list.
    pub(super) codes: Vec<u32>,
    last: u32,
}

impl Times {
    fn push(&mut self, times: &[i64]) -> usize {
        let same = |place: u32, this: &Self| {
            let (from, to) = this.plain[place as usize];
            &this.times[from..to] == times
        };
        if !self.codes.is_empty() && same(self.last, self) {
            self.codes.push(self.last);
            return 0;
        }
        let hash = times
            .iter()
            .fold(times.len() as u64, |hash, t| (hash.rotate_left(23) ^ *t as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let found = self.known.get(&hash).and_then(|places| places.iter().copied().find(|place| same(*place, self)));
        let before = self.lists.bytes.len();
        let place = found.unwrap_or_else(|| {
            let place = self.lists.len() as u32;
            chunk::times::encode(times, &mut self.lists.bytes);
            self.lists.end();
            self.plain.push((self.times.len(), self.times.len() + times.len()));
            self.times.extend_from_slice(times);
            self.known.entry(hash).or_default().push(place);
            place
        });
        self.codes.push(place);
        self.last = place;
        self.lists.bytes.len() - before
    }
}

/// The rows.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) rows: usize,
    pub(super) labels: Vec<(Box<str>, Texts)>,
    by_name: HashMap<Box<str>, usize>,
    /// Where the label at the same place of the row before went.
    recent: Vec<usize>,
    pub(super) hashes: Vec<u8>,
    pub(super) min: Vec<i64>,
    pub(super) max: Vec<i64>,
    pub(super) counts: Vec<u32>,
    pub(super) times: Times,
    pub(super) values: Strings,
    pub(super) histograms: Strings,
    pub(super) starts: Strings,
    pub(super) aggregates: Strings,
    pub(super) exemplars: Strings,
    pub(super) metric_types: Texts,
    pub(super) units: Texts,
    pub(super) helps: Texts,
    bits: Vec<u64>,
    bytes: usize,
}

/// One row on its way into a group: the samples `from..to` of a buffer.
pub(super) struct Slice<'a> {
    pub(super) samples: &'a SampleBuffer,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) exemplars: &'a [Exemplar],
}

impl Group {
    /// True where the group is to be written before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES
    }

    pub(super) fn push(
        &mut self,
        hash: SeriesHash,
        labels: &[(&str, &str)],
        metadata: Option<&Metadata>,
        slice: &Slice<'_>,
    ) {
        let row = self.rows;
        self.push_labels(row, labels);
        self.hashes.extend_from_slice(&hash.0.to_be_bytes());
        let times = &slice.samples.timestamps[slice.from..slice.to];
        self.min.push(times[0]);
        self.max.push(times[times.len() - 1]);
        self.counts.push(times.len() as u32);
        self.bytes += self.times.push(times) + 40;
        let payload_before = self.payload_bytes();
        payload::put_values(slice.samples, slice.from, slice.to, &mut self.bits, &mut self.values.bytes);
        self.values.end();
        payload::put_histograms(slice.samples, slice.from, slice.to, &mut self.histograms.bytes);
        self.histograms.end();
        payload::put_starts(slice.samples, slice.from, slice.to, &mut self.starts.bytes);
        self.starts.end();
        aggregates::encode(slice.samples, slice.from, slice.to, &mut self.aggregates.bytes);
        self.aggregates.end();
        slice.exemplars.iter().for_each(|exemplar| exemplars::encode(exemplar, &mut self.exemplars.bytes));
        self.exemplars.end();
        self.bytes += self.payload_bytes() - payload_before;
        if let Some(metadata) = metadata {
            self.bytes += self.metric_types.set(row, metadata.metric_type.as_str().as_bytes());
            if !metadata.unit.is_empty() {
                self.bytes += self.units.set(row, metadata.unit.as_bytes());
            }
            if !metadata.help.is_empty() {
                self.bytes += self.helps.set(row, metadata.help.as_bytes());
            }
        }
        self.rows += 1;
    }

    fn payload_bytes(&self) -> usize {
        let payloads = [&self.values, &self.histograms, &self.starts, &self.aggregates, &self.exemplars];
        payloads.iter().map(|payload| payload.bytes.len()).sum()
    }

    fn push_labels(&mut self, row: usize, labels: &[(&str, &str)]) {
        for (place, (name, value)) in labels.iter().filter(|(_, value)| !value.is_empty()).enumerate() {
            let recent = self.recent.get(place).copied().filter(|at| &*self.labels[*at].0 == *name);
            let at = recent.unwrap_or_else(|| self.column(name));
            match self.recent.get_mut(place) {
                Some(slot) => *slot = at,
                None => self.recent.push(at),
            }
            self.bytes += self.labels[at].1.set(row, value.as_bytes());
        }
    }

    fn column(&mut self, name: &str) -> usize {
        match self.by_name.raw_entry_mut().from_key(name) {
            RawEntryMut::Occupied(known) => *known.get(),
            RawEntryMut::Vacant(vacant) => {
                let at = self.labels.len();
                self.labels.push((name.into(), Texts::default()));
                vacant.insert(name.into(), at);
                at
            }
        }
    }

    /// Names of labels, most frequent first, without the metric name.
    pub(super) fn label_names(&self) -> Vec<&str> {
        let there = self.labels.iter().filter(|(name, _)| &**name != METRIC_NAME);
        let mut names: Vec<(usize, &str)> = there.map(|(name, texts)| (texts.present, &**name)).collect();
        names.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// The columns of a file that consists of this group alone.
    pub(super) fn shape(&self) -> Shape {
        let mut names = self.label_names();
        let rest = names.len() + 1 > MAX_LABEL_COLUMNS;
        names.truncate(MAX_LABEL_COLUMNS - 1);
        let optional = [
            (schema::HISTOGRAMS, !self.histograms.bytes.is_empty()),
            (schema::START_TIMESTAMPS, !self.starts.bytes.is_empty()),
            (schema::AGGREGATES, !self.aggregates.bytes.is_empty()),
            (schema::EXEMPLARS, !self.exemplars.bytes.is_empty()),
            (schema::METRIC_TYPE, self.metric_types.present > 0),
            (schema::UNIT, self.units.present > 0),
            (schema::HELP, self.helps.present > 0),
        ];
        let optional = optional.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        Shape { labels: label_columns(names.into_iter()), rest, optional }
    }

    /// The values of a label, if any row has it.
    pub(super) fn texts(&self, name: &str) -> Option<&Texts> {
        self.by_name.get(name).map(|at| &self.labels[*at].1)
    }

    /// Labels that have no column of their own: by row, then by name.
    pub(super) fn rest(&self, shape: &Shape) -> BTreeMap<u32, Vec<(&str, &[u8])>> {
        let mut rows: BTreeMap<u32, Vec<(&str, &[u8])>> = BTreeMap::new();
        let mut others: Vec<&(Box<str>, Texts)> =
            self.labels.iter().filter(|(name, _)| shape.label(name).is_none()).collect();
        others.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, texts) in others {
            for (first, code, length) in texts.runs() {
                for row in first..first + length {
                    rows.entry(row).or_default().push((name, texts.values.get(code as usize - 1)));
                }
            }
        }
        rows
    }
}

/// The metric name, then the given names in their own order.
pub(super) fn label_columns<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = names.filter(|name| *name != METRIC_NAME).collect();
    names.sort_unstable();
    names.dedup();
    std::iter::once(METRIC_NAME).chain(names).map(str::to_owned).collect()
}
