//! From points to rows for the store, in portions of bounded memory, and from the store's report to what was lost.
//!
//! A series is remembered under a hash of what its labels are made of, so that a known one costs neither a look at a label
//! nor an allocation. Should the store no longer know it, its row is sent once more with its labels.

mod settle;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Display;
use std::sync::Arc;

use model::{
    Exemplar, FloatHistogram, Labels, METRIC_NAME, Sample, SampleValue, Tenant, Timestamp, WriteBatch, WriteRow,
    stale_nan,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
};

use super::context::{Collisions, LabelFault, LabelMap, freeze, identify_attributes};
use super::delta::{Change, Deltas, Total};
use super::native::{self, HistogramFault, MAX_BUCKETS};
use super::plan::{MetricItem, Plan};
use super::points::{Explicit, exemplars, has_no_value, milliseconds, number, number_label, start_timestamp};
use super::settings::Settings;
use crate::ingest::cache::{SeriesKey, TenantCache, metadata_hash};
use crate::ingest::problems::{Lost, Problems};

/// Estimate of the memory of one portion, in bytes.
const PORTION_BYTES: usize = 12 << 20;
const ROW_BYTES: usize = size_of::<WriteRow>() + size_of::<SentRow>();
/// Stands for the points of `target_info`, which are none of the sender's.
const NO_POINT: u32 = u32::MAX;
const INVALID_LABELS: &str = "invalid metric name or labels";

/// Which of a point's series a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// The metric itself.
    Whole,
    Sum,
    Count,
    /// The bucket up to this bound.
    Bucket(f64),
    Quantile(f64),
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    metric: u32,
    point: u32,
    part: Part,
}

/// What is needed of a row once it is with the store.
#[derive(Debug)]
struct SentRow {
    /// Absent for `target_info`, which is looked up by its labels.
    key: Option<SeriesKey>,
    origin: Origin,
    /// Its place in `copies` where it went without labels.
    copy: Option<u32>,
    exemplars: u32,
}

/// What is needed of a portion once its batch is with the store.
#[derive(Debug, Default)]
pub(super) struct Sent {
    rows: Vec<SentRow>,
    /// Rows that went without labels.
    copies: Vec<WriteRow>,
    families: Vec<(String, u64)>,
    histograms: u64,
    exemplars: u64,
    pub(super) changes: Vec<Change>,
}

/// What was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

/// A request on its way to the store.
pub(super) struct Translator<'p, 'a> {
    plan: &'p Plan<'a>,
    settings: &'p Settings<'p>,
    deltas: &'p Deltas,
    tenant: Tenant,
    cache: Arc<TenantCache>,
    now: Timestamp,
    minute: u32,
    /// Where the next portion begins: metric and point, then target.
    next: (usize, u32),
    next_target: usize,
    batch: WriteBatch,
    sent: Sent,
    bytes: usize,
    key_bytes: Vec<u8>,
    text: String,
    /// Points of which something was not stored: metric and point.
    refused: HashSet<(u32, u32)>,
    pub(super) samples: u64,
    pub(super) written: Written,
    pub(super) problems: Problems,
    pub(super) collisions: Collisions,
    /// Histograms that say both that nothing and that something was observed.
    pub(super) zero_counts: u64,
}

/// A point that is being translated.
struct Point<'p, 'a> {
    item: &'p MetricItem<'a>,
    metric: u32,
    point: u32,
    attributes: &'a [KeyValue],
    /// Length of the part of the key that all series of the point share.
    key_length: usize,
    labels: Option<Result<LabelMap<'p>, LabelFault>>,
    time: Timestamp,
    start: Option<Timestamp>,
}

impl<'p, 'a> Translator<'p, 'a> {
    pub(super) fn new(
        plan: &'p Plan<'a>,
        settings: &'p Settings<'p>,
        deltas: &'p Deltas,
        tenant: Tenant,
        cache: Arc<TenantCache>,
        (now, minute): (Timestamp, u32),
    ) -> Self {
        Translator {
            plan,
            settings,
            deltas,
            tenant,
            cache,
            now,
            minute,
            next: (0, 0),
            next_target: 0,
            batch: WriteBatch::default(),
            sent: Sent::default(),
            bytes: 0,
            key_bytes: Vec::new(),
            text: String::new(),
            refused: HashSet::new(),
            samples: 0,
            written: Written::default(),
            problems: plan.problems.clone(),
            collisions: Collisions(plan.collisions.0.clone()),
            zero_counts: 0,
        }
    }

    /// Points of which something was not stored.
    pub(super) fn refused_points(&self) -> u64 {
        self.plan.refused_points + self.refused.len() as u64
    }

    /// The next portion, `None` at the end.
    pub(super) fn portion(&mut self) -> Option<(WriteBatch, Sent)> {
        let plan = self.plan;
        while let Some(item) = plan.metrics.get(self.next.0).filter(|_| self.bytes < PORTION_BYTES) {
            if self.next.1 == 0 {
                self.add_metadata(item);
            }
            while self.next.1 < item.points && self.bytes < PORTION_BYTES {
                self.add_point(item, self.next.0 as u32, self.next.1);
                self.next.1 += 1;
            }
            if self.next.1 == item.points {
                self.next = (self.next.0 + 1, 0);
            }
        }
        while let Some(target) = plan.targets.get(self.next_target).filter(|_| self.bytes < PORTION_BYTES) {
            for time in &target.times {
                self.bytes += ROW_BYTES;
                self.samples += 1;
                self.batch.push(target.labels.clone(), None, Sample::float(Timestamp(*time), 1.0));
                let origin = Origin { metric: self.next_target as u32, point: NO_POINT, part: Part::Whole };
                self.sent.rows.push(SentRow { key: None, origin, copy: None, exemplars: 0 });
            }
            self.next_target += 1;
        }
        self.finish()
    }

    fn finish(&mut self) -> Option<(WriteBatch, Sent)> {
        self.bytes = 0;
        let mut batch = std::mem::take(&mut self.batch);
        let sent = std::mem::take(&mut self.sent);
        batch.tenant = self.tenant.clone();
        (!batch.rows.is_empty() || !batch.metadata.is_empty()).then_some((batch, sent))
    }

    fn add_metadata(&mut self, item: &MetricItem<'_>) {
        let hash = metadata_hash(&item.metadata);
        if self.cache.is_news(&item.family, hash) {
            self.bytes += 2 * item.family.len() + item.metadata.help.len() + item.metadata.unit.len() + 128;
            self.sent.families.push((item.family.clone(), hash));
            self.batch.metadata.push((item.family.clone(), item.metadata.clone()));
        }
    }

    fn add_point(&mut self, item: &'p MetricItem<'a>, metric: u32, at: u32) {
        let index = at as usize;
        match &item.metric.data {
            Some(Data::Gauge(gauge)) => self.add_number(item, metric, at, &gauge.data_points[index], false),
            Some(Data::Sum(sum)) => self.add_number(item, metric, at, &sum.data_points[index], true),
            Some(Data::Histogram(histogram)) => self.add_histogram(item, metric, at, &histogram.data_points[index]),
            Some(Data::ExponentialHistogram(histogram)) => {
                self.add_exponential(item, metric, at, &histogram.data_points[index]);
            }
            Some(Data::Summary(summary)) => self.add_summary(item, metric, at, &summary.data_points[index]),
            None => {}
        }
    }

    fn begin(
        &mut self,
        item: &'p MetricItem<'a>,
        (metric, point): (u32, u32),
        attributes: &'a [KeyValue],
        (start_ns, time_ns): (u64, u64),
    ) -> Point<'p, 'a> {
        self.key_bytes.clear();
        self.key_bytes.extend_from_slice(&item.key);
        identify_attributes(attributes, &mut self.key_bytes);
        Point {
            item,
            metric,
            point,
            attributes,
            key_length: self.key_bytes.len(),
            labels: None,
            time: Timestamp(milliseconds(time_ns)),
            start: start_timestamp(start_ns),
        }
    }

    fn add_number(&mut self, item: &'p MetricItem<'a>, metric: u32, at: u32, dp: &'a NumberDataPoint, is_sum: bool) {
        let times = (dp.start_time_unix_nano, dp.time_unix_nano);
        let mut point = self.begin(item, (metric, at), &dp.attributes, times);
        let mut value = number(dp.value);
        if has_no_value(dp.flags) {
            value = stale_nan();
        } else if item.is_delta {
            let Some(Total::Number(total)) = self.accumulate(&mut point, times, Total::Number(value)) else { return };
            value = total;
        }
        let exemplars = if is_sum { exemplars(&dp.exemplars) } else { Vec::new() };
        self.push(&mut point, Part::Whole, SampleValue::Float(value), exemplars);
    }

    fn add_histogram(&mut self, item: &'p MetricItem<'a>, metric: u32, at: u32, dp: &'a HistogramDataPoint) {
        let times = (dp.start_time_unix_nano, dp.time_unix_nano);
        let mut point = self.begin(item, (metric, at), &dp.attributes, times);
        let buckets = dp.bucket_counts.len().max(dp.explicit_bounds.len());
        if buckets > MAX_BUCKETS {
            return self.refuse_histogram(&point, &HistogramFault::TooManyBuckets(buckets));
        }
        let is_stale = has_no_value(dp.flags);
        let mut explicit = Explicit::new(dp);
        if item.is_delta && !is_stale {
            let delta = Explicit {
                bounds: Cow::Owned(dp.explicit_bounds.clone()),
                counts: Cow::Owned(dp.bucket_counts.clone()),
                ..explicit
            };
            let Some(Total::Explicit(total)) = self.accumulate(&mut point, times, Total::Explicit(delta)) else {
                return;
            };
            explicit = total;
        }
        if !self.settings.converts_to_nhcb {
            return self.add_classic(&mut point, &explicit, is_stale, exemplars(&dp.exemplars));
        }
        let histogram = if is_stale { Ok(native::stale()) } else { native::custom_buckets(&explicit) };
        self.push_native(&mut point, histogram, exemplars(&dp.exemplars));
    }

    fn add_classic(
        &mut self,
        point: &mut Point<'p, 'a>,
        histogram: &Explicit<'_>,
        is_stale: bool,
        exemplars: Vec<Exemplar>,
    ) {
        let float = |value: f64| SampleValue::Float(if is_stale { stale_nan() } else { value });
        if let Some(sum) = histogram.sum {
            self.push(point, Part::Sum, float(sum), Vec::new());
        }
        self.push(point, Part::Count, float(histogram.count as f64), Vec::new());
        let mut exemplars = exemplars.into_iter().peekable();
        let mut below = 0_u64;
        for (bound, count) in histogram.bounds.iter().zip(histogram.counts.iter()) {
            below = below.wrapping_add(*count);
            // Both are in rising order; what cannot be compared stays here.
            let mut of_bucket = Vec::new();
            let is_within = |exemplar: &Exemplar| {
                let is_above = exemplar.value > *bound;
                !is_above
            };
            while let Some(exemplar) = exemplars.next_if(is_within) {
                of_bucket.push(exemplar);
            }
            self.push(point, Part::Bucket(*bound), float(below as f64), of_bucket);
        }
        let rest = exemplars.collect();
        self.push(point, Part::Bucket(f64::INFINITY), float(histogram.count as f64), rest);
    }

    fn add_exponential(
        &mut self,
        item: &'p MetricItem<'a>,
        metric: u32,
        at: u32,
        dp: &'a ExponentialHistogramDataPoint,
    ) {
        let times = (dp.start_time_unix_nano, dp.time_unix_nano);
        let mut point = self.begin(item, (metric, at), &dp.attributes, times);
        let is_stale = has_no_value(dp.flags);
        let mut histogram = if is_stale { Ok(native::stale()) } else { native::exponential(dp) };
        if item.is_delta
            && !is_stale
            && let Ok(delta) = histogram
        {
            let Some(Total::Exponential(total)) = self.accumulate(&mut point, times, Total::Exponential(delta)) else {
                return;
            };
            histogram = Ok(total);
        }
        self.push_native(&mut point, histogram, exemplars(&dp.exemplars));
    }

    fn add_summary(&mut self, item: &'p MetricItem<'a>, metric: u32, at: u32, dp: &'a SummaryDataPoint) {
        let times = (dp.start_time_unix_nano, dp.time_unix_nano);
        let mut point = self.begin(item, (metric, at), &dp.attributes, times);
        let is_stale = has_no_value(dp.flags);
        let float = |value: f64| SampleValue::Float(if is_stale { stale_nan() } else { value });
        self.push(&mut point, Part::Sum, float(dp.sum), Vec::new());
        self.push(&mut point, Part::Count, float(dp.count as f64), Vec::new());
        for quantile in &dp.quantile_values {
            self.push(&mut point, Part::Quantile(quantile.quantile), float(quantile.value), Vec::new());
        }
    }

    /// Adds a point of delta temporality to the series' total. Answers nothing where the point is refused.
    fn accumulate(&mut self, point: &mut Point<'p, 'a>, times: (u64, u64), delta: Total) -> Option<Total> {
        self.key_bytes.truncate(point.key_length);
        self.key_bytes.push(b'd');
        self.key_bytes.extend_from_slice(self.tenant.as_str().as_bytes());
        match self.deltas.add(SeriesKey::of(&self.key_bytes), times, delta, self.now) {
            Ok((start_ns, total, change)) => {
                self.sent.changes.push(change);
                point.start = start_timestamp(start_ns);
                Some(total)
            }
            Err(fault) => {
                self.refuse(point, fault.reason(), &fault);
                None
            }
        }
    }

    fn push_native(
        &mut self,
        point: &mut Point<'p, 'a>,
        histogram: Result<FloatHistogram, HistogramFault>,
        exemplars: Vec<Exemplar>,
    ) {
        match histogram {
            Ok(histogram) => {
                self.zero_counts += u64::from(histogram.count == 0.0 && histogram.sum.abs() > 0.0);
                self.bytes += histogram.accounted_bytes();
                self.push(point, Part::Whole, SampleValue::Histogram(Arc::new(histogram)), exemplars);
            }
            Err(fault) => self.refuse_histogram(point, &fault),
        }
    }

    fn push(&mut self, point: &mut Point<'p, 'a>, part: Part, value: SampleValue, exemplars: Vec<Exemplar>) {
        let key = self.key(point, part);
        let known = self.cache.series.read().get(&key).map(|entry| {
            entry.touch(self.minute);
            entry.reference
        });
        let labels = match known {
            Some(_) => Labels::default(),
            None => match self.labels(point, part) {
                Ok(labels) => labels,
                Err(fault) => return self.refuse(point, INVALID_LABELS, &fault),
            },
        };
        self.samples += 1;
        self.bytes += ROW_BYTES + labels.encoded_len();
        self.bytes += exemplars.iter().map(|e| size_of::<Exemplar>() + e.labels.encoded_len()).sum::<usize>();
        self.sent.exemplars += exemplars.len() as u64;
        self.sent.histograms += u64::from(matches!(value, SampleValue::Histogram(_)));
        let sample = Sample { timestamp: point.time, start_timestamp: point.start, value };
        let row = WriteRow { labels, hint: known, sample, exemplars };
        let copy = known.map(|_| {
            self.bytes += size_of::<WriteRow>();
            self.sent.copies.push(row.clone());
            self.sent.copies.len() as u32 - 1
        });
        let origin = Origin { metric: point.metric, point: point.point, part };
        let exemplars = row.exemplars.len() as u32;
        self.sent.rows.push(SentRow { key: Some(key), origin, copy, exemplars });
        self.batch.rows.push(row);
    }

    fn key(&mut self, point: &Point<'_, '_>, part: Part) -> SeriesKey {
        self.key_bytes.truncate(point.key_length);
        let (tag, number) = match part {
            Part::Whole => (b'w', 0.0),
            Part::Sum => (b's', 0.0),
            Part::Count => (b'c', 0.0),
            Part::Bucket(bound) => (b'b', bound),
            Part::Quantile(quantile) => (b'q', quantile),
        };
        self.key_bytes.push(tag);
        self.key_bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        SeriesKey::of(&self.key_bytes)
    }

    fn labels(&mut self, point: &mut Point<'p, 'a>, part: Part) -> Result<Labels, LabelFault> {
        let (plan, settings) = (self.plan, self.settings);
        let base = point.labels.get_or_insert_with(|| {
            let scope = &plan.scopes[point.item.scope];
            let resource = &plan.resources[point.item.resource];
            resource.point_labels(point.attributes, scope, &settings.names, &mut self.collisions)
        });
        let base = base.as_ref().map_err(Clone::clone)?;
        let family = point.item.family.as_str();
        let (suffix, extra) = match part {
            Part::Whole => ("", None),
            Part::Sum => ("_sum", None),
            Part::Count => ("_count", None),
            Part::Bucket(bound) => ("_bucket", Some(("le", number_label(bound)))),
            Part::Quantile(quantile) => ("", Some(("quantile", number_label(quantile)))),
        };
        let name = format!("{family}{suffix}");
        match &extra {
            None => freeze(base, &[(METRIC_NAME, &name)], &mut self.text),
            Some((label, value)) => freeze(base, &[(METRIC_NAME, &name), (label, value)], &mut self.text),
        }
    }

    fn refuse_histogram(&mut self, point: &Point<'_, '_>, fault: &HistogramFault) {
        self.refuse(point, "invalid histogram", fault);
    }

    fn refuse(&mut self, point: &Point<'_, '_>, reason: &'static str, fault: &dyn Display) {
        self.samples += 1;
        self.refused.insert((point.metric, point.point));
        self.problems.add(Lost::Samples, reason, 1, || format!("{fault} in metric {:?}", point.item.metric.name));
    }
}
