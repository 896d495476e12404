//! Which metrics make up a family of OpenMetrics.

use std::collections::{BTreeMap, HashMap};

use model::{Metadata, MetricType};

/// A family with the metrics of it that are there.
#[derive(Debug, PartialEq)]
pub(super) struct Family {
    /// Its name, without suffixes.
    pub(super) name: String,
    pub(super) metadata: Metadata,
    /// Names of metrics, sorted.
    pub(super) metrics: Vec<String>,
}

/// Puts metrics into families by what is known of them. A metric whose name does not fit its type stands for itself and
/// has no type, as OpenMetrics would refuse it otherwise.
pub(super) fn families(metrics: &[String], known: Vec<(String, Metadata)>) -> Vec<Family> {
    let known: HashMap<String, Metadata> = known.into_iter().collect();
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for metric in metrics {
        let (mut name, mut metadata) = family_of(metric, &known);
        let clashes = |family: &Family| family.metadata.metric_type != metadata.metric_type;
        if families.get(name).is_some_and(clashes) {
            (name, metadata) = (metric, untyped(metadata));
        }
        let new = || Family { name: name.to_owned(), metadata, metrics: Vec::new() };
        families.entry(name.to_owned()).or_insert_with(new).metrics.push(metric.clone());
    }
    families.into_values().collect()
}

fn untyped(metadata: Metadata) -> Metadata {
    Metadata { metric_type: MetricType::Unknown, ..metadata }
}

/// What may follow the name of a family, by type.
fn suffixes(metric_type: MetricType) -> &'static [&'static str] {
    match metric_type {
        MetricType::Counter => &["_total"],
        MetricType::Histogram => &["_bucket", "_count", "_sum"],
        MetricType::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricType::Summary => &["_count", "_sum", ""],
        MetricType::Info => &["_info"],
        MetricType::Gauge | MetricType::StateSet | MetricType::Unknown => &[""],
    }
}

fn family_of<'m>(metric: &'m str, known: &HashMap<String, Metadata>) -> (&'m str, Metadata) {
    let parts = ["_total", "_bucket", "_count", "_sum", "_gcount", "_gsum", "_info"];
    let stems = parts.iter().filter_map(|part| metric.strip_suffix(part));
    let Some(metadata) = std::iter::once(metric).chain(stems).find_map(|name| known.get(name)) else {
        return (metric, Metadata::default());
    };
    // Formats that know no families keep the metadata of a counter under its full name.
    let fitting = suffixes(metadata.metric_type).iter().find_map(|suffix| metric.strip_suffix(suffix));
    match fitting {
        Some(family) => (family, metadata.clone()),
        None => (metric, untyped(metadata.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_find_their_families() {
        let of = |metric_type| Metadata { metric_type, ..Metadata::default() };
        let known = [
            ("a", MetricType::Counter),
            ("b_total", MetricType::Counter),
            ("odd", MetricType::Counter),
            ("h", MetricType::Histogram),
            ("g", MetricType::Gauge),
            ("g_total", MetricType::Counter),
        ];
        let known = known.map(|(name, metric_type)| (name.to_owned(), of(metric_type))).to_vec();
        let metrics =
            ["a_total", "b_total", "g", "g_total", "h_bucket", "h_count", "h_sum", "odd", "x"].map(str::to_owned);
        let found = families(&metrics, known);
        let shown: Vec<String> = found
            .iter()
            .map(|f| format!("{} {} {}", f.name, f.metadata.metric_type.as_str(), f.metrics.join(",")))
            .collect();
        assert_eq!(
            shown,
            [
                "a counter a_total",
                "b counter b_total",
                "g gauge g",
                "g_total unknown g_total",
                "h histogram h_bucket,h_count,h_sum",
                "odd unknown odd",
                "x unknown x",
            ]
        );
    }
}
