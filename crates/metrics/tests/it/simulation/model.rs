//! What must be there: a map from series and time to value.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use model::{Aggregate, BucketSpan, Exemplar, FloatHistogram, Labels, SampleBuffer, SampleValue, Tenant, Timestamp};

use super::world::{SHORT_KEEP, THIN_AFTER, THIN_TO};

/// A value as it can be compared: bits of a float, or a histogram as text; and the start timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Value(pub(super) String, pub(super) i64);

/// What may be read at one time of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// One of these. Several only where it is not known which write took effect.
    values: BTreeSet<Value>,
    /// Written later, when the time was taken: they count only where what came first is lost.
    later: BTreeSet<Value>,
    /// False where it may as well be missing.
    must: bool,
    /// It was acknowledged, and a byte was damaged that it may have hung on.
    pub(super) is_hurt: bool,
}

pub(super) type Key = (Tenant, Labels, i64);

/// Samples of a tenant by series and time.
pub(super) type Cells = BTreeMap<Labels, BTreeMap<i64, Cell>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) tenants: BTreeMap<Tenant, Cells>,
    /// Everything that was ever sent.
    pub(super) ever: HashSet<(Key, Value)>,
    /// Acknowledged since the last flush.
    unflushed: BTreeSet<Key>,
    /// What deletions took away.
    buried: Vec<(Key, Cell)>,
    /// Acknowledged exemplars, and whether they must be there.
    pub(super) exemplars: BTreeMap<(Tenant, Labels, i64, u64), bool>,
}

impl Model {
    pub(super) fn cells(&mut self, tenant: &Tenant) -> &mut Cells {
        self.tenants.entry(tenant.clone()).or_default()
    }

    pub(super) fn cell(&self, (tenant, labels, t): &Key) -> Option<&Cell> {
        self.tenants.get(tenant)?.get(labels)?.get(t)
    }

    /// A sample was sent; `acknowledged` says whether it counts. What came first stays.
    pub(super) fn sent(&mut self, key: Key, value: Value, acknowledged: bool, in_log: bool) {
        self.ever.insert((key.clone(), value.clone()));
        let (tenant, labels, t) = &key;
        let cell = self.cells(tenant).entry(labels.clone()).or_default().entry(*t).or_default();
        if cell.must {
            cell.later.insert(value);
        } else {
            cell.values.insert(value);
            cell.must = acknowledged;
        }
        if acknowledged && in_log {
            self.unflushed.insert(key);
        }
    }

    /// True where a sample was sent and taken that contradicts the one that counts.
    pub(super) fn is_contradicted(&self, key: &Key) -> bool {
        self.cell(key).is_some_and(|cell| !cell.later.is_empty() || cell.values.len() > 1)
    }

    /// An exemplar was sent. The store takes those that are newer than all before of their series.
    pub(super) fn sent_exemplar(&mut self, (tenant, labels, t): &Key, acknowledged: bool) {
        let key = |t: i64, bits: u64| (tenant.clone(), labels.clone(), t, bits);
        let is_newest = self.exemplars.range(key(*t + 1, 0)..key(i64::MAX, u64::MAX)).next().is_none();
        let must = self.exemplars.entry(key(*t, exemplar_at(*t).value.to_bits())).or_default();
        *must |= acknowledged && is_newest;
    }

    /// Everything has left the log.
    pub(super) fn flushed(&mut self) {
        self.unflushed.clear();
    }

    /// Series and times of a tenant that a deletion means.
    pub(super) fn delete(&mut self, tenant: &Tenant, hit: impl Fn(&Labels, i64) -> bool, is_certain: bool) {
        let buried = &mut self.buried;
        for (labels, cells) in self.tenants.entry(tenant.clone()).or_default() {
            cells.retain(|t, cell| {
                if !hit(labels, *t) {
                    return true;
                }
                if is_certain {
                    buried.push(((tenant.clone(), labels.clone(), *t), cell.clone()));
                } else {
                    cell.doubt();
                }
                !is_certain
            });
        }
    }

    /// It is not known any more what was deleted.
    pub(super) fn doubt_deletions(&mut self) {
        for (key, cell) in std::mem::take(&mut self.buried) {
            let (tenant, labels, t) = key;
            let there = self.cells(&tenant).entry(labels).or_default().entry(t).or_default();
            there.values.extend(cell.values);
            there.values.extend(cell.later);
            there.values.extend(there.later.clone());
        }
    }

    /// What is in the log alone may be lost, by damage or with the disk.
    pub(super) fn doubt_log(&mut self, by_damage: bool) {
        for (tenant, labels, t) in std::mem::take(&mut self.unflushed) {
            if let Some(cell) = self.cells(&tenant).get_mut(&labels).and_then(|cells| cells.get_mut(&t)) {
                cell.is_hurt |= cell.must && by_damage;
                cell.doubt();
            }
        }
        self.exemplars.values_mut().for_each(|must| *must = false);
    }

    /// What was damaged is gone anyway.
    pub(super) fn forget_damage(&mut self) {
        let cells = self.tenants.values_mut().flat_map(BTreeMap::values_mut).flat_map(BTreeMap::values_mut);
        cells.for_each(|cell| cell.is_hurt = false);
    }

    /// What a block holds may be lost.
    pub(super) fn doubt_block(&mut self, tenant: &Tenant, range: model::TimeRange) {
        for cells in self.cells(tenant).values_mut() {
            for (_, cell) in cells.range_mut(range.start.ms()..=range.end.ms()) {
                cell.is_hurt |= cell.must;
                cell.doubt();
            }
        }
        self.exemplars.values_mut().for_each(|must| *must = false);
    }
}

impl Cell {
    fn doubt(&mut self) {
        self.must = false;
        self.values.append(&mut self.later);
    }

    /// What may be read, `later` values included where the first may have gone by its age.
    pub(super) fn allows(&self, value: &Value, is_old: bool) -> bool {
        self.values.contains(value) || is_old && self.later.contains(value)
    }

    pub(super) fn must(&self) -> bool {
        self.must
    }
}

/// True for samples of an age at which the store may have dropped them.
pub(super) fn is_expired(labels: &Labels, t: i64, now: i64, retention: i64) -> bool {
    let keep = if labels.metric_name() == "short" { SHORT_KEEP } else { retention };
    t < now - keep
}

/// True for samples that may have been thinned.
pub(super) fn is_thin(labels: &Labels, t: i64, now: i64) -> bool {
    labels.metric_name() == "thin" && Aggregate::bucket(t, THIN_TO).1 <= now - THIN_AFTER
}

/// The value that a series has at a time. Another `variant` contradicts it.
pub(super) fn value_at(labels: &Labels, t: i64, variant: u64) -> SampleValue {
    let instance: i64 = labels.get("instance").and_then(|i| i.parse().ok()).unwrap_or(0);
    match labels.metric_name() {
        "hist" => {
            let n = (t / 1000 % 50) as f64;
            let h = FloatHistogram {
                schema: 3,
                count: 2.0 * n + 3.0,
                sum: n * 1.5 + variant as f64,
                positive_spans: vec![BucketSpan { offset: 1, length: 2 }],
                positive_buckets: vec![n, n + 3.0],
                ..FloatHistogram::default()
            };
            SampleValue::Histogram(Arc::new(h))
        }
        "up" if t % 41 == 0 => SampleValue::Float(model::stale_nan()),
        _ => {
            let noise = (t ^ (t >> 7)) % 1000;
            SampleValue::Float((noise + instance) as f64 / 8.0 + 1e6 * variant as f64)
        }
    }
}

/// The start timestamp that goes with it.
pub(super) fn start_at(labels: &Labels, t: i64) -> Option<Timestamp> {
    (labels.metric_name() == "start").then(|| Timestamp(t - t.rem_euclid(3_600_000) - 1))
}

/// A sample that is sent, for comparison.
pub(super) fn sent_value(labels: &Labels, t: i64, variant: u64) -> Value {
    let text = match value_at(labels, t, variant) {
        SampleValue::Float(v) => text_of_float(v),
        SampleValue::Histogram(h) => text_of_histogram(&h),
    };
    Value(text, start_at(labels, t).map_or(0, Timestamp::ms))
}

/// A sample that is read, for comparison.
pub(super) fn read_value(samples: &SampleBuffer, row: usize) -> Value {
    let text = match samples.histogram(row) {
        Some(h) => text_of_histogram(h),
        None => text_of_float(samples.values[row]),
    };
    Value(text, samples.start_timestamps.get(row).copied().unwrap_or(0))
}

fn text_of_float(v: f64) -> String {
    format!("{:x} ({v})", v.to_bits())
}

fn text_of_histogram(h: &FloatHistogram) -> String {
    // The hint depends on what stands before.
    format!("{:?}", FloatHistogram { counter_reset_hint: model::CounterResetHint::Unknown, ..h.clone() })
}

/// The exemplar that comes with a sample of `ex`.
pub(super) fn exemplar_at(t: i64) -> Exemplar {
    let labels = Labels::from_pairs([("trace_id", t.to_string().as_str())]);
    Exemplar { labels, value: (t % 100) as f64, timestamp: Some(Timestamp(t)) }
}
