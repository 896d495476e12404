//! Finding rows by their labels, and what rows say of themselves.

use std::io;
use std::sync::Arc;

use model::{Labels, METRIC_NAME, MatchOp, Matcher, Metadata, MetricType, Projection, TimeRange};

use super::cache::Kind;
use super::layout::Layout;
use super::listing::GroupRanges;
use super::page::Page;
use super::{Block, SeriesHash};
use crate::bytes::Damaged;

impl Block {
    /// Sorted numbers of the rows that satisfy all matchers and may have samples in `range`.
    pub(crate) fn matching(&self, matchers: &[Matcher], range: TimeRange) -> io::Result<Vec<u32>> {
        let mut rows = Vec::new();
        for part in self.matching_ranges(matchers, range)? {
            let first = self.layout()?.groups[part.group].first_row;
            rows.extend(part.ranges.iter().flat_map(|(from, to)| first + from..first + to));
        }
        Ok(rows)
    }

    /// The same rows, as ranges.
    pub(crate) fn matching_ranges(&self, matchers: &[Matcher], range: TimeRange) -> io::Result<Vec<GroupRanges>> {
        let mut found = Vec::new();
        if !self.entry().range.overlaps(&range) {
            return Ok(found);
        }
        // The metric name is all runs, and equality is decided by one look into the dictionary.
        let mut matchers: Vec<&Matcher> = matchers.iter().collect();
        matchers.sort_by_key(|m| (m.name != METRIC_NAME, m.op != MatchOp::Equal));
        let Layout { groups, columns, .. } = self.layout()?;
        for (at, group) in groups.iter().enumerate() {
            let overlaps = group.times.0 <= range.end.ms() && range.start.ms() <= group.times.1;
            if !overlaps || matchers.iter().any(|m| is_excluded(m, &group.names)) {
                continue;
            }
            let mut ranges = vec![(0, group.rows)];
            for matcher in &matchers {
                ranges = match self.label(at, &matcher.name)? {
                    Some(column) => column.matching(matcher, &ranges),
                    None if matcher.matches_empty() => ranges,
                    None => Vec::new(),
                };
                if ranges.is_empty() {
                    break;
                }
            }
            if ranges.is_empty() {
                continue;
            }
            if group.times.0 < range.start.ms() {
                ranges = self.numbers(at, columns.max_time)?.matching(&ranges, |max| max >= range.start.ms());
            }
            if group.times.1 > range.end.ms() {
                ranges = self.numbers(at, columns.min_time)?.matching(&ranges, |min| min <= range.end.ms());
            }
            found.push(GroupRanges { group: at, ranges });
        }
        Ok(found)
    }

    /// Row groups that hold some of the given sorted rows, with those rows' places in the group.
    pub(super) fn by_group<'a>(&self, rows: &'a [u32]) -> io::Result<Vec<(usize, u32, &'a [u32])>> {
        let layout = self.layout()?;
        if !rows.is_sorted() || rows.last().is_some_and(|row| *row >= layout.rows) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "rows of a block are asked for that it does not have",
            ));
        }
        let mut out = Vec::new();
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let (at, _) = layout.locate(*first).expect("rows were compared with the number of rows");
            let group = &layout.groups[at];
            let (mine, more) = rest.split_at(rest.partition_point(|row| *row - group.first_row < group.rows));
            out.push((at, group.first_row, mine));
            rest = more;
        }
        Ok(out)
    }

    /// The hashes of the label sets of sorted rows.
    pub(crate) fn hashes(&self, rows: &[u32]) -> io::Result<Vec<SeriesHash>> {
        let column = self.layout()?.columns.series;
        let mut out = Vec::with_capacity(rows.len());
        for (group, first, rows) in self.by_group(rows)? {
            let mut current: Option<(usize, Arc<Page>)> = None;
            let chunk = &self.layout()?.groups[group].chunks[column];
            for place in rows.iter().map(|row| row - first) {
                let at = chunk.pages.partition_point(|page| page.first_row <= place) - 1;
                let page = match &current {
                    Some((known, page)) if *known == at => page,
                    _ => &current.insert((at, self.raw_page(group, column, at)?)).1,
                };
                let begin = (place - chunk.pages[at].first_row) as usize * 16;
                let hash = page.bytes.get(begin..begin + 16).and_then(|bytes| bytes.try_into().ok());
                let hash = hash.ok_or_else(|| self.damaged(column, Damaged("a page is too short")))?;
                out.push(SeriesHash(u128::from_be_bytes(hash)));
            }
        }
        Ok(out)
    }

    pub(super) fn raw_page(&self, group: usize, column: usize, at: usize) -> io::Result<Arc<Page>> {
        self.cached(self.key(group, column, at, Kind::Page), || {
            let chunk = &self.layout()?.groups[group].chunks[column];
            let page = self.page(column, &chunk.pages[at], chunk.is_packed)?;
            let bytes = page.bytes.capacity();
            Ok((page, bytes))
        })
    }

    /// Labels of one row, those of the projection where there is one.
    pub(crate) fn labels(&self, row: u32, projection: Option<&Projection>) -> io::Result<Labels> {
        let mut labels = self.labels_of(&[row], projection)?;
        Ok(labels.pop().expect("one row was asked for"))
    }

    /// Labels of sorted rows.
    pub(crate) fn labels_of(&self, rows: &[u32], projection: Option<&Projection>) -> io::Result<Vec<Labels>> {
        let layout = self.layout()?;
        let wanted = |name: &str| match projection {
            None => true,
            Some(Projection::Only(names)) => names.iter().any(|n| n == name),
            Some(Projection::Without(names)) => names.iter().all(|n| n != name),
        };
        let mut out = Vec::with_capacity(rows.len());
        let mut scratch = String::new();
        for (group, first, rows) in self.by_group(rows)? {
            let places = || rows.iter().map(|row| (row - first) as usize);
            let mut columns = Vec::new();
            let there = layout.labels.iter().filter(|(name, column)| wanted(name) && !self.is_empty(group, *column));
            for (name, column) in there {
                let texts = self.texts(group, *column)?;
                let mut codes = Vec::with_capacity(rows.len());
                texts.codes.for_rows(places(), |code| codes.push(code));
                if codes.iter().any(|code| *code != 0) {
                    columns.push((&**name, texts, codes));
                }
            }
            let rest = self.rest(group)?;
            let mut pairs: Vec<(&str, &str)> = Vec::new();
            for (at, place) in places().enumerate() {
                // With few labels wanted, neighbours are often alike.
                let is_alike =
                    at > 0 && rest.is_none() && columns.iter().all(|(_, _, codes)| codes[at] == codes[at - 1]);
                if is_alike && let Some(last) = out.last().cloned() {
                    out.push(last);
                    continue;
                }
                pairs.clear();
                pairs.extend(columns.iter().filter_map(|(name, texts, codes)| Some((*name, texts.value(codes[at])?))));
                if let Some(rest) = &rest {
                    let before = pairs.len();
                    pairs.extend(rest.of_row(place).filter(|(name, _)| wanted(name)));
                    if pairs.len() > before {
                        pairs.sort_unstable();
                    }
                }
                out.push(Labels::from_sorted(pairs.iter().copied(), &mut scratch));
            }
        }
        Ok(out)
    }

    /// What a row's metric family says of itself, if that was known.
    pub(crate) fn row_metadata(&self, row: u32) -> io::Result<Option<Metadata>> {
        let columns = &self.layout()?.columns;
        let (group, place) = self.locate(row)?;
        let text = |column: Option<usize>| -> io::Result<Option<String>> {
            let column = column.filter(|column| !self.is_empty(group, *column));
            let Some(column) = column else { return Ok(None) };
            Ok(self.texts(group, column)?.get(place).map(str::to_owned))
        };
        let Some(metric_type) = text(columns.metric_type)? else { return Ok(None) };
        let (help, unit) = (text(columns.help)?.unwrap_or_default(), text(columns.unit)?.unwrap_or_default());
        Ok(Some(Metadata { metric_type: type_named(&metric_type), help, unit }))
    }

    /// Metadata by metric name, as of the first row that has some, sorted by name.
    pub(crate) fn metadata(&self) -> io::Result<Vec<(String, Metadata)>> {
        let layout = self.layout()?;
        let mut out: Vec<(String, Metadata)> = Vec::new();
        let Some(types) = layout.columns.metric_type else { return Ok(out) };
        for (at, group) in layout.groups.iter().enumerate() {
            if self.is_empty(at, types) {
                continue;
            }
            let (types, names) = (self.texts(at, types)?, self.label(at, METRIC_NAME)?);
            let Some(names) = names else { continue };
            for place in 0..group.rows as usize {
                let (Some(name), Some(_)) = (names.get(place), types.get(place)) else { continue };
                if out.last().is_some_and(|(last, _)| last == name) {
                    continue;
                }
                if let Some(metadata) = self.row_metadata(group.first_row + place as u32)? {
                    out.push((name.to_owned(), metadata));
                }
            }
        }
        Ok(out)
    }
}

/// True where the row group's bounds show that no row satisfies the matcher.
fn is_excluded(matcher: &Matcher, names: &Option<(Box<str>, Box<str>)>) -> bool {
    let Some((least, greatest)) = names else { return false };
    let is_outside = |value: &str| value < &**least || value > &**greatest;
    if matcher.name != METRIC_NAME {
        return false;
    }
    match matcher.op {
        MatchOp::Equal => is_outside(&matcher.value),
        MatchOp::Regex => matcher.alternatives().is_some_and(|all| all.iter().all(|value| is_outside(value))),
        MatchOp::NotEqual | MatchOp::NotRegex => false,
    }
}

fn type_named(name: &str) -> MetricType {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Unknown};
    let all = [Counter, Gauge, Histogram, GaugeHistogram, Summary, Info, StateSet];
    all.into_iter().find(|metric_type| metric_type.as_str() == name).unwrap_or(Unknown)
}
