//! A request laid out flat: what resources and scopes add to their points, metrics by their Prometheus names, and the times of
//! `target_info`. What cannot be translated is refused here, before any point is looked at.

use std::collections::HashSet;

use model::{Labels, Metadata};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics, ScopeMetrics};

use super::context::{Collisions, ResourceLabels, ScopeLabels, identify_text, scope_labels};
use super::names::unit_name;
use super::points::{metric_type, name_kind, temporality, times};
use super::settings::Settings;
use crate::ingest::problems::{Lost, Problems};

/// Most `target_info` samples of one resource: 41 hours of them where the look-back is five minutes. Older ones are left out.
const MAX_TARGET_SAMPLES: i64 = 1_000;

/// A metric that can be translated.
#[derive(Debug)]
pub(super) struct MetricItem<'a> {
    pub(super) metric: &'a Metric,
    pub(super) resource: usize,
    pub(super) scope: usize,
    pub(super) family: String,
    pub(super) metadata: Metadata,
    pub(super) is_delta: bool,
    /// Tells its series from those of other metrics.
    pub(super) key: [u8; 16],
    pub(super) points: u32,
}

/// The `target_info` samples of one resource.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) labels: Labels,
    /// Milliseconds.
    pub(super) times: Vec<i64>,
}

/// The request.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) resources: Vec<ResourceLabels<'a>>,
    pub(super) scopes: Vec<ScopeLabels<'a>>,
    pub(super) metrics: Vec<MetricItem<'a>>,
    pub(super) targets: Vec<Target>,
    /// Points in the whole request.
    pub(super) points: u64,
    /// Points of what was refused here.
    pub(super) refused_points: u64,
    /// Metrics without points.
    pub(super) empty_metrics: u64,
    pub(super) collisions: Collisions,
    pub(super) problems: Problems,
}

impl<'a> Plan<'a> {
    pub(super) fn new(request: &'a [ResourceMetrics], settings: &Settings<'_>) -> Self {
        let mut plan = Plan::default();
        let mut seen = HashSet::new();
        for resource in request {
            plan.add_resource(resource, settings, &mut seen);
        }
        plan
    }

    fn add_resource(&mut self, message: &'a ResourceMetrics, settings: &Settings<'_>, seen: &mut HashSet<(u64, i64)>) {
        let attributes: &'a [KeyValue] = message.resource.as_ref().map_or(&[], |r| &r.attributes);
        let labels = match ResourceLabels::new(attributes, settings) {
            Ok(labels) => labels,
            Err(fault) => {
                let points = message.scope_metrics.iter().map(points_of_scope).sum();
                return self.refuse(points, "invalid resource attribute", || fault.to_string());
            }
        };
        let mut identity = settings.fingerprint.to_le_bytes().to_vec();
        labels.identify(&mut identity);
        self.resources.push(labels);
        let mut times: Option<(u64, u64)> = None;
        for scope in &message.scope_metrics {
            self.add_scope(scope, settings, &identity, &mut times);
        }
        if let Some((earliest, latest)) = times {
            self.add_target(attributes, settings, earliest as i64, latest as i64, seen);
        }
    }

    fn add_scope(
        &mut self,
        message: &'a ScopeMetrics,
        settings: &Settings<'_>,
        identity: &[u8],
        range: &mut Option<(u64, u64)>,
    ) {
        let labels = match scope_labels(message.scope.as_ref(), &message.schema_url, settings) {
            Ok(labels) => labels,
            Err(fault) => {
                return self.refuse(points_of_scope(message), "invalid scope attribute", || fault.to_string());
            }
        };
        let mut identity = identity.to_vec();
        for (name, value) in &labels {
            identify_text(name, &mut identity);
            identify_text(value, &mut identity);
        }
        self.scopes.push(labels);
        for metric in &message.metrics {
            for time in times(metric) {
                let (earliest, latest) = range.get_or_insert((time, time));
                (*earliest, *latest) = ((*earliest).min(time), (*latest).max(time));
            }
            self.add_metric(metric, settings, &mut identity);
        }
    }

    fn add_metric(&mut self, metric: &'a Metric, settings: &Settings<'_>, identity: &mut Vec<u8>) {
        let points = points_of(metric);
        if metric.data.is_none() {
            return self.refuse(0, "unsupported metric type", || metric.name.clone());
        }
        let temporality = temporality(metric);
        if temporality == Some(AggregationTemporality::Unspecified) {
            let reason = "invalid temporality and type combination";
            return self.refuse(points, reason, || format!("metric {:?}", metric.name));
        }
        let family = match settings.names.metric(&metric.name, &metric.unit, name_kind(metric)) {
            Ok(family) => family,
            Err(fault) => return self.refuse(points, "invalid metric name", || fault.to_string()),
        };
        if points == 0 {
            self.empty_metrics += 1;
            return;
        }
        self.points += points;
        let length = identity.len();
        identify_text(&family, identity);
        identity.push(kind_byte(metric));
        let key = xxhash_rust::xxh3::xxh3_128(identity).to_le_bytes();
        identity.truncate(length);
        let metadata = Metadata {
            metric_type: metric_type(metric),
            help: metric.description.clone(),
            unit: unit_name(&metric.unit),
        };
        self.metrics.push(MetricItem {
            metric,
            resource: self.resources.len() - 1,
            scope: self.scopes.len() - 1,
            family,
            metadata,
            is_delta: temporality == Some(AggregationTemporality::Delta),
            key,
            points: points as u32,
        });
    }

    /// Samples from the first to the last point, half a look-back apart, so that queries find one at any time between.
    fn add_target(
        &mut self,
        attributes: &'a [KeyValue],
        settings: &Settings<'_>,
        earliest_ns: i64,
        latest_ns: i64,
        seen: &mut HashSet<(u64, i64)>,
    ) {
        let Some(resource) = self.resources.last() else { return };
        let labels = match resource.target_labels(attributes, settings, &mut self.collisions) {
            Ok(Some(labels)) => labels,
            Ok(None) => return,
            Err(fault) => return self.refuse(0, "invalid resource attribute", || format!("{fault} for target_info")),
        };
        let hash = labels.hash64();
        let interval_ns = i128::from(settings.lookback_ms) * 500_000;
        let span_ns = i128::from(latest_ns) - i128::from(earliest_ns);
        let steps = if span_ns > 0 { (span_ns + interval_ns - 1) / interval_ns } else { 0 };
        let first_step = (steps - i128::from(MAX_TARGET_SAMPLES)).max(0);
        let steps = (first_step..steps).map(|step| i128::from(earliest_ns) + step * interval_ns);
        // Rounded down, as Go rounds times to milliseconds.
        let times = steps.chain([i128::from(latest_ns)]).map(|ns| ns.div_euclid(1_000_000) as i64);
        let times: Vec<i64> = times.filter(|time| seen.insert((hash, *time))).collect();
        self.targets.push(Target { labels, times });
    }

    fn refuse(&mut self, points: u64, reason: &'static str, example: impl FnOnce() -> String) {
        self.points += points;
        self.refused_points += points;
        self.problems.add(Lost::Samples, reason, points, example);
    }
}

/// What a series of deltas is told from one of other kind by.
fn kind_byte(metric: &Metric) -> u8 {
    match &metric.data {
        Some(Data::Gauge(_)) => 1,
        Some(Data::Sum(sum)) => 2 + u8::from(sum.is_monotonic),
        Some(Data::Histogram(_)) => 4,
        Some(Data::ExponentialHistogram(_)) => 5,
        Some(Data::Summary(_)) => 6,
        None => 0,
    }
}

fn points_of(metric: &Metric) -> u64 {
    let count = match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    };
    count as u64
}

fn points_of_scope(scope: &ScopeMetrics) -> u64 {
    scope.metrics.iter().map(points_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::OtlpConfig;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, NumberDataPoint};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    fn request(attributes: &[(&str, &str)], times_ms: &[u64]) -> ResourceMetrics {
        let value = |text: &str| Some(AnyValue { value: Some(Value::StringValue(text.into())) });
        let attributes = attributes.iter().map(|(k, v)| KeyValue { key: (*k).into(), value: value(v) }).collect();
        let point = |ms: &u64| NumberDataPoint { time_unix_nano: ms * 1_000_000, ..NumberDataPoint::default() };
        let data_points = times_ms.iter().map(point).collect();
        let metric = Metric { name: "m".into(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() };
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }
    }

    fn targets(requests: &[ResourceMetrics]) -> Vec<(String, Vec<i64>)> {
        let config = OtlpConfig::default();
        let plan = Plan::new(requests, &Settings::new(&config, 300_000));
        plan.targets.iter().map(|t| (t.labels.to_string(), t.times.clone())).collect()
    }

    #[test]
    fn target_info() {
        let identifying = [("service.name", "s"), ("service.namespace", "n"), ("service.instance.id", "i")];
        assert!(targets(&[request(&identifying, &[1])]).is_empty());
        assert!(targets(&[request(&[("host.name", "h")], &[1])]).is_empty());
        let full = [&identifying[..], &[("host.name", "h")]].concat();
        let labels = r#"{__name__="target_info", host_name="h", instance="i", job="n/s"}"#.to_owned();
        assert_eq!(targets(&[request(&full, &[5])]), [(labels.clone(), vec![5])]);
        let long = request(&full, &[301_000, 1_000, 200_000]);
        assert_eq!(targets(&[long]), [(labels.clone(), vec![1_000, 151_000, 301_000])]);
        let twice = [request(&full, &[5]), request(&full, &[5, 6])];
        assert_eq!(targets(&twice), [(labels.clone(), vec![5]), (labels, vec![6])]);
        let endless = request(&full, &[0, 1_700_000_000_000]);
        let found = targets(&[endless]);
        assert_eq!((found[0].1.len(), found[0].1.last()), (1001, Some(&1_700_000_000_000)));
    }
}
