//! Into which bucket each line of a page falls. Lines are in order of time, so a bucket holds a run of them, and where runs end is
//! asked of the page: it need not read all times for that.

use std::ops::Range;
use std::sync::Arc;

use model::{LogPage, PageInfo};

use super::windows::Windows;
use crate::error::QueryError;

/// The buckets of the lines of a page.
pub(crate) struct Times {
    /// Where each run of lines ends, and its bucket; lines between windows have none. Ascending.
    runs: Vec<(u32, Option<usize>)>,
    /// Where anybody looks at them.
    timestamps: Option<Arc<[i64]>>,
    first: i64,
}

impl Times {
    /// Asks a page. `needs_times` where the time of each line matters, not only its bucket.
    pub(crate) fn of(
        page: &dyn LogPage,
        info: &PageInfo,
        windows: &Windows,
        needs_times: bool,
    ) -> Result<Times, QueryError> {
        let mut times = Times { runs: Vec::new(), timestamps: None, first: info.first };
        if let Some(bucket) = windows.common_bucket(info.first, info.last) {
            times.runs.push((info.entries, Some(bucket)));
            if needs_times {
                times.timestamps = Some(page.timestamps()?);
            }
            return Ok(times);
        }
        let buckets = if windows.has_buckets() { windows.buckets_between(info.first, info.last) } else { 0..0 };
        let is_few = windows.has_buckets() && buckets.len() * 16 < info.entries as usize;
        if needs_times || !is_few {
            let timestamps = page.timestamps()?;
            let bucket = |time: i64| match windows.has_buckets() {
                true => windows.bucket(time),
                false => windows.covers(time).then_some(0),
            };
            for (place, time) in timestamps.iter().enumerate() {
                times.add(place as u32 + 1, bucket(*time));
            }
            times.timestamps = Some(timestamps);
            return Ok(times);
        }
        let edges: Vec<i64> = buckets.clone().flat_map(|bucket| <[i64; 2]>::from(windows.edges(bucket))).collect();
        let counts = page.count_until(&edges)?;
        for (bucket, count) in buckets.zip(counts.as_chunks::<2>().0) {
            times.add(count[0], None);
            times.add(count[1], Some(bucket));
        }
        times.add(info.entries, None);
        Ok(times)
    }

    fn add(&mut self, end: u32, bucket: Option<usize>) {
        let (last_end, last_bucket) = self.runs.last().copied().unwrap_or((0, None));
        if end <= last_end {
            return;
        }
        match self.runs.last_mut() {
            Some(last) if last_bucket == bucket => last.0 = end,
            _ => self.runs.push((end, bucket)),
        }
    }

    /// The places of the lines from the first to the last that is in a bucket.
    pub(crate) fn places(&self) -> Range<usize> {
        let mut range: Option<Range<usize>> = None;
        let mut begin = 0;
        for (end, bucket) in &self.runs {
            if bucket.is_some() {
                let start = range.map_or(begin, |range| range.start);
                range = Some(start..*end as usize);
            }
            begin = *end as usize;
        }
        range.unwrap_or(0..0)
    }

    /// Visits each bucket with the places of its lines.
    pub(crate) fn each_run(
        &self,
        mut visit: impl FnMut(usize, Range<usize>) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        let mut begin = 0;
        for (end, bucket) in &self.runs {
            if let Some(bucket) = bucket {
                visit(*bucket, begin..*end as usize)?;
            }
            begin = *end as usize;
        }
        Ok(())
    }

    /// Looks places up, which ascend.
    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor { times: self, runs: &self.runs }
    }
}

/// See [`Times::cursor`].
pub(crate) struct Cursor<'t> {
    times: &'t Times,
    runs: &'t [(u32, Option<usize>)],
}

impl Cursor<'_> {
    /// Time and bucket of a line, where a window covers it. The time is any of the page where nobody needed it.
    pub(crate) fn of(&mut self, place: usize) -> Option<(i64, usize)> {
        while let Some(((end, _), rest)) = self.runs.split_first()
            && *end as usize <= place
        {
            self.runs = rest;
        }
        let (_, bucket) = self.runs.first()?;
        let timestamp = self.times.timestamps.as_ref().map_or(self.times.first, |times| times[place]);
        Some((timestamp, (*bucket)?))
    }
}
