//! Series in memory, read from OpenMetrics text.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    LabelRequest, Labels, Matcher, SampleBuffer, SelectRequest, SeriesSet, SeriesSource, SourceError, Tenant, TimeRange,
};

/// Series of the default tenant; other tenants have none.
pub(crate) struct MemorySource {
    series: BTreeMap<Labels, SampleBuffer>,
    /// What answers about a range lack.
    pub(crate) gap: Option<(TimeRange, String)>,
}

struct Selected(Vec<(Labels, SampleBuffer)>);

impl MemorySource {
    /// Reads `name{labels} value seconds` lines; comments are passed over.
    pub(crate) fn from_text(text: &str) -> Self {
        let mut series: BTreeMap<Labels, SampleBuffer> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (rest, seconds) = line.rsplit_once(' ').expect("a timestamp");
            let (metric, value) = rest.rsplit_once(' ').expect("a value");
            let labels = promql::parser::parse_metric(metric).expect("a series");
            let value = model::float::parse_go(value).expect("a number");
            let timestamp = seconds.parse::<i64>().expect("whole seconds") * 1000;
            series.entry(labels).or_default().push_float(timestamp, value);
        }
        MemorySource { series, gap: None }
    }

    fn matching<'a>(
        &'a self,
        tenant: &Tenant,
        sets: &'a [Vec<Matcher>],
        range: TimeRange,
    ) -> impl Iterator<Item = (&'a Labels, &'a SampleBuffer)> {
        let known = *tenant == Tenant::default();
        let matches = move |labels: &Labels| {
            let all = |set: &Vec<Matcher>| set.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
            sets.is_empty() || sets.iter().any(all)
        };
        self.series.iter().filter(move |(labels, samples)| {
            let inside = samples.timestamps.iter().any(|t| range.contains(model::Timestamp(*t)));
            known && inside && matches(labels)
        })
    }
}

fn limited<T>(found: impl IntoIterator<Item = T>, limit: usize) -> Vec<T> {
    found.into_iter().take(if limit == 0 { usize::MAX } else { limit }).collect()
}

impl SeriesSource for MemorySource {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Box<dyn SeriesSet>, SourceError> {
        let sets = [request.matchers.to_vec()];
        let found = self.matching(request.tenant, &sets, request.range);
        Ok(Box::new(Selected(found.map(|(labels, samples)| (labels.clone(), samples.clone())).collect())))
    }

    fn missing(&self, _: &Tenant, range: TimeRange) -> Vec<String> {
        self.gap.iter().filter(|(gap, _)| gap.overlaps(&range)).map(|(_, text)| text.clone()).collect()
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let found = self.matching(request.tenant, request.matcher_sets, request.range);
        let names: BTreeSet<String> = found.flat_map(|(labels, _)| labels.iter().map(|l| l.name.to_owned())).collect();
        Ok(limited(names, request.limit))
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let found = self.matching(request.tenant, request.matcher_sets, request.range);
        let values: BTreeSet<String> = found.filter_map(|(labels, _)| labels.get(name).map(str::to_owned)).collect();
        Ok(limited(values, request.limit))
    }

    fn series(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        let found = self.matching(request.tenant, request.matcher_sets, request.range);
        Ok(limited(found.map(|(labels, _)| labels.clone()), request.limit))
    }
}

impl SeriesSet for Selected {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.0[index].0.clone()
    }

    fn read(&self, index: usize, range: TimeRange, out: &mut SampleBuffer) -> Result<(), SourceError> {
        let samples = &self.0[index].1;
        for (&timestamp, &value) in samples.timestamps.iter().zip(&samples.values) {
            if range.contains(model::Timestamp(timestamp)) {
                out.push_float(timestamp, value);
            }
        }
        Ok(())
    }
}
