//! One batch as a place that logs can be read from, so that a live tail runs the same queries as everything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use model::{
    ABSENT, Column, LabelRequest, Labels, LineFormat, Lines, LogBatch, LogPage, LogRequest, LogSource, NamedColumn,
    PageInfo, SourceError, StreamSet,
};

/// Entries of a batch, by stream.
pub(crate) struct BatchSource {
    batch: Arc<LogBatch>,
    /// Labels and the entries in order of time.
    streams: Vec<(Labels, Arc<[usize]>)>,
}

impl BatchSource {
    pub(crate) fn new(batch: Arc<LogBatch>) -> Self {
        let mut places: HashMap<&Labels, Vec<usize>> = HashMap::new();
        for (at, entry) in batch.iter().enumerate() {
            places.entry(&batch.streams()[entry.stream() as usize]).or_default().push(at);
        }
        let streams = places
            .into_iter()
            .map(|(labels, mut places)| {
                places.sort_by_key(|at| batch.entry(*at).timestamp());
                // The same time and line twice is one entry, as in the store.
                let mut seen = BTreeSet::new();
                places.retain(|at| seen.insert((batch.entry(*at).timestamp(), batch.entry(*at).line())));
                (labels.clone(), Arc::from(places))
            })
            .collect();
        BatchSource { streams, batch }
    }

    fn matching<'a>(&'a self, request: &'a LabelRequest<'_>) -> impl Iterator<Item = &'a Labels> {
        self.streams.iter().map(|(labels, _)| labels).filter(|labels| {
            request.matcher_sets.is_empty()
                || request
                    .matcher_sets
                    .iter()
                    .any(|set| set.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or(""))))
        })
    }
}

impl LogSource for BatchSource {
    fn select(&self, request: &LogRequest<'_>) -> Result<Box<dyn StreamSet>, SourceError> {
        let is_wanted = |labels: &Labels| request.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or("")));
        let streams = self.streams.iter().filter(|(labels, _)| is_wanted(labels)).cloned().collect();
        Ok(Box::new(BatchStreams { batch: self.batch.clone(), streams }))
    }

    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let names = self.matching(request).flat_map(|labels| labels.iter().map(|label| label.name.to_owned()));
        Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError> {
        let values = self.matching(request).filter_map(|labels| labels.get(name).map(str::to_owned));
        Ok(values.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn streams(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError> {
        let mut streams: Vec<Labels> = self.matching(request).cloned().collect();
        streams.sort();
        Ok(streams)
    }
}

struct BatchStreams {
    batch: Arc<LogBatch>,
    streams: Vec<(Labels, Arc<[usize]>)>,
}

impl StreamSet for BatchStreams {
    fn len(&self) -> usize {
        self.streams.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.streams[index].0.clone()
    }

    fn pages(&self, index: usize) -> Result<Vec<Arc<dyn LogPage>>, SourceError> {
        let places = self.streams[index].1.clone();
        Ok(vec![Arc::new(BatchPage { batch: self.batch.clone(), places })])
    }
}

/// A name, its distinct values, and for each entry the place of its value.
type Codes<'a> = (&'a str, Vec<Box<str>>, Vec<u32>);

/// The entries of one stream; at least one.
struct BatchPage {
    batch: Arc<LogBatch>,
    places: Arc<[usize]>,
}

impl BatchPage {
    fn entries(&self) -> impl Iterator<Item = model::LogEntry<'_>> {
        self.places.iter().map(|at| self.batch.entry(*at))
    }
}

impl LogPage for BatchPage {
    fn info(&self) -> PageInfo {
        let time = |at: Option<&usize>| at.map(|at| self.batch.entry(*at).timestamp()).unwrap_or_default();
        PageInfo {
            first: time(self.places.first()),
            last: time(self.places.last()),
            entries: self.places.len() as u32,
            line_bytes: self.entries().map(|entry| entry.line().len() as u64).sum(),
            metadata_bytes: self.entries().flat_map(|e| e.metadata()).map(|(n, v)| (n.len() + v.len()) as u64).sum(),
        }
    }

    fn may_contain(&self, _: &[u8]) -> bool {
        true
    }

    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError> {
        Ok(self.entries().map(|entry| entry.timestamp()).collect())
    }

    fn lines(&self) -> Result<Arc<Lines>, SourceError> {
        let mut lines = Lines::default();
        self.entries().for_each(|entry| lines.push(entry.line()));
        Ok(Arc::new(lines))
    }

    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError> {
        let mut columns: Vec<Codes<'_>> = Vec::new();
        for (at, entry) in self.entries().enumerate() {
            for (name, value) in entry.metadata() {
                let place = columns.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| {
                    columns.push((name, Vec::new(), vec![ABSENT; self.places.len()]));
                    columns.len() - 1
                });
                let (_, values, codes) = &mut columns[place];
                let code = values.iter().position(|known| **known == *value).unwrap_or_else(|| {
                    values.push(Box::from(value));
                    values.len() - 1
                });
                codes[at] = code as u32;
            }
        }
        let named = columns.into_iter().map(|(name, values, codes)| NamedColumn {
            name: Box::from(name),
            values: Column::Dictionary { values, codes },
        });
        Ok(named.collect())
    }

    fn column(&self, _: LineFormat, _: &str) -> Result<Option<Arc<Column>>, SourceError> {
        Ok(None)
    }

    fn is_all(&self, _: LineFormat) -> bool {
        false
    }

    fn fields(&self, _: LineFormat) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Matcher, NanoRange, Tenant};

    #[test]
    fn entries_are_sorted_and_single() {
        let mut batch = LogBatch::new(Tenant::default());
        let a = batch.add_stream(Labels::from_pairs([("a", "1")]));
        let b = batch.add_stream(Labels::from_pairs([("b", "1")]));
        let again = batch.add_stream(Labels::from_pairs([("a", "1")]));
        batch.push(a, 5, b"five", [("x", "1")]);
        batch.push(b, 1, b"other", []);
        batch.push(again, 3, b"three", [("y", "2"), ("x", "1")]);
        batch.push(again, 5, b"five", []);
        let source = BatchSource::new(Arc::new(batch));
        let matchers = [Matcher::equal("a", "1")];
        let tenant = Tenant::default();
        let range = NanoRange::ALL;
        let request = LogRequest { tenant: &tenant, matchers: &matchers, range, fragments: &[], memory: None };
        let streams = source.select(&request).unwrap();
        assert_eq!(streams.len(), 1);
        let page = streams.pages(0).unwrap().remove(0);
        assert_eq!(page.timestamps().unwrap().as_ref(), [3, 5]);
        let info = page.info();
        assert_eq!((info.first, info.last, info.entries, info.line_bytes, info.metadata_bytes), (3, 5, 2, 9, 6));
        assert_eq!(page.lines().unwrap().get(1), b"five");
        let metadata = page.metadata().unwrap();
        let x = metadata.iter().find(|column| &*column.name == "x").unwrap();
        assert_eq!(x.values, Column::Dictionary { values: vec!["1".into()], codes: vec![0, 0] });
        let y = metadata.iter().find(|column| &*column.name == "y").unwrap();
        assert_eq!(y.values, Column::Dictionary { values: vec!["2".into()], codes: vec![0, ABSENT] });
    }
}
