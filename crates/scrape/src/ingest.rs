//! From a body to a batch of samples: labels, limits, exemplars, staleness markers and the report about the scrape.

use std::sync::Arc;

use config::ScrapeConfig;
use model::{
    Exemplar, FloatHistogram, Labels, METRIC_NAME, Metadata, Sample, SampleValue, Timestamp, WriteBatch, WriteRow,
    stale_nan,
};
use thiserror::Error;

use crate::cache::{CachedSeries, Found, LiveSeries, ScrapeCache, Slot};
use crate::exposition::{Entry, Exposition, Format, ParseError, RawLabels, histogram, parser};
use crate::families::{FamilyCollector, FamilyList, FamilyStore};
use crate::metrics::ScrapeMetrics;
use crate::relabel::relabel;
use crate::target::Target;

/// Samples further ahead of the clock than this are not taken, as in Prometheus.
const MOST_AHEAD_MS: i64 = 10 * 60 * 1000;
/// An exemplar with more characters in its labels than this is left out (OpenMetrics allows 128).
const MOST_EXEMPLAR_CHARS: usize = 128;

/// Why a body is not stored. The texts are those of Prometheus.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum IngestError {
    #[error("{0}")]
    Parse(#[from] ParseError),
    #[error("sample limit exceeded")]
    SampleLimit,
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    #[error("{0}")]
    LabelLimit(String),
    #[error("missing metric name (__name__ label)")]
    NoName,
    #[error("invalid metric name or label names: {0}")]
    InvalidNames(String),
    #[error("label name {0:?} is not unique: invalid sample")]
    DuplicateLabel(String),
}

/// How many samples a scrape had, for the series about the scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// In the body.
    pub(crate) scraped: u64,
    /// After relabelling.
    pub(crate) after_relabelling: u64,
    /// Series that the scrape before did not have.
    pub(crate) new_series: u64,
    /// Samples of one series and time that came twice in the body.
    pub(crate) duplicates: u64,
    /// Samples too far ahead of the clock.
    pub(crate) out_of_bounds: u64,
}

/// Samples of one body, not yet stored.
#[derive(Default)]
pub(crate) struct Ingested {
    pub(crate) rows: Vec<WriteRow>,
    /// The series of each row.
    pub(crate) slots: Vec<Slot>,
    pub(crate) metadata: Vec<(String, Metadata)>,
    pub(crate) families: Option<FamilyList>,
    pub(crate) counts: Counts,
}

/// What a body is measured against.
pub(crate) struct IngestContext<'a> {
    pub(crate) config: &'a ScrapeConfig,
    pub(crate) target: &'a Target,
    pub(crate) store: &'a FamilyStore,
    pub(crate) metrics: &'a ScrapeMetrics,
    /// Time of the scrape, which samples without a time of their own get.
    pub(crate) time: Timestamp,
    /// The present.
    pub(crate) now: Timestamp,
}

/// Reads a body. On an error the counts tell how far it went; the rows are of no use then.
pub(crate) fn ingest(
    body: &[u8],
    format: Format,
    context: &IngestContext<'_>,
    cache: &mut ScrapeCache,
) -> (Ingested, Result<(), IngestError>) {
    let mut out = Ingested::default();
    let mut families = FamilyCollector::new(context.store, &cache.families);
    let mut parser = parser(body, format, context.target.histograms);
    let result = read_entries(&mut *parser, context, cache, &mut families, &mut out);
    let (list, new) = families.finish(&mut cache.families);
    out.families = Some(list);
    out.metadata = new;
    (out, result)
}

fn read_entries(
    parser: &mut dyn Exposition<'_>,
    context: &IngestContext<'_>,
    cache: &mut ScrapeCache,
    families: &mut FamilyCollector<'_>,
    out: &mut Ingested,
) -> Result<(), IngestError> {
    let config = context.config;
    let finest_schema = histogram::schema_of_factor(config.native_histogram_min_bucket_factor);
    let latest = context.now.plus_ms(MOST_AHEAD_MS);
    let mut labels = RawLabels::default();
    let mut appended = 0_u64;
    let mut limit_hit = None;
    while let Some(entry) = parser.advance()? {
        let Entry::Sample { timestamp, mut value } = entry else {
            families.see(&entry);
            continue;
        };
        out.counts.scraped += 1;
        let own_time = timestamp.filter(|_| config.honor_timestamps);
        let (slot, is_new, again) = match cache.find(parser.key()) {
            Found::Dropped => continue,
            Found::Series(slot, again) => (slot, false, again),
            Found::Unknown => {
                parser.labels(&mut labels);
                let labels = final_labels(&labels, context)?;
                let dropped = labels.is_empty();
                let slot = cache.insert(parser.key(), labels);
                if dropped {
                    continue;
                }
                (slot, true, false)
            }
        };
        out.counts.after_relabelling += 1;
        if again && own_time.is_none() {
            out.counts.duplicates += 1;
            continue;
        }
        let time = own_time.map_or(context.time, Timestamp);
        let is_histogram = match &mut value {
            SampleValue::Histogram(value) => {
                if !fit_histogram(Arc::make_mut(value), finest_schema, config.native_histogram_bucket_limit) {
                    limit_hit.get_or_insert(IngestError::BucketLimit);
                    continue;
                }
                true
            }
            SampleValue::Float(_) => false,
        };
        appended += 1;
        if config.sample_limit > 0 && appended > config.sample_limit {
            limit_hit = Some(IngestError::SampleLimit);
            continue;
        }
        if time > latest {
            out.counts.out_of_bounds += 1;
            continue;
        }
        if limit_hit.is_some() {
            continue;
        }
        out.counts.new_series += u64::from(is_new);
        cache.note_sample(slot, own_time.is_none() || config.track_timestamps_staleness, is_histogram);
        let exemplars = exemplars(parser, time);
        let start_timestamp = parser.start_timestamp().map(Timestamp);
        let series: &CachedSeries = cache.get(slot);
        out.rows.push(WriteRow {
            labels: series.labels.clone(),
            hint: series.hint(),
            sample: Sample { timestamp: time, start_timestamp, value },
            exemplars,
        });
        out.slots.push(slot);
    }
    match limit_hit {
        None => Ok(()),
        Some(error) => {
            let counter = match error {
                IngestError::SampleLimit => &context.metrics.exceeded_sample_limit,
                _ => &context.metrics.exceeded_bucket_limit,
            };
            counter.inc();
            Err(error)
        }
    }
}

fn fit_histogram(value: &mut FloatHistogram, finest_schema: Option<i32>, limit: u64) -> bool {
    if let Some(schema) = finest_schema
        && (schema + 1..=histogram::MAX_SCHEMA).contains(&value.schema)
    {
        histogram::reduce_resolution(value, schema);
    }
    limit == 0 || histogram::limit_buckets(value, usize::try_from(limit).unwrap_or(usize::MAX))
}

fn exemplars(parser: &mut dyn Exposition<'_>, time: Timestamp) -> Vec<Exemplar> {
    let mut exemplars = Vec::new();
    while let Some(mut exemplar) = parser.exemplar() {
        let chars: usize = exemplar.labels.iter().map(|l| l.name.chars().count() + l.value.chars().count()).sum();
        if chars <= MOST_EXEMPLAR_CHARS {
            exemplar.timestamp.get_or_insert(time);
            exemplars.push(exemplar);
        }
    }
    exemplars.sort_by_key(|e| e.timestamp);
    exemplars
}

/// The labels under which a series is stored; empty where relabelling drops it.
fn final_labels(raw: &RawLabels, context: &IngestContext<'_>) -> Result<Labels, IngestError> {
    let config = context.config;
    if let Some(name) = raw.duplicate_name() {
        return Err(IngestError::DuplicateLabel(name.to_owned()));
    }
    let conflict = context.target.labels.iter().any(|l| !raw.get(l.name).is_empty());
    let labels = if conflict || !config.metric_relabel_configs.is_empty() {
        let mut builder = Labels::from_pairs(raw.iter()).to_builder();
        merge_target_labels(&mut builder, raw, context);
        if !relabel(&mut builder, &config.metric_relabel_configs, config.metric_name_validation_scheme) {
            return Ok(Labels::empty());
        }
        builder.build()
    } else {
        merge_sorted(raw, &context.target.labels)
    };
    if labels.is_empty() {
        return Ok(labels);
    }
    if labels.get(METRIC_NAME).is_none() {
        return Err(IngestError::NoName);
    }
    if raw.has_invalid_utf8() || !valid_names(&labels, config) {
        return Err(IngestError::InvalidNames(labels.to_string()));
    }
    check_limits(&labels, config).map_err(|text| {
        context.metrics.exceeded_label_limits.inc();
        IngestError::LabelLimit(text)
    })?;
    Ok(labels)
}

fn merge_sorted(raw: &RawLabels, target: &Labels) -> Labels {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(16);
    let mut own = raw.iter().peekable();
    for label in target {
        while let Some(pair) = own.next_if(|(name, _)| *name < label.name) {
            pairs.push(pair);
        }
        pairs.push((label.name, label.value));
    }
    pairs.extend(own);
    Labels::from_sorted(pairs, &mut String::with_capacity(128))
}

/// With `honor_labels` the sample's own labels win; else they move to `exported_...`.
fn merge_target_labels(builder: &mut model::LabelsBuilder, raw: &RawLabels, context: &IngestContext<'_>) {
    let mut conflicts: Vec<(&str, &str)> = Vec::new();
    for label in &context.target.labels {
        let own = raw.get(label.name);
        if own.is_empty() {
            builder.set(label.name, label.value);
        } else if !context.config.honor_labels {
            conflicts.push((label.name, own));
            builder.set(label.name, label.value);
        }
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, value) in conflicts {
        let mut moved = format!("exported_{name}");
        while !builder.get(&moved).is_empty() {
            moved.insert_str(0, "exported_");
        }
        builder.set(&moved, value);
    }
}

fn valid_names(labels: &Labels, config: &ScrapeConfig) -> bool {
    match config.metric_name_validation_scheme {
        config::NameValidation::Utf8 => labels.iter().all(|l| !l.name.is_empty()),
        config::NameValidation::Legacy => labels.iter().all(|l| {
            if l.name == METRIC_NAME {
                model::is_valid_legacy_metric_name(l.value)
            } else {
                model::is_valid_legacy_label_name(l.name)
            }
        }),
    }
}

fn check_limits(labels: &Labels, config: &ScrapeConfig) -> Result<(), String> {
    let over = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    let metric = || first_chars(labels.metric_name());
    let count = labels.len();
    if over(count, config.label_limit) {
        let limit = config.label_limit;
        return Err(format!("label_limit exceeded (metric: {}, number of labels: {count}, limit: {limit})", metric()));
    }
    if config.label_name_length_limit == 0 && config.label_value_length_limit == 0 {
        return Ok(());
    }
    for label in labels {
        let (name, length) = (first_chars(label.name), label.name.len());
        if over(length, config.label_name_length_limit) {
            let limit = config.label_name_length_limit;
            return Err(format!(
                "label_name_length_limit exceeded (metric: {}, label name: {name}, length: {length}, limit: {limit})",
                metric()
            ));
        }
        let (value, length) = (first_chars(label.value), label.value.len());
        if over(length, config.label_value_length_limit) {
            let limit = config.label_value_length_limit;
            return Err(format!(
                "label_value_length_limit exceeded (metric: {}, label name: {name}, value: {value:?}, length: {length}, limit: {limit})",
                metric()
            ));
        }
    }
    Ok(())
}

fn first_chars(text: &str) -> String {
    text.chars().take(50).collect()
}

/// Rows that say that series have ended.
pub(crate) fn stale_rows(vanished: Vec<LiveSeries>, time: Timestamp) -> impl Iterator<Item = WriteRow> {
    vanished.into_iter().map(move |series| {
        let value = if series.is_histogram {
            SampleValue::Histogram(Arc::new(FloatHistogram { sum: stale_nan(), ..FloatHistogram::default() }))
        } else {
            SampleValue::Float(stale_nan())
        };
        let sample = Sample { timestamp: time, start_timestamp: None, value };
        WriteRow { labels: series.labels, hint: series.hint, sample, exemplars: Vec::new() }
    })
}

const REPORT_NAMES: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];

/// What the series about a scrape say, in the order of their names.
pub(crate) type ReportValues = [f64; 8];

/// Adds `up` and its companions (the last three only where the configuration asks for them).
pub(crate) fn push_report(
    batch: &mut WriteBatch,
    cache: &mut ScrapeCache,
    target: &Target,
    extra: bool,
    time: Timestamp,
    values: ReportValues,
) {
    let wanted = if extra { 8 } else { 5 };
    while cache.report.len() < wanted {
        let mut builder = target.labels.to_builder();
        builder.set(METRIC_NAME, REPORT_NAMES[cache.report.len()]);
        cache.report.push((builder.build(), None));
    }
    for ((labels, hint), value) in cache.report.iter().zip(values).take(wanted) {
        batch.push(labels.clone(), *hint, Sample::float(time, value));
    }
}

/// Keeps the references of the report's rows, which are the last of the batch.
pub(crate) fn keep_report_refs(cache: &mut ScrapeCache, refs: &[Option<model::SeriesRef>], first_row: usize) {
    for ((_, hint), reference) in cache.report.iter_mut().zip(refs.get(first_row..).unwrap_or_default()) {
        *hint = *reference;
    }
}

/// Adds all rows to a batch.
pub(crate) fn batch_of(rows: Vec<WriteRow>, metadata: Vec<(String, Metadata)>) -> WriteBatch {
    WriteBatch { rows, metadata, ..WriteBatch::default() }
}
