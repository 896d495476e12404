//! Length-delimited `io.prometheus.client.MetricFamily` messages, the only format with native histograms.
//!
//! A summary or classic histogram is unrolled into the series that the text format would show.

use std::borrow::Cow;
use std::sync::Arc;

use model::{Exemplar, Labels, METRIC_NAME, MetricType, SampleValue, Timestamp};
use prost::Message;

use super::protobuf_wire::{Bucket, FamilyType, Histogram, Metric, MetricFamily, Summary, WireExemplar};
use super::{Entry, Exposition, ParseError, ParseOptions, RawLabels, format_boundary, histogram};

/// Walks over a body family by family; one family is decoded at a time.
pub(super) struct ProtobufParser<'b> {
    rest: &'b [u8],
    options: ParseOptions,
    families: usize,
    family: MetricFamily,
    family_type: FamilyType,
    metric: usize,
    step: Step,
    current: Series,
    key: Vec<u8>,
    exemplars: std::vec::IntoIter<Exemplar>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    NextFamily,
    Unit,
    Type,
    NextMetric,
    Native,
    Classic(usize),
}

/// How the current series differs from the metric it belongs to.
#[derive(Default)]
struct Series {
    suffix: &'static str,
    boundary: Option<(&'static str, String)>,
}

impl<'b> ProtobufParser<'b> {
    pub(super) fn new(body: &'b [u8], options: ParseOptions) -> Self {
        ProtobufParser {
            rest: body,
            options,
            families: 0,
            family: MetricFamily::default(),
            family_type: FamilyType::Untyped,
            metric: 0,
            step: Step::NextFamily,
            current: Series::default(),
            key: Vec::new(),
            exemplars: Vec::new().into_iter(),
        }
    }

    fn error(&self, message: String) -> ParseError {
        ParseError::in_family(self.families, message)
    }

    /// Decodes the next family that has metrics. False at the end of the body.
    fn next_family(&mut self) -> Result<bool, ParseError> {
        loop {
            if self.rest.is_empty() {
                return Ok(false);
            }
            self.families += 1;
            let mut rest = self.rest;
            let length = prost::decode_length_delimiter(&mut rest)
                .map_err(|_| self.error("invalid varint encountered, expected the length of a metric family".into()))?;
            if length > rest.len() {
                let (wanted, found) = (length, rest.len());
                return Err(self.error(format!(
                    "insufficient length of buffer, expected at least {wanted} bytes, got {found} bytes"
                )));
            }
            let (message, after) = rest.split_at(length);
            self.rest = after;
            self.family = MetricFamily::decode(message).map_err(|e| self.error(format!("not a metric family: {e}")))?;
            let name = &self.family.name;
            self.family_type = FamilyType::try_from(self.family.family_type).map_err(|_| {
                self.error(format!("unknown metric type for metric {name:?}: {}", self.family.family_type))
            })?;
            if self.family.metric.is_empty() {
                continue;
            }
            if name.is_empty() {
                return Err(self.error("invalid metric name: it is empty".into()));
            }
            let nameless = |m: &Metric| m.label.iter().any(|l| l.name.is_empty());
            if self.family.metric.iter().any(nameless) {
                return Err(self.error(format!("metric {name:?} has a label without a name")));
            }
            self.metric = 0;
            return Ok(true);
        }
    }

    fn metric(&self) -> &Metric {
        &self.family.metric[self.metric]
    }

    fn histogram(&self) -> Option<&Histogram> {
        self.metric().histogram.as_ref()
    }

    /// Where the walk over a metric begins.
    fn first_step(&self) -> Step {
        let is_native = self.options.native_histograms && self.histogram().is_some_and(histogram::is_native);
        if is_native { Step::Native } else { Step::Classic(0) }
    }

    fn sample(&mut self, value: SampleValue, exemplars: Vec<Exemplar>) -> Entry<'b> {
        self.exemplars = exemplars.into_iter();
        self.write_key();
        let timestamp = self.metric().timestamp_ms;
        Entry::Sample { timestamp: (timestamp != 0).then_some(timestamp), value }
    }

    fn write_key(&mut self) {
        let metric = &self.family.metric[self.metric];
        self.key.clear();
        self.key.extend_from_slice(self.family.name.as_bytes());
        self.key.extend_from_slice(self.current.suffix.as_bytes());
        let boundary = self.current.boundary.iter().map(|(name, value)| (*name, value.as_str()));
        let labels = metric.label.iter().map(|l| (l.name.as_str(), l.value.as_str()));
        for (name, value) in labels.chain(boundary) {
            self.key.push(0xff);
            self.key.extend_from_slice(name.as_bytes());
            self.key.push(0xff);
            self.key.extend_from_slice(value.as_bytes());
        }
    }

    /// The native histogram of the metric.
    fn native(&mut self) -> Result<Entry<'b>, ParseError> {
        let is_gauge = self.family_type == FamilyType::GaugeHistogram;
        let Some(h) = self.histogram() else {
            return Err(self.error(format!("metric {:?} has no histogram", self.family.name)));
        };
        let name = &self.family.name;
        let native = histogram::from_wire(h, is_gauge).map_err(|e| self.error(format!("histogram {name:?}: {e}")))?;
        // Exemplars without a time cannot be told apart, so native histograms go without them.
        let own = h.exemplars.iter();
        let of_buckets = h.bucket.iter().filter_map(|b| b.exemplar.as_ref());
        let exemplars: Vec<Exemplar> = if h.exemplars.is_empty() {
            of_buckets.filter(|e| e.timestamp.is_some()).map(exemplar).collect()
        } else {
            own.filter(|e| e.timestamp.is_some()).map(exemplar).collect()
        };
        let also_classic = self.options.keep_classic_histograms && !h.bucket.is_empty();
        self.step = if also_classic { Step::Classic(0) } else { Step::NextMetric };
        self.current = Series::default();
        Ok(self.sample(SampleValue::Histogram(Arc::new(native)), exemplars))
    }

    /// The series number `index` of a metric that is not a native histogram.
    fn classic(&mut self, index: usize) -> Entry<'b> {
        let metric = self.metric();
        let mut exemplars = Vec::new();
        let (value, series, is_last) = match self.family_type {
            FamilyType::Gauge => (metric.gauge.map_or(0.0, |g| g.value), Series::default(), true),
            FamilyType::Untyped => (metric.untyped.map_or(0.0, |u| u.value), Series::default(), true),
            FamilyType::Counter => {
                let counter = metric.counter.as_ref();
                exemplars.extend(counter.and_then(|c| c.exemplar.as_ref()).map(exemplar));
                (counter.map_or(0.0, |c| c.value), Series::default(), true)
            }
            FamilyType::Summary => summary_series(&metric.summary.clone().unwrap_or_default(), index),
            FamilyType::Histogram | FamilyType::GaugeHistogram => {
                let empty = Histogram::default();
                let h = metric.histogram.as_ref().unwrap_or(&empty);
                let bucket = index.checked_sub(2).and_then(|i| h.bucket.get(i));
                exemplars.extend(bucket.and_then(|b| b.exemplar.as_ref()).map(exemplar));
                histogram_series(h, index)
            }
        };
        self.step = if is_last { Step::NextMetric } else { Step::Classic(index + 1) };
        self.current = series;
        let value = if value.is_nan() { f64::from_bits(super::NORMAL_NAN_BITS) } else { value };
        self.sample(SampleValue::Float(value), exemplars)
    }
}

fn summary_series(summary: &Summary, index: usize) -> (f64, Series, bool) {
    let quantiles = &summary.quantile;
    match index {
        0 => (summary.sample_count as f64, Series { suffix: "_count", boundary: None }, false),
        1 => (summary.sample_sum, Series { suffix: "_sum", boundary: None }, quantiles.is_empty()),
        _ => {
            let quantile = quantiles[index - 2];
            let boundary = Some(("quantile", format_boundary(quantile.quantile)));
            (quantile.value, Series { suffix: "", boundary }, index - 1 == quantiles.len())
        }
    }
}

fn histogram_series(h: &Histogram, index: usize) -> (f64, Series, bool) {
    let or_float = |float: f64, int: u64| if float == 0.0 { int as f64 } else { float };
    let count = or_float(h.sample_count_float, h.sample_count);
    match index {
        0 => (count, Series { suffix: "_count", boundary: None }, false),
        1 => (h.sample_sum, Series { suffix: "_sum", boundary: None }, false),
        _ => {
            // The bucket without an upper bound may be left out; it holds everything.
            let bucket = h.bucket.get(index - 2);
            let bound = bucket.map_or(f64::INFINITY, |b| b.upper_bound);
            let in_bucket = |b: &Bucket| or_float(b.cumulative_count_float, b.cumulative_count);
            let boundary = Some(("le", format_boundary(bound)));
            (bucket.map_or(count, in_bucket), Series { suffix: "_bucket", boundary }, bound == f64::INFINITY)
        }
    }
}

fn exemplar(wire: &WireExemplar) -> Exemplar {
    Exemplar {
        labels: Labels::from_pairs(wire.label.iter().map(|l| (&l.name, &l.value))),
        value: wire.value,
        timestamp: wire.timestamp.map(|t| Timestamp(t.ms())),
    }
}

impl<'b> Exposition<'b> for ProtobufParser<'b> {
    fn advance(&mut self) -> Result<Option<Entry<'b>>, ParseError> {
        self.exemplars = Vec::new().into_iter();
        if self.step == Step::NextMetric {
            self.metric += 1;
            self.step = if self.metric < self.family.metric.len() { self.first_step() } else { Step::NextFamily };
        }
        match self.step {
            Step::NextFamily => {
                if !self.next_family()? {
                    return Ok(None);
                }
                self.step = if self.family.unit.is_empty() { Step::Type } else { Step::Unit };
                let family = Cow::Owned(self.family.name.clone());
                Ok(Some(Entry::Help { family, help: Cow::Owned(std::mem::take(&mut self.family.help)) }))
            }
            Step::Unit => {
                self.step = Step::Type;
                let family = Cow::Owned(self.family.name.clone());
                Ok(Some(Entry::Unit { family, unit: Cow::Owned(std::mem::take(&mut self.family.unit)) }))
            }
            Step::Type => {
                self.step = self.first_step();
                let metric_type = match self.family_type {
                    FamilyType::Counter => MetricType::Counter,
                    FamilyType::Gauge => MetricType::Gauge,
                    FamilyType::Summary => MetricType::Summary,
                    FamilyType::Untyped => MetricType::Unknown,
                    FamilyType::Histogram => MetricType::Histogram,
                    FamilyType::GaugeHistogram => MetricType::GaugeHistogram,
                };
                Ok(Some(Entry::Type { family: Cow::Owned(self.family.name.clone()), metric_type }))
            }
            Step::Native => self.native().map(Some),
            Step::Classic(index) => Ok(Some(self.classic(index))),
            Step::NextMetric => unreachable!("resolved above"),
        }
    }

    fn key(&self) -> &[u8] {
        &self.key
    }

    fn labels(&self, out: &mut RawLabels) {
        out.clear();
        out.push(METRIC_NAME, &format!("{}{}", self.family.name, self.current.suffix));
        for label in &self.metric().label {
            out.push(&label.name, &label.value);
        }
        if let Some((name, value)) = &self.current.boundary {
            out.push(name, value);
        }
        out.sort();
    }

    fn exemplar(&mut self) -> Option<Exemplar> {
        self.exemplars.next()
    }

    fn start_timestamp(&mut self) -> Option<i64> {
        let metric = self.metric();
        let time = match self.family_type {
            FamilyType::Counter => metric.counter.as_ref()?.start_timestamp,
            FamilyType::Summary => metric.summary.as_ref()?.start_timestamp,
            FamilyType::Histogram | FamilyType::GaugeHistogram => metric.histogram.as_ref()?.start_timestamp,
            _ => None,
        };
        time.map(|t| t.ms()).filter(|ms| *ms != 0)
    }
}
