//! Where the series of a head come from: metrics, label names, pairs and values with most of them.

use model::{METRIC_NAME, Matcher};
use roaring::RoaringBitmap;
use serde::Serialize;

use crate::head::{Head, Postings};
use crate::top::Top;
use crate::{MetricChurn, NamedCount};

/// What to count.
#[derive(Clone, Debug, Default)]
pub struct CardinalityRequest {
    /// Only series that satisfy the matchers of at least one set; no set is all.
    pub sets: Vec<Vec<Matcher>>,
    /// The label whose values are listed.
    pub label: Option<String>,
    /// Lists hold only entries whose name or value contains this text, in whatever case of ASCII letters.
    pub search: String,
    /// Entries of each list.
    pub top: usize,
}

/// The series in memory that satisfy some matchers, counted in several ways; each list has its largest entries, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cardinality {
    /// Series that satisfy the matchers.
    pub series: u64,
    /// Metric names by series.
    pub metrics: Vec<NamedCount>,
    /// Label names by different values.
    pub label_names: Vec<NamedCount>,
    /// Label pairs, as `name=value`, by series; without the metric name.
    pub label_pairs: Vec<NamedCount>,
    /// Values of the label that was asked for, by series.
    pub label_values: Vec<NamedCount>,
    /// Different values of that label.
    pub label_value_count: u64,
    /// Different metric names.
    pub metric_count: u64,
    /// Different label pairs, metric names included.
    pub label_pair_count: u64,
    /// Metrics by series that came and went, whatever the matchers.
    pub churn: Vec<MetricChurn>,
    /// The time that these were counted over, in milliseconds.
    pub churn_over_ms: i64,
}

/// Counts series. The index is locked for one label name at a time, so that new series do not wait for long.
pub(crate) fn cardinality(head: &Head, request: &CardinalityRequest, now_ms: i64) -> Cardinality {
    let CardinalityRequest { sets, label, search, top } = request;
    let is_wanted = |text: &str| contains(text, search);
    let names_pairs = search.contains('=');
    let chosen: Option<RoaringBitmap> =
        sets.iter().map(|matchers| head.index.read().matching(matchers)).reduce(|all, one| all | one);
    let count = |postings: &Postings| match &chosen {
        Some(chosen) => postings.len_within(chosen),
        None => postings.len(),
    };
    let (churn, churn_over_ms) = head.churn.lock().top(now_ms, *top, is_wanted);
    let mut found = Cardinality {
        series: chosen.as_ref().map_or_else(|| head.index.read().len(), RoaringBitmap::len),
        churn,
        churn_over_ms,
        ..Cardinality::default()
    };
    let [mut metrics, mut names, mut pairs, mut values] = [(); 4].map(|()| Top::new(*top));
    let symbols: Vec<_> = head.index.read().names.keys().copied().collect();
    for symbol in symbols {
        let index = head.index.read();
        let Some(name) = index.names.get(&symbol) else { continue };
        if chosen.as_ref().is_some_and(|chosen| !name.touches(chosen)) {
            continue;
        }
        let name_text = index.symbols.text(symbol);
        let (is_metric, is_asked_for) = (name_text == METRIC_NAME, label.as_deref() == Some(name_text));
        let name_is_wanted = is_wanted(name_text);
        let mut different = 0;
        for (value, postings) in &name.values {
            let series = count(postings);
            if series == 0 {
                continue;
            }
            different += 1;
            let value_text = index.symbols.text(*value);
            let value_is_wanted = is_wanted(value_text);
            if is_metric && value_is_wanted {
                metrics.offer(series, value_text);
            }
            let pair_is_wanted = || is_wanted(&format!("{name_text}={value_text}"));
            if !is_metric && (name_is_wanted || value_is_wanted || (names_pairs && pair_is_wanted())) {
                pairs.offer_pair(series, name_text, value_text);
            }
            if is_asked_for && value_is_wanted {
                values.offer(series, value_text);
            }
        }
        found.label_pair_count += different;
        found.metric_count += if is_metric { different } else { 0 };
        found.label_value_count += if is_asked_for { different } else { 0 };
        if name_is_wanted {
            names.offer(different, name_text);
        }
    }
    found.metrics = metrics.names();
    found.label_names = names.names();
    found.label_pairs = pairs.pairs();
    found.label_values = values.names();
    found
}

fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
