//! Pushed bodies as metric families, and the checks that need no other group.

use std::collections::{HashMap, HashSet};

use model::{Labels, METRIC_NAME, Metadata, MetricType, Timestamp};
use scrape::exposition::{Entry, Format, ParseError, ParseOptions, RawLabels, parser};
use thiserror::Error;

use super::group::{Families, Family, GroupKey, Series, family_of};

/// Why a push is refused, in the Pushgateway's words where it has them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum PushFault {
    #[error("text format parsing error in {0}")]
    Text(ParseError),
    #[error("text format parsing error in line {0}: unexpected end of input stream")]
    NoLineFeed(usize),
    #[error("cannot read protobuf: {0}")]
    Protobuf(ParseError),
    #[error("text format parsing error: second TYPE line for metric name {0:?}, or TYPE reported after samples")]
    SecondType(String),
    #[error("text format parsing error: a label name is not valid UTF-8 or occurs twice in {0}")]
    Labels(String),
    #[error("{PREFIX}pushed metrics must not have timestamps")]
    Timestamp,
    #[error("{PREFIX}collected metric {name:?} {labels} is not a {expected}")]
    Type {
        /// Name of the family.
        name: String,
        /// The first series of it that was pushed.
        labels: Labels,
        /// As in the group that was first.
        expected: &'static str,
    },
    #[error("{PREFIX}collected metric {0:?} {1} was collected before with the same name and label values")]
    Twice(String, Labels),
}

const PREFIX: &str = "pushed metrics are invalid or inconsistent with existing metrics: ";

impl PushFault {
    /// Whether the push was understood: only then is the failure noted in the group.
    pub(super) fn is_inconsistency(&self) -> bool {
        matches!(self, PushFault::Timestamp | PushFault::Type { .. } | PushFault::Twice(..))
    }
}

/// What a body holds.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) families: Families,
    pub(super) has_timestamps: bool,
}

/// The format that the header names: protobuf only where it says so in full, text in all other cases.
pub(super) fn format_of(content_type: &str) -> Format {
    let mut parts = content_type.split(';').map(str::trim);
    let is_protobuf = parts.next().is_some_and(|m| m.eq_ignore_ascii_case("application/vnd.google.protobuf"));
    let parameters: HashMap<String, &str> = parts
        .filter_map(|p| p.split_once('='))
        .map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().trim_matches('"')))
        .collect();
    let is_delimited = parameters.get("encoding") == Some(&"delimited")
        && parameters.get("proto") == Some(&"io.prometheus.client.MetricFamily");
    if is_protobuf && is_delimited { Format::Protobuf } else { Format::Text }
}

/// Reads a body pushed to a group.
pub(super) fn decode(body: &[u8], format: Format, key: &GroupKey, now: Timestamp) -> Result<Body, PushFault> {
    let fault = |e: ParseError| if format == Format::Protobuf { PushFault::Protobuf(e) } else { PushFault::Text(e) };
    // Unlike a scraped body, a pushed one must be whole: a torn upload is not to replace what is there.
    if format == Format::Text && body.last().is_some_and(|last| *last != b'\n') {
        return Err(PushFault::NoLineFeed(1 + body.iter().filter(|b| **b == b'\n').count()));
    }
    // Histograms that are both kinds stay both: whoever reads either finds it.
    let options = ParseOptions { native_histograms: true, keep_classic_histograms: true, ..ParseOptions::default() };
    let mut parser = parser(body, format, options);
    let mut out = Body::default();
    let mut types: HashMap<String, MetricType> = HashMap::new();
    let mut helps: HashMap<String, String> = HashMap::new();
    let mut raw = RawLabels::default();
    while let Some(entry) = parser.advance().map_err(fault)? {
        match entry {
            Entry::Type { family, metric_type } => {
                let again = types.insert(family.clone().into_owned(), metric_type).is_some();
                if again || out.families.contains_key(family.as_ref()) {
                    return Err(PushFault::SecondType(family.into_owned()));
                }
            }
            Entry::Help { family, help } => drop(helps.insert(family.into_owned(), help.into_owned())),
            Entry::Unit { .. } => {}
            Entry::Sample { timestamp, value } => {
                out.has_timestamps |= timestamp.is_some();
                parser.labels(&mut raw);
                if raw.has_invalid_utf8() || raw.duplicate_name().is_some() {
                    return Err(PushFault::Labels(raw.to_text()));
                }
                let name = family_of(raw.get(METRIC_NAME), |name| types.get(name).copied()).to_owned();
                let metric_type = types.get(&name).copied().unwrap_or_default();
                let labels = key.labels_of(raw.iter());
                let family = out.families.entry(name).or_insert_with_key(|name| {
                    let help = helps.get(name).cloned().unwrap_or_default();
                    let metadata = Metadata { metric_type, help, unit: String::new() };
                    Family { metadata, pushed_at: now, series: Vec::new() }
                });
                family.series.push(Series { labels, value });
            }
        }
    }
    Ok(out)
}

/// The name of a type in the Pushgateway's messages and answers.
pub(super) fn type_name(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "COUNTER",
        MetricType::Gauge => "GAUGE",
        MetricType::Histogram => "HISTOGRAM",
        MetricType::GaugeHistogram => "GAUGE_HISTOGRAM",
        MetricType::Summary => "SUMMARY",
        MetricType::Info | MetricType::StateSet | MetricType::Unknown => "UNTYPED",
    }
}

/// Whether a group as it is to become fits itself and its neighbours: one type for each name, and no series twice.
pub(super) fn check<'a>(
    key: &GroupKey,
    becoming: &Families,
    neighbours: impl Iterator<Item = (&'a GroupKey, &'a Families)>,
) -> Result<(), PushFault> {
    let mut seen: HashSet<&Labels> = HashSet::new();
    for (name, family) in becoming {
        for series in &family.series {
            if !seen.insert(&series.labels) {
                return Err(PushFault::Twice(name.clone(), series.labels.clone()));
            }
        }
    }
    for (neighbour, families) in neighbours {
        let is_apart = !neighbour.empty_labels().eq(key.empty_labels());
        for (name, family) in families {
            if let Some(own) = becoming.get(name)
                && type_name(own.metadata.metric_type) != type_name(family.metadata.metric_type)
                && let Some(series) = own.series.first()
            {
                let expected = type_name(family.metadata.metric_type);
                return Err(PushFault::Type { name: name.clone(), labels: series.labels.clone(), expected });
            }
            if let Some(series) = family.series.iter().find(|s| !is_apart && seen.contains(&s.labels)) {
                return Err(PushFault::Twice(name.clone(), series.labels.clone()));
            }
        }
    }
    Ok(())
}
