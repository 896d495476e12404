//! Groups: what was pushed under one grouping key, and how it reads to the outside.
//!
//! A family is kept as its plain series (a histogram as its buckets, sum and count), because that is what is stored and
//! exposed; its own labels and those of the group are one set already.

use std::collections::BTreeMap;

use model::{Labels, METRIC_NAME, Metadata, MetricType, SampleValue, Tenant, Timestamp};

/// When the group was changed last.
pub(super) const PUSH_TIME: &str = "push_time_seconds";
const PUSH_TIME_HELP: &str = "Last Unix time when changing this group in the Pushgateway succeeded.";
/// When the last failed attempt was.
pub(super) const FAILURE_TIME: &str = "push_failure_time_seconds";
const FAILURE_TIME_HELP: &str = "Last Unix time when changing this group in the Pushgateway failed.";

/// Names a group: `job` and whatever else stands in the path, whether empty or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupKey {
    pub(super) tenant: Tenant,
    pub(super) labels: BTreeMap<String, String>,
}

/// One series with its present value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// With the metric name and the labels of the group, without empty values.
    pub(super) labels: Labels,
    pub(super) value: SampleValue,
}

/// A metric family of a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Family {
    pub(super) metadata: Metadata,
    pub(super) pushed_at: Timestamp,
    pub(super) series: Vec<Series>,
}

/// The families of a group by name.
pub(super) type Families = BTreeMap<String, Family>;

impl GroupKey {
    /// The labels of a series of this group. Those of the group win.
    pub(super) fn labels_of<'a>(&self, own: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
        let own: Vec<(&str, &str)> = own.filter(|(name, _)| !self.labels.contains_key(*name)).collect();
        let group = self.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        Labels::from_pairs(own.into_iter().chain(group))
    }

    /// Names with an empty value, which tell the series of a group from those of another for the Pushgateway, though not for
    /// who scrapes it. It puts an empty `instance` into every series that has none.
    pub(super) fn empty_labels(&self) -> impl Iterator<Item = &String> {
        let empty = self.labels.iter().filter(|(name, value)| value.is_empty() && *name != "instance");
        empty.map(|(name, _)| name)
    }

    fn gauge(&self, name: &str, help: &str, seconds: f64, now: Timestamp) -> Family {
        let metadata = Metadata { metric_type: MetricType::Gauge, help: help.to_owned(), unit: String::new() };
        let labels = self.labels_of([(METRIC_NAME, name)].into_iter());
        let series = vec![Series { labels, value: SampleValue::Float(seconds) }];
        Family { metadata, pushed_at: now, series }
    }

    /// What becomes of a group by a push that is valid.
    pub(super) fn pushed(
        &self,
        before: Option<&Families>,
        pushed: Families,
        replace: bool,
        now: Timestamp,
    ) -> Families {
        let mut families = before.cloned().unwrap_or_default();
        if replace {
            families.retain(|name, _| matches!(name.as_str(), PUSH_TIME | FAILURE_TIME));
        }
        families.extend(pushed);
        families.insert(PUSH_TIME.to_owned(), self.gauge(PUSH_TIME, PUSH_TIME_HELP, now.seconds(), now));
        let failure = before.and_then(|before| before.get(FAILURE_TIME).cloned());
        let never = || self.gauge(FAILURE_TIME, FAILURE_TIME_HELP, 0.0, now);
        families.insert(FAILURE_TIME.to_owned(), failure.unwrap_or_else(never));
        families
    }

    /// What becomes of a group by a push that is refused.
    pub(super) fn refused(&self, before: Option<&Families>, now: Timestamp) -> Families {
        let mut families = before.cloned().unwrap_or_default();
        families.insert(FAILURE_TIME.to_owned(), self.gauge(FAILURE_TIME, FAILURE_TIME_HELP, now.seconds(), now));
        families.entry(PUSH_TIME.to_owned()).or_insert_with(|| self.gauge(PUSH_TIME, PUSH_TIME_HELP, 0.0, now));
        families
    }
}

/// The family that a sample belongs to: histograms and summaries are several series under one name.
pub(super) fn family_of(name: &str, type_of: impl Fn(&str) -> Option<MetricType>) -> &str {
    if type_of(name).is_some() {
        return name;
    }
    let base = [("_count", true), ("_sum", true), ("_bucket", false)].into_iter().find_map(|(suffix, in_summary)| {
        let base = name.strip_suffix(suffix).filter(|base| !base.is_empty())?;
        let fits = match type_of(base)? {
            MetricType::Histogram | MetricType::GaugeHistogram => true,
            MetricType::Summary => in_summary,
            _ => false,
        };
        fits.then_some(base)
    });
    base.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_find_their_family() {
        let type_of = |name: &str| match name {
            "h" => Some(MetricType::Histogram),
            "s" => Some(MetricType::Summary),
            "s_sum" => Some(MetricType::Gauge),
            _ => None,
        };
        for (name, family) in [
            ("h_bucket", "h"),
            ("h_sum", "h"),
            ("h", "h"),
            ("s_count", "s"),
            ("s_sum", "s_sum"),
            ("s_bucket", "s_bucket"),
            ("x_count", "x_count"),
            ("_count", "_count"),
        ] {
            assert_eq!(family_of(name, type_of), family, "{name}");
        }
    }

    #[test]
    fn the_group_wins() {
        let labels = [("job", "j"), ("empty", "")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let key = GroupKey { tenant: Tenant::default(), labels: labels.into() };
        let own = [("__name__", "m"), ("job", "other"), ("empty", "x"), ("a", "b")];
        assert_eq!(key.labels_of(own.into_iter()).to_string(), r#"{__name__="m", a="b", job="j"}"#);
    }
}
