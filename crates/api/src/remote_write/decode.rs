//! From the bytes of a request to batches for the store, and from the store's report to what was written.
//!
//! A request is decoded in portions of bounded memory, so that no request, however it is built, takes many times its own
//! size. Ordinary requests are one portion.

use std::sync::Arc;

use hashbrown::HashMap;
use model::{
    AppendReport, Exemplar, FloatHistogram, Labels, Metadata, RejectReason, Sample, SampleValue, SeriesRef, Tenant,
    Timestamp, WriteBatch, WriteRow,
};

use super::convert::{self, sample};
use super::dialect::{Dialect, MetadataFault, RawMetadata, family_of};
use super::labels::{LabelFault, LabelScratch};
use super::portion::{Item, Portion, Sent, Span, Written, update};
use super::wire::{Reader, Value, WireError};
use crate::ingest::cache::{Caches, SeriesKey, TenantCache, Update, metadata_hash};
use crate::ingest::problems::{Lost, Problems};

/// Series looked up ahead of their samples. Many lookups in a row let the processor wait for their memory at the same time;
/// one by one they were a quarter of all time. Few enough to stay in the nearest cache.
const WINDOW: usize = 256;
/// Rows that room is made for at once.
const MAX_ROWS_AHEAD: usize = 16_384;
/// Exemplars taken from one series message.
const MAX_EXEMPLARS: usize = 4096;

const ROW_BYTES: usize = size_of::<WriteRow>();

/// A request on its way to the store.
pub(super) struct Decoder<'a, D> {
    dialect: D,
    top: Reader<'a>,
    tenant: Tenant,
    cache: Arc<TenantCache>,
    minute: u32,
    /// Series messages in the request.
    series: usize,
    items: Vec<Item<'a>>,
    next: usize,
    families: Vec<(&'a [u8], RawMetadata<'a>)>,
    key_bytes: Vec<u8>,
    labels: LabelScratch<'a>,
    /// Stands in rows whose series the store knows by reference.
    no_labels: Labels,
    /// Floats and histograms met so far.
    pub(super) samples: u64,
    pub(super) written: Written,
    pub(super) problems: Problems,
}

impl<'a, D: Dialect<'a>> Decoder<'a, D> {
    /// A decoder for one request of so many series messages; `families` is the metadata that stands outside of them.
    pub(super) fn new(
        dialect: D,
        request: &'a [u8],
        tenant: Tenant,
        cache: Arc<TenantCache>,
        minute: u32,
        series: usize,
        families: Vec<(&'a [u8], RawMetadata<'a>)>,
    ) -> Self {
        Decoder {
            dialect,
            top: Reader::new(request),
            tenant,
            cache,
            minute,
            series,
            items: Vec::with_capacity(series.min(WINDOW)),
            next: 0,
            families,
            key_bytes: Vec::new(),
            labels: LabelScratch::default(),
            no_labels: Labels::empty(),
            samples: 0,
            written: Written::default(),
            problems: Problems::default(),
        }
    }

    /// The next portion, `None` at the end.
    pub(super) fn portion(&mut self) -> Result<Option<(WriteBatch, Sent<'a>)>, WireError> {
        let mut portion = self.begin();
        let rows_ahead = self.series.min(MAX_ROWS_AHEAD);
        portion.batch.rows.reserve(rows_ahead);
        portion.sent.spans.reserve(rows_ahead);
        for (name, metadata) in std::mem::take(&mut self.families) {
            self.add_family(&mut portion, name, metadata);
        }
        while !portion.is_full() {
            if self.next == self.items.len() {
                self.look_ahead()?;
                if self.items.is_empty() {
                    break;
                }
            }
            while self.next < self.items.len() && !portion.is_full() {
                let item = self.items[self.next];
                match self.add_series(&mut portion, item)? {
                    Some(left) => self.items[self.next].rest = left,
                    None => self.next += 1,
                }
            }
        }
        self.adopt_orphans(&mut portion);
        let is_over = self.items.is_empty() && portion.batch.rows.is_empty() && portion.batch.metadata.is_empty();
        portion.sent.rows = portion.batch.rows.len();
        Ok((!is_over).then_some((portion.batch, portion.sent)))
    }

    /// A portion with the labels of series whose references the store has forgotten.
    pub(super) fn once_more(&mut self, forgotten: &[Span<'a>]) -> Result<(WriteBatch, Sent<'a>), WireError> {
        // What is wrong with these series was counted when they were read first.
        let (problems, samples) = (std::mem::take(&mut self.problems), self.samples);
        let mut portion = self.begin();
        portion.batch.rows.reserve(forgotten.iter().map(|span| span.rows().len()).sum());
        for span in forgotten {
            let mut item = span.item();
            while let Some(left) = self.add_series(&mut portion, item)? {
                item.rest = left;
                portion.bytes = 0;
            }
        }
        (self.problems, self.samples) = (problems, samples);
        portion.sent.rows = portion.batch.rows.len();
        Ok((portion.batch, portion.sent))
    }

    fn begin(&self) -> Portion<'a> {
        let batch = WriteBatch { tenant: self.tenant.clone(), ..WriteBatch::default() };
        Portion { batch, sent: Sent::default(), orphans: Vec::new(), bytes: 0 }
    }

    /// Finds the next series messages, names them and looks them up.
    fn look_ahead(&mut self) -> Result<(), WireError> {
        self.items.clear();
        self.next = 0;
        while self.items.len() < WINDOW {
            let Some((number, value)) = self.top.field()? else { break };
            match value {
                Value::Bytes(message) if number == self.dialect.series_field() => {
                    let item = self.item(message)?;
                    self.items.push(item);
                }
                _ => {}
            }
        }
        self.series -= self.items.len().min(self.series);
        let series = self.cache.series.read();
        for item in &mut self.items {
            let entry = item.key.and_then(|key| series.get(&key));
            item.known = entry.map(|entry| {
                entry.touch(self.minute);
                (entry.reference, entry.metadata)
            });
        }
        Ok(())
    }

    fn item(&mut self, message: &'a [u8]) -> Result<Item<'a>, WireError> {
        let mut reader = Reader::new(message);
        let head = reader.leading_first_fields()?;
        let rest = reader.rest();
        while let Some((number, _)) = reader.field()? {
            if number == 1 {
                return Ok(Item { key: None, known: None, message, rest: message });
            }
        }
        let key = self.dialect.key(head, &mut self.key_bytes);
        Ok(Item { key, known: None, message, rest })
    }

    fn read_labels(&mut self, message: &'a [u8], needs_name: bool) -> Result<Result<Labels, LabelFault>, WireError> {
        self.labels.raw.clear();
        let read = self.dialect.labels(message, &mut self.labels.raw)?;
        Ok(read.and_then(|()| self.labels.build(needs_name)))
    }

    /// Decodes a series message into rows. Answers what is left of it where the portion became full.
    fn add_series(&mut self, portion: &mut Portion<'a>, item: Item<'a>) -> Result<Option<&'a [u8]>, WireError> {
        let (labels, hint, known_metadata) = match item.known {
            Some((reference, metadata)) => (self.no_labels.clone(), Some(reference), metadata),
            None => match self.read_labels(item.message, true)? {
                Ok(labels) => (labels, None, 0),
                Err(fault) => {
                    self.refuse_series(item, &fault)?;
                    return Ok(None);
                }
            },
        };
        let first_row = portion.batch.rows.len();
        let mut exemplars = Vec::new();
        let (mut created, mut metadata, mut refused) = (0, RawMetadata::default(), false);
        let mut left = None;
        let mut reader = Reader::new(item.rest);
        loop {
            let here = reader.rest();
            let Some((number, value)) = reader.field()? else { break };
            let is_sample = number == 2;
            if is_sample || number == D::HISTOGRAMS {
                if portion.is_full() {
                    left = Some(here);
                    break;
                }
                let Value::Bytes(message) = value else { return Err(WireError::FieldType(number)) };
                self.samples += 1;
                if is_sample {
                    portion.bytes += ROW_BYTES;
                    portion.batch.push(labels.clone(), hint, sample(message)?);
                } else {
                    refused |= !self.add_histogram(portion, item, &labels, hint, message)?;
                }
            } else if number == D::EXEMPLARS {
                let Value::Bytes(message) = value else { return Err(WireError::FieldType(number)) };
                portion.bytes += size_of::<Exemplar>() + 2 * message.len();
                self.add_exemplar(&mut exemplars, item, message)?;
            } else if number == D::METADATA && D::METADATA != 0 {
                let Value::Bytes(message) = value else { return Err(WireError::FieldType(number)) };
                match self.dialect.metadata(message)? {
                    Ok(read) => metadata = read,
                    Err(fault) => self.refuse_metadata(fault, item),
                }
            } else if number == D::CREATED && D::CREATED != 0 {
                let Value::Varint(v) = value else { return Err(WireError::FieldType(number)) };
                created = v as i64;
            }
        }
        let rows = portion.batch.rows.len() - first_row;
        if created != 0 {
            for row in &mut portion.batch.rows[first_row..] {
                row.sample.start_timestamp.get_or_insert(Timestamp(created));
            }
        }
        if !exemplars.is_empty() {
            match rows {
                0 => portion.orphans.push((item, exemplars)),
                _ => portion.attach(first_row + rows - 1, exemplars),
            }
        } else if rows == 0 && left.is_none() && !refused && D::NEEDS_SAMPLES {
            self.problem(Lost::Samples, "TimeSeries must contain at least one sample or histogram", 0, item, None);
        }
        let metadata_is_new = metadata.hash != 0 && metadata.hash != known_metadata;
        if metadata_is_new {
            self.add_series_metadata(portion, item, metadata)?;
        }
        if rows > 0 {
            let consumed = item.rest.len() - left.map_or(0, <[u8]>::len);
            let Item { key, message, rest, .. } = item;
            let (first_row, rows, rest) = (first_row as u32, rows as u32, &rest[..consumed]);
            let metadata = if metadata.hash == 0 { known_metadata } else { metadata.hash };
            portion.sent.spans.push(Span { key, message, rest, first_row, rows, hint, metadata, metadata_is_new });
        }
        Ok(left)
    }

    /// Adds a histogram row; answers false where the histogram is refused.
    fn add_histogram(
        &mut self,
        portion: &mut Portion<'a>,
        item: Item<'a>,
        labels: &Labels,
        hint: Option<SeriesRef>,
        message: &'a [u8],
    ) -> Result<bool, WireError> {
        let converted = convert::histogram(message)?;
        let histogram = match converted.histogram {
            Ok(histogram) => histogram,
            Err(fault) => {
                self.problem(Lost::Samples, "invalid histogram", 1, item, Some(&fault));
                return Ok(false);
            }
        };
        portion.bytes += ROW_BYTES + size_of::<FloatHistogram>() + 8 * message.len();
        portion.sent.histogram_rows.push(portion.batch.rows.len());
        let (timestamp, start_timestamp) = (converted.timestamp, converted.start_timestamp);
        let sample = Sample { timestamp, start_timestamp, value: SampleValue::Histogram(Arc::new(histogram)) };
        portion.batch.push(labels.clone(), hint, sample);
        Ok(true)
    }

    fn add_exemplar(
        &mut self,
        exemplars: &mut Vec<Exemplar>,
        item: Item<'a>,
        message: &'a [u8],
    ) -> Result<(), WireError> {
        if exemplars.len() == MAX_EXEMPLARS {
            self.problem(Lost::Exemplars, "more than 4096 exemplars in one series", 1, item, None);
            return Ok(());
        }
        let (mut value, mut timestamp) = (0.0, 0);
        let mut reader = Reader::new(message);
        while let Some((number, field)) = reader.field()? {
            match (number, field) {
                (2, Value::Fixed64(v)) => value = f64::from_bits(v),
                (3, Value::Varint(v)) => timestamp = v as i64,
                (2 | 3, _) => return Err(WireError::FieldType(number)),
                _ => {}
            }
        }
        match self.read_labels(message, false)? {
            Ok(labels) => {
                let timestamp = (timestamp != 0).then_some(Timestamp(timestamp));
                exemplars.push(Exemplar { labels, value, timestamp });
            }
            Err(fault) => self.problem(Lost::Exemplars, "invalid exemplar labels", 1, item, Some(&fault)),
        }
        Ok(())
    }

    /// Gives exemplars to another message's sample of the same series: Prometheus sends each exemplar as a series of its own.
    fn adopt_orphans(&mut self, portion: &mut Portion<'a>) {
        if portion.orphans.is_empty() {
            return;
        }
        let spans = portion.sent.spans.iter().filter_map(|s| Some((s.key?, s.rows().end - 1)));
        let rows: HashMap<SeriesKey, usize> = spans.collect();
        for (item, exemplars) in std::mem::take(&mut portion.orphans) {
            match item.key.and_then(|key| rows.get(&key)) {
                Some(row) => portion.attach(*row, exemplars),
                None if D::NEEDS_EXEMPLARS_WRITTEN => {
                    let reason = "exemplar without a sample of its series in the same request";
                    self.problem(Lost::Exemplars, reason, exemplars.len() as u64, item, None);
                }
                None => {}
            }
        }
    }

    fn add_family(&mut self, portion: &mut Portion<'a>, name: &[u8], raw: RawMetadata<'a>) {
        let checked = raw.check().and_then(|m| Ok((std::str::from_utf8(name).map_err(|_| MetadataFault::NotUtf8)?, m)));
        match checked {
            Ok(("", _)) => {}
            Ok((family, metadata)) => self.push_metadata(portion, family, metadata),
            Err(fault) => {
                let name = String::from_utf8_lossy(name).into_owned();
                self.problems.add(Lost::Metadata, "invalid metadata", 1, || format!("{fault} for family {name:?}"));
            }
        }
    }

    fn add_series_metadata(
        &mut self,
        portion: &mut Portion<'a>,
        item: Item<'a>,
        raw: RawMetadata<'a>,
    ) -> Result<(), WireError> {
        let Ok(labels) = self.read_labels(item.message, true)? else { return Ok(()) };
        match raw.check() {
            Ok(metadata) => {
                let family = family_of(labels.metric_name(), metadata.metric_type);
                self.push_metadata(portion, family, metadata);
            }
            Err(fault) => self.refuse_metadata(fault, item),
        }
        Ok(())
    }

    fn push_metadata(&self, portion: &mut Portion<'a>, family: &str, metadata: Metadata) {
        let hash = metadata_hash(&metadata);
        if portion.sent.families.get(family) == Some(&hash) || !self.cache.is_news(family, hash) {
            return;
        }
        portion.bytes += size_of::<(String, Metadata)>() + 2 * family.len() + metadata.help.len() + metadata.unit.len();
        portion.sent.families.insert(family.to_owned(), hash);
        portion.batch.metadata.push((family.to_owned(), metadata));
    }

    fn refuse_metadata(&mut self, fault: MetadataFault, item: Item<'a>) {
        self.problem(Lost::Metadata, "invalid metadata", 1, item, Some(&fault));
    }

    fn refuse_series(&mut self, item: Item<'a>, fault: &LabelFault) -> Result<(), WireError> {
        let (mut samples, mut exemplars) = (0, 0);
        let mut reader = Reader::new(item.rest);
        while let Some((number, _)) = reader.field()? {
            samples += u64::from(number == 2 || number == D::HISTOGRAMS);
            exemplars += u64::from(number == D::EXEMPLARS);
        }
        self.samples += samples;
        self.problem(Lost::Samples, "invalid metric name or labels", samples, item, Some(fault));
        if exemplars > 0 {
            self.problem(Lost::Exemplars, "exemplars of refused series", exemplars, item, None);
        }
        Ok(())
    }

    fn problem(
        &mut self,
        lost: Lost,
        reason: &'static str,
        count: u64,
        item: Item<'a>,
        fault: Option<&dyn std::fmt::Display>,
    ) {
        let mut problems = std::mem::take(&mut self.problems);
        problems.add(lost, reason, count, || {
            let series = self.describe(item);
            fault.map_or_else(|| series.clone(), |fault| format!("{fault} for series {series}"))
        });
        self.problems = problems;
    }

    /// The labels of a series as far as they can be read.
    fn describe(&mut self, item: Item<'a>) -> String {
        self.labels.raw.clear();
        // Faults leave the labels before them, which is the best there is to show.
        let _ = self.dialect.labels(item.message, &mut self.labels.raw);
        self.labels.describe()
    }

    /// Takes the store's answer in. Answers the series whose references the store has forgotten; they are to be sent again.
    pub(super) fn settle(&mut self, mut sent: Sent<'a>, report: &AppendReport, caches: &Caches) -> Vec<Span<'a>> {
        sent.exemplar_rows.sort_unstable();
        let mut forgotten: Vec<Span<'a>> = Vec::new();
        let mut refused_histograms = 0;
        let mut refused_exemplars = 0;
        for rejection in &report.rejected {
            let at = sent.spans.partition_point(|span| span.rows().end <= rejection.row);
            let Some(span) = sent.spans.get(at) else { continue };
            refused_histograms += u64::from(sent.histogram_rows.binary_search(&rejection.row).is_ok());
            let from = sent.exemplar_rows.partition_point(|(row, _)| *row < rejection.row);
            let exemplars = sent.exemplar_rows[from..].iter().take_while(|(row, _)| *row == rejection.row);
            refused_exemplars += exemplars.map(|(_, count)| *count as u64).sum::<u64>();
            let is_forgotten = rejection.reason == RejectReason::UnknownSeries;
            if !is_forgotten {
                let item = span.item();
                let mut problems = std::mem::take(&mut self.problems);
                problems.reject(rejection.reason, || self.describe(item));
                self.problems = problems;
            } else if forgotten.last().is_none_or(|last| last.first_row != span.first_row) {
                forgotten.push(*span);
            }
        }
        let histograms = sent.histogram_rows.len() as u64;
        let floats = sent.rows as u64 - histograms;
        let exemplars: usize = sent.exemplar_rows.iter().map(|(_, count)| count).sum();
        self.written.histograms += histograms - refused_histograms;
        self.written.samples += floats - (report.rejected.len() as u64 - refused_histograms);
        self.written.exemplars += exemplars as u64 - refused_exemplars;

        let updates: Vec<Update> = sent.spans.iter().filter_map(|span| update(span, report)).collect();
        caches.keep(&self.cache, &updates, self.minute);
        if !sent.families.is_empty() {
            self.cache.keep_families(sent.families.into_iter());
        }
        forgotten
    }
}
