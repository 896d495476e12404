//! Classic histograms turned into native ones with custom buckets.
//!
//! The parser stands before another one. It collects the `_bucket`, `_count` and `_sum` series that share labels and type
//! `histogram`, and hands out one native histogram in their place (or after them, where the classic ones are kept). A
//! histogram that is native already stays as it is, and its classic series with it.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{Exemplar, FloatHistogram, METRIC_NAME, MetricType, SampleValue};

use super::histogram::{CUSTOM_BUCKETS, compact, validate};
use super::{Entry, Exposition, ParseError, RawLabels};

pub(super) struct NhcbParser<'b> {
    inner: Box<dyn Exposition<'b> + 'b>,
    keep_classic: bool,
    family: String,
    metric_type: MetricType,
    collecting: Option<Collected>,
    /// Labels of the last histogram that was native by itself.
    native_key: Option<Vec<u8>>,
    finished: Option<Collected>,
    /// What the inner parser said while a finished histogram had to go first.
    waiting: Option<Option<Entry<'b>>>,
    emitting: bool,
    scratch: RawLabels,
}

/// The parts of one classic histogram.
struct Collected {
    /// All labels but `le`, and the name without suffix.
    key: Vec<u8>,
    labels: RawLabels,
    timestamp: Option<i64>,
    start: Option<i64>,
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    exemplars: VecDeque<Exemplar>,
}

enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl<'b> NhcbParser<'b> {
    pub(super) fn new(inner: Box<dyn Exposition<'b> + 'b>, keep_classic: bool) -> Self {
        NhcbParser {
            inner,
            keep_classic,
            family: String::new(),
            metric_type: MetricType::Unknown,
            collecting: None,
            native_key: None,
            finished: None,
            waiting: None,
            emitting: false,
            scratch: RawLabels::default(),
        }
    }

    /// Which part of the family's histogram the current series (in `scratch`) is.
    fn part(&self) -> Option<Part> {
        if self.metric_type != MetricType::Histogram {
            return None;
        }
        match self.scratch.get(METRIC_NAME).strip_prefix(self.family.as_str())? {
            "_bucket" => model::float::parse_go(self.scratch.get("le")).filter(|le| !le.is_nan()).map(Part::Bucket),
            "_count" => Some(Part::Count),
            "_sum" => Some(Part::Sum),
            _ => None,
        }
    }

    fn key_without_boundary(&self, name: &str) -> Vec<u8> {
        let mut key = name.as_bytes().to_vec();
        for (name, value) in self.scratch.iter().filter(|(n, _)| *n != METRIC_NAME && *n != "le") {
            for text in [name, value] {
                key.push(0xff);
                key.extend_from_slice(text.as_bytes());
            }
        }
        key
    }

    /// Takes a part of the histogram with this key, which is the one in hand or a new one.
    fn collect(&mut self, key: Vec<u8>, part: Part, value: f64, timestamp: Option<i64>) {
        if self.collecting.is_none() {
            let mut labels = RawLabels::default();
            labels.push(METRIC_NAME, &self.family);
            for (name, value) in self.scratch.iter().filter(|(n, _)| *n != METRIC_NAME && *n != "le") {
                labels.push(name, value);
            }
            labels.sort();
            let start = self.inner.start_timestamp();
            self.collecting = Some(Collected {
                key,
                labels,
                timestamp,
                start,
                buckets: Vec::new(),
                count: None,
                sum: 0.0,
                exemplars: VecDeque::new(),
            });
        }
        let collected = self.collecting.as_mut().expect("set just above");
        match part {
            Part::Bucket(le) => collected.buckets.push((le, value)),
            Part::Count => collected.count = Some(value),
            Part::Sum => collected.sum = value,
        }
        if !self.keep_classic {
            collected.exemplars.extend(std::iter::from_fn(|| self.inner.exemplar()));
        }
    }

    fn emit(&mut self, collected: Collected) -> Option<Entry<'b>> {
        let histogram = convert(&collected)?;
        let timestamp = collected.timestamp;
        self.finished = Some(collected);
        self.emitting = true;
        Some(Entry::Sample { timestamp, value: SampleValue::Histogram(Arc::new(histogram)) })
    }
}

/// Puts the parts together. `None` where they contradict each other: such a histogram is left out, as in Prometheus.
fn convert(collected: &Collected) -> Option<FloatHistogram> {
    let mut buckets = collected.buckets.clone();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|later, earlier| later.0 == earlier.0);
    let count = collected.count.or(buckets.last().map(|b| b.1)).unwrap_or(0.0);
    if buckets.last().is_none_or(|b| b.0 != f64::INFINITY) {
        buckets.push((f64::INFINITY, count));
    }
    let falls = buckets.windows(2).any(|w| w[1].1 < w[0].1);
    if falls || buckets[0].1 < 0.0 || count < 0.0 || buckets.last()?.1 != count {
        return None;
    }
    let custom_values = buckets[..buckets.len() - 1].iter().map(|b| b.0).collect();
    let mut before = 0.0;
    let counts = buckets.iter().enumerate().map(|(i, &(_, cumulative))| {
        let own = cumulative - before;
        before = cumulative;
        (i as i64, own)
    });
    let (positive_spans, positive_buckets) = compact(counts);
    let histogram = FloatHistogram {
        schema: CUSTOM_BUCKETS,
        count,
        sum: collected.sum,
        positive_spans,
        positive_buckets,
        custom_values,
        ..Default::default()
    };
    validate(&histogram).ok()?;
    Some(histogram)
}

impl<'b> Exposition<'b> for NhcbParser<'b> {
    fn advance(&mut self) -> Result<Option<Entry<'b>>, ParseError> {
        self.emitting = false;
        loop {
            let next = match self.waiting.take() {
                Some(entry) => entry,
                None => self.inner.advance()?,
            };
            let mut classic = None;
            if let Some(Entry::Sample { value, timestamp }) = &next {
                self.inner.labels(&mut self.scratch);
                let key = self.key_without_boundary(&self.family);
                match value {
                    SampleValue::Histogram(_) => self.native_key = Some(key),
                    SampleValue::Float(value) if self.native_key.as_ref() != Some(&key) => {
                        classic = self.part().map(|part| (key, part, *value, *timestamp));
                    }
                    SampleValue::Float(_) => {}
                }
            }
            let continues = classic.as_ref().map(|(key, ..)| key);
            if let Some(done) = self.collecting.take_if(|c| Some(&c.key) != continues) {
                // The finished histogram goes first; what came is looked at again afterwards.
                self.waiting = Some(next);
                if let Some(entry) = self.emit(done) {
                    return Ok(Some(entry));
                }
                continue;
            }
            if let Some((key, part, value, timestamp)) = classic {
                self.collect(key, part, value, timestamp);
                if self.keep_classic {
                    return Ok(next);
                }
                continue;
            }
            if let Some(Entry::Type { family, metric_type }) = &next {
                self.family = family.to_string();
                self.metric_type = *metric_type;
                self.native_key = None;
            }
            return Ok(next);
        }
    }

    fn key(&self) -> &[u8] {
        match &self.finished {
            Some(collected) if self.emitting => &collected.key,
            _ => self.inner.key(),
        }
    }

    fn labels(&self, out: &mut RawLabels) {
        match &self.finished {
            Some(collected) if self.emitting => out.clone_from(&collected.labels),
            _ => self.inner.labels(out),
        }
    }

    fn exemplar(&mut self) -> Option<Exemplar> {
        match &mut self.finished {
            Some(collected) if self.emitting => collected.exemplars.pop_front(),
            _ => self.inner.exemplar(),
        }
    }

    fn start_timestamp(&mut self) -> Option<i64> {
        match &self.finished {
            Some(collected) if self.emitting => collected.start,
            _ => self.inner.start_timestamp(),
        }
    }
}
