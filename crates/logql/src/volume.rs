//! Volume of streams: lines and bytes by header, without reading a line.

use std::collections::BTreeMap;

use model::{Labels, LogSource, Matcher, NanoRange};

use crate::engine::{Engine, QueryContext};
use crate::error::QueryError;

/// What streams hold in a range of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// Streams.
    pub streams: u64,
    /// Pages.
    pub pages: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of lines and structured metadata.
    pub bytes: u64,
}

impl Volume {
    fn add(&mut self, other: Volume) {
        self.streams += other.streams;
        self.pages += other.pages;
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

/// How volumes are added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeBy {
    /// By label sets of these names; by the names of the matchers where there are none.
    Series(Vec<String>),
    /// By each of these names, of all labels where there are none; the value is blank.
    Labels(Vec<String>),
}

impl Engine {
    /// What the selected streams hold. Pages that lie in the range in part count by the part of their time.
    pub fn stats(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        matchers: &[Matcher],
        range: NanoRange,
    ) -> Result<Volume, QueryError> {
        let mut all = Volume::default();
        self.each_stream(source, ctx, matchers, range, |_, volume| all.add(volume))?;
        Ok(all)
    }

    /// What the selected streams hold, by label sets: the greatest `limit` by bytes, greatest first.
    pub fn volume(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        matchers: &[Matcher],
        range: NanoRange,
        by: &VolumeBy,
        limit: usize,
    ) -> Result<Vec<(Labels, Volume)>, QueryError> {
        let mut sums: BTreeMap<Labels, Volume> = BTreeMap::new();
        let matched: Vec<String> = matchers.iter().map(|matcher| matcher.name.clone()).collect();
        self.each_stream(source, ctx, matchers, range, |labels, volume| match by {
            VolumeBy::Series(names) => {
                let names = if names.is_empty() { &matched } else { names };
                let key = labels.without(|name| !names.iter().any(|kept| kept == name));
                sums.entry(key).or_default().add(volume);
            }
            VolumeBy::Labels(names) => {
                for label in labels {
                    if names.is_empty() || names.iter().any(|name| name == label.name) {
                        let key = Labels::from_sorted([(label.name, "")], &mut String::new());
                        sums.entry(key).or_default().add(volume);
                    }
                }
            }
        })?;
        let mut volumes: Vec<(Labels, Volume)> = sums.into_iter().filter(|(_, volume)| volume.bytes > 0).collect();
        volumes.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| a.0.cmp(&b.0)));
        volumes.truncate(limit);
        Ok(volumes)
    }

    fn each_stream(
        &self,
        source: &dyn LogSource,
        ctx: &QueryContext,
        matchers: &[Matcher],
        range: NanoRange,
        mut visit: impl FnMut(&Labels, Volume),
    ) -> Result<(), QueryError> {
        let run = self.open(source, ctx);
        run.with_pages(matchers, range, &[], |set, tasks| {
            let mut rest = tasks.as_slice();
            while let Some(first) = rest.first() {
                let count = rest.iter().take_while(|task| task.stream == first.stream).count();
                let mut volume = Volume { streams: 1, ..Volume::default() };
                for task in &rest[..count] {
                    let info = &task.info;
                    let whole = i128::from(info.last) - i128::from(info.first) + 1;
                    let start = info.first.max(range.start);
                    let end = info.last.saturating_add(1).min(range.end);
                    let part = (i128::from(end) - i128::from(start)).clamp(0, whole);
                    let share = |amount: u64| (i128::from(amount) * part / whole) as u64;
                    volume.pages += 1;
                    volume.entries += share(info.entries.into()).max(1);
                    volume.bytes += share(info.line_bytes + info.metadata_bytes);
                }
                visit(&set.labels(first.stream), volume);
                rest = &rest[count..];
            }
            Ok(())
        })
    }
}
