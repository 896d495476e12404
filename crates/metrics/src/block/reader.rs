//! An open block: finds rows by their labels and reads their samples.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, OnceLock};

use blocks::disk::ReadFile;
use model::{
    Exemplar, Labels, METRIC_NAME, MatchOp, Matcher, Metadata, MetricType, Projection, SampleBuffer, TimeRange,
};

use super::cache::{self, Caches, Key, Kind};
use super::codes::Codes;
use super::labels::{LabelColumn, NumberColumn, TimeLists};
use super::layout::{Layout, Piece};
use super::page::{self, Binary, Page};
use super::payload::{self, Payloads};
use super::rest::{Half, Rest};
use super::{BlockEntry, Cursor, SeriesHash, exemplars, schema};
use crate::bytes::Damaged;

/// A block.
#[derive(Debug)]
pub(crate) struct Block {
    entry: BlockEntry,
    name: String,
    file: Arc<dyn ReadFile>,
    caches: Arc<Caches>,
    number: u64,
    layout: OnceLock<Layout>,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.caches.forget(self.number);
    }
}

/// The times that a thread decoded last: neighbouring rows mostly share them.
#[derive(Default)]
struct LastTimes {
    key: Option<Key>,
    times: Option<Arc<Vec<i64>>>,
}

thread_local! {
    static LAST_TIMES: RefCell<LastTimes> = RefCell::default();
    static OWN_TIMES: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
}

impl Block {
    /// Opens a block. Its footer is read when it is first needed, so that a start does not wait for it.
    pub(crate) fn open(file: Arc<dyn ReadFile>, entry: BlockEntry, caches: Arc<Caches>) -> io::Result<Block> {
        let number = cache::next_block();
        let name = entry.file_name();
        Ok(Block { entry, name, file, caches, number, layout: OnceLock::new() })
    }

    /// What the catalogue says of it.
    pub(crate) fn entry(&self) -> &BlockEntry {
        &self.entry
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> io::Result<u32> {
        Ok(self.layout()?.rows)
    }

    /// Rows in order, with everything that they hold.
    pub(crate) fn cursor(self: &Arc<Self>) -> Cursor {
        Cursor::new(self.clone())
    }

    pub(super) fn layout(&self) -> io::Result<&Layout> {
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let layout = Layout::read(&*self.file, &self.name).map_err(|error| self.named(error, None))?;
        Ok(self.layout.get_or_init(|| layout))
    }

    /// Damage, with the names of file and column. A file that ends too early is damaged too.
    fn named(&self, error: io::Error, column: Option<usize>) -> io::Error {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {}
            _ => return error,
        }
        let column = column.and_then(|column| Some(self.layout.get()?.column_name(column)));
        let place = column.map_or(String::new(), |column| format!(", column {column}"));
        io::Error::new(io::ErrorKind::InvalidData, format!("block {}{place}: {error}", self.name))
    }

    pub(super) fn damaged(&self, column: usize, damage: Damaged) -> io::Error {
        self.named(io::Error::new(io::ErrorKind::InvalidData, damage), Some(column))
    }

    fn key(&self, group: usize, column: usize, item: usize, kind: Kind) -> Key {
        Key { block: self.number, group: group as u32, column: column as u32, item: item as u32, kind }
    }

    fn required(&self, name: &str) -> io::Result<usize> {
        let column = self.layout()?.other(name);
        column.ok_or_else(|| {
            self.named(io::Error::new(io::ErrorKind::InvalidData, format!("it has no column {name}")), None)
        })
    }

    fn page(&self, column: usize, piece: &Piece, is_packed: bool) -> io::Result<Page> {
        page::read(&*self.file, piece, is_packed).map_err(|error| self.named(error, Some(column)))
    }

    /// The dictionary and all pages of a column chunk.
    fn chunk(&self, group: usize, column: usize) -> io::Result<(Option<Page>, Vec<Page>)> {
        let chunk = &self.layout()?.groups[group].chunks[column];
        let dictionary = chunk.dictionary.map(|piece| self.page(column, &piece, chunk.is_packed)).transpose()?;
        let pages = chunk.pages.iter().map(|piece| self.page(column, piece, chunk.is_packed));
        Ok((dictionary, pages.collect::<io::Result<_>>()?))
    }

    fn texts(&self, group: usize, column: usize) -> io::Result<Arc<LabelColumn>> {
        self.caches.get_or_load(self.key(group, column, 0, Kind::Column), || {
            let (dictionary, pages) = self.chunk(group, column)?;
            let rows = self.layout()?.groups[group].rows as usize;
            let texts = LabelColumn::decode(dictionary.as_ref(), &pages, rows);
            let texts = texts.map_err(|damage| self.damaged(column, damage))?;
            let bytes = texts.memory();
            Ok((texts, bytes))
        })
    }

    pub(super) fn numbers(&self, group: usize, name: &str) -> io::Result<Arc<NumberColumn>> {
        let column = self.required(name)?;
        let size = if name == schema::COUNT { 4 } else { 8 };
        self.caches.get_or_load(self.key(group, column, 0, Kind::Column), || {
            let (dictionary, pages) = self.chunk(group, column)?;
            let rows = self.layout()?.groups[group].rows as usize;
            let dictionary = dictionary.ok_or(Damaged("a column has no dictionary"));
            let numbers = dictionary.and_then(|dictionary| NumberColumn::decode(&dictionary, &pages, rows, size));
            let numbers = numbers.map_err(|damage| self.damaged(column, damage))?;
            let bytes = numbers.memory();
            Ok((numbers, bytes))
        })
    }

    fn rest(&self, group: usize) -> io::Result<Option<Arc<Rest>>> {
        let Some((keys, values)) = self.layout()?.rest else { return Ok(None) };
        let rest = self.caches.get_or_load(self.key(group, keys, 0, Kind::Column), || {
            let rows = self.layout()?.groups[group].rows as usize;
            let half = |column| -> io::Result<Half> {
                let (dictionary, pages) = self.chunk(group, column)?;
                let half = match (&dictionary, &pages[..]) {
                    (Some(dictionary), [page]) => Half::decode(dictionary, page, rows),
                    _ => Err(Damaged("it is not one page with a dictionary")),
                };
                half.map_err(|damage| self.damaged(column, damage))
            };
            let rest = Rest::new(half(keys)?, half(values)?).map_err(|damage| self.damaged(values, damage))?;
            let bytes = rest.memory();
            Ok::<_, io::Error>((rest, bytes))
        })?;
        Ok(Some(rest))
    }

    /// The column of a label in a row group; `None` where no row of the file can have it.
    fn label(&self, group: usize, name: &str) -> io::Result<Option<Arc<LabelColumn>>> {
        if let Some(column) = self.layout()?.label(name) {
            return Ok(Some(self.texts(group, column)?));
        }
        let Some(rest) = self.rest(group)? else { return Ok(None) };
        if rest.names().find(name).is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(rest.column(name))))
    }

    /// Sorted numbers of the rows that satisfy all matchers and may have samples in `range`.
    pub(crate) fn matching(&self, matchers: &[Matcher], range: TimeRange) -> io::Result<Vec<u32>> {
        let mut rows = Vec::new();
        if !self.entry.range.overlaps(&range) {
            return Ok(rows);
        }
        // The metric name is all runs, and equality is decided by one look into the dictionary.
        let mut matchers: Vec<&Matcher> = matchers.iter().collect();
        matchers.sort_by_key(|m| (m.name != METRIC_NAME, m.op != MatchOp::Equal));
        for (at, group) in self.layout()?.groups.iter().enumerate() {
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
                ranges = self.numbers(at, schema::MAX_TIME)?.matching(&ranges, |max| max >= range.start.ms());
            }
            if group.times.1 > range.end.ms() {
                ranges = self.numbers(at, schema::MIN_TIME)?.matching(&ranges, |min| min <= range.end.ms());
            }
            rows.extend(ranges.iter().flat_map(|(from, to)| group.first_row + from..group.first_row + to));
        }
        Ok(rows)
    }

    /// Row groups that hold some of the given sorted rows, with those rows' places in the group.
    fn by_group<'a>(&self, rows: &'a [u32]) -> io::Result<Vec<(usize, u32, &'a [u32])>> {
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
        let column = self.required(schema::SERIES)?;
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

    fn raw_page(&self, group: usize, column: usize, at: usize) -> io::Result<Arc<Page>> {
        self.caches.get_or_load(self.key(group, column, at, Kind::Page), || {
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
            for (name, column) in layout.labels.iter().filter(|(name, _)| wanted(name)) {
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

    /// Time of the first and last sample of a row.
    pub(crate) fn times(&self, row: u32) -> io::Result<TimeRange> {
        let (group, place) = self.locate(row)?;
        let min = self.numbers(group, schema::MIN_TIME)?.get(place);
        let max = self.numbers(group, schema::MAX_TIME)?.get(place);
        Ok(TimeRange::new(min, max))
    }

    pub(super) fn locate(&self, row: u32) -> io::Result<(usize, usize)> {
        let place = self.layout()?.locate(row);
        place.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a block does not have that row"))
    }

    /// Appends the samples of a row that lie in `range`. On any thread; fastest when rows come in order.
    pub(crate) fn read(&self, row: u32, range: TimeRange, out: &mut SampleBuffer) -> io::Result<()> {
        let (group, place) = self.locate(row)?;
        let bounds = self.layout()?.groups[group].times;
        let is_inside = range.start.ms() <= bounds.0 && bounds.1 <= range.end.ms();
        if !is_inside && !self.times(row)?.overlaps(&range) {
            return Ok(());
        }
        let count = self.numbers(group, schema::COUNT)?.get(place) as usize;
        self.with_times(group, place, count, |times| {
            let from = times.partition_point(|t| *t < range.start.ms());
            let to = times.partition_point(|t| *t <= range.end.ms());
            if from == to {
                return Ok(());
            }
            self.with_payloads(group, place, |payloads| payload::get_samples(times, from, to, payloads, out))
        })
    }

    /// Calls `take` with the payloads of a row.
    fn with_payloads(
        &self,
        group: usize,
        place: usize,
        take: impl FnOnce(Payloads<'_>) -> Result<(), Damaged>,
    ) -> io::Result<()> {
        let layout = self.layout()?;
        let values_column = self.required(schema::VALUES)?;
        let values = self.payload_page(group, values_column, place)?;
        let histograms = self.optional_page(layout.other(schema::HISTOGRAMS), group, place)?;
        let starts = self.optional_page(layout.other(schema::START_TIMESTAMPS), group, place)?;
        let aggregates = self.optional_page(layout.other(schema::AGGREGATES), group, place)?;
        let bytes = values.0.get(values.1);
        let payloads = Payloads {
            values: bytes.ok_or_else(|| self.damaged(values_column, Damaged("a page lacks a row")))?,
            histograms: bytes_of(&histograms),
            starts: bytes_of(&starts),
            aggregates: bytes_of(&aggregates),
        };
        take(payloads).map_err(|damage| self.damaged(values_column, damage))
    }

    fn optional_page(
        &self,
        column: Option<usize>,
        group: usize,
        place: usize,
    ) -> io::Result<Option<(Arc<Binary>, usize)>> {
        column.map(|column| self.payload_page(group, column, place)).transpose()
    }

    /// The page that holds a row of a payload column, and the row's place in it.
    fn payload_page(&self, group: usize, column: usize, place: usize) -> io::Result<(Arc<Binary>, usize)> {
        let chunk = &self.layout()?.groups[group].chunks[column];
        let at = chunk.pages.partition_point(|page| page.first_row as usize <= place) - 1;
        let piece = &chunk.pages[at];
        let page = self.caches.get_or_load(self.key(group, column, at, Kind::Page), || {
            let page = self.page(column, piece, chunk.is_packed)?;
            let is_optional = !matches!(self.column_name(column)?.as_str(), schema::VALUES | schema::TIMESTAMPS);
            let page = Binary::new(page, is_optional).map_err(|damage| self.damaged(column, damage))?;
            let bytes = page.memory();
            Ok::<_, io::Error>((page, bytes))
        })?;
        Ok((page, place - piece.first_row as usize))
    }

    fn column_name(&self, column: usize) -> io::Result<String> {
        Ok(self.layout()?.column_name(column))
    }

    /// Calls `take` with the times of a row.
    fn with_times(
        &self,
        group: usize,
        place: usize,
        count: usize,
        take: impl FnOnce(&[i64]) -> io::Result<()>,
    ) -> io::Result<()> {
        let column = self.required(schema::TIMESTAMPS)?;
        let damaged = |damage| self.damaged(column, damage);
        if count == 0 || count > payload::MAX_SAMPLES {
            return Err(damaged(Damaged("a row has an impossible number of samples")));
        }
        let chunk = &self.layout()?.groups[group].chunks[column];
        let Some(dictionary) = chunk.dictionary else {
            let (page, at) = self.payload_page(group, column, place)?;
            let bytes = page.get(at).ok_or_else(|| damaged(Damaged("a page lacks a row")))?;
            return OWN_TIMES.with_borrow_mut(|times| {
                times.clear();
                payload::get_times(bytes, count, times).map_err(damaged)?;
                take(times)
            });
        };
        let lists = self.caches.get_or_load(self.key(group, column, 0, Kind::Dictionary), || {
            let lists = self.page(column, &dictionary, chunk.is_packed)?;
            let lists = Binary::new(lists, false).map_err(damaged)?;
            let mut codes = Vec::new();
            for piece in &chunk.pages {
                let page = self.page(column, piece, chunk.is_packed)?;
                page::page_codes(&page, false, lists.len(), &mut codes).map_err(damaged)?;
            }
            let lists = TimeLists { lists, codes: Codes::new(codes) };
            let bytes = lists.lists.memory() + lists.codes.memory();
            Ok::<_, io::Error>((lists, bytes))
        })?;
        let code = lists.codes.get(place) as usize;
        let key = self.key(group, column, code, Kind::Times);
        let decode = || -> io::Result<(Vec<i64>, usize)> {
            let list = code.checked_sub(1).and_then(|at| lists.lists.get(at));
            let list = list.ok_or_else(|| damaged(Damaged("a row has no times")))?;
            let mut times = Vec::with_capacity(count);
            payload::get_times(list, count, &mut times).map_err(damaged)?;
            let bytes = times.len() * 8;
            Ok((times, bytes))
        };
        let known = LAST_TIMES.with_borrow(|last| (last.key == Some(key)).then(|| last.times.clone()).flatten());
        let times = match known {
            Some(times) => times,
            None => {
                let times = self.caches.get_or_load(key, decode)?;
                LAST_TIMES.set(LastTimes { key: Some(key), times: Some(times.clone()) });
                times
            }
        };
        if times.len() != count {
            return Err(damaged(Damaged("rows with the same times have different numbers of samples")));
        }
        take(&times)
    }

    /// Sorted names of the labels that the given sorted rows have; all rows where none are given.
    pub(crate) fn label_names(&self, rows: Option<&[u32]>) -> io::Result<Vec<String>> {
        let layout = self.layout()?;
        let mut names = BTreeSet::new();
        for (group, places) in self.groups_of(rows)? {
            for (name, column) in &layout.labels {
                if names.contains(&**name) {
                    continue;
                }
                let texts = self.texts(group, *column)?;
                let mut is_used = places.is_none() && texts.values.len() > 0;
                if let Some(places) = &places {
                    texts.codes.for_rows(places.iter().copied(), |code| is_used |= code != 0);
                }
                if is_used {
                    names.insert(name.to_string());
                }
            }
            let Some(rest) = self.rest(group)? else { continue };
            match &places {
                None => names.extend(rest.names().iter().map(str::to_owned)),
                Some(places) => {
                    for (name, _) in places.iter().flat_map(|place| rest.of_row(*place)) {
                        if !names.contains(name) {
                            names.insert(name.to_owned());
                        }
                    }
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Sorted values of a label among the given sorted rows; among all rows where none are given.
    pub(crate) fn label_values(&self, name: &str, rows: Option<&[u32]>) -> io::Result<Vec<String>> {
        let mut values = BTreeSet::new();
        for (group, places) in self.groups_of(rows)? {
            let Some(column) = self.label(group, name)? else { continue };
            let mut used = vec![places.is_none(); column.values.len() + 1];
            if let Some(places) = &places {
                column.codes.for_rows(places.iter().copied(), |code| used[code as usize] = true);
            }
            let found = (1..used.len()).filter(|code| used[*code]).filter_map(|code| column.value(code as u32));
            values.extend(found.map(str::to_owned));
        }
        Ok(values.into_iter().collect())
    }

    /// Row groups and the places of the given rows in them; `None` where all rows are meant.
    fn groups_of(&self, rows: Option<&[u32]>) -> io::Result<Vec<(usize, Option<Vec<usize>>)>> {
        let Some(rows) = rows else {
            return Ok((0..self.layout()?.groups.len()).map(|group| (group, None)).collect());
        };
        let by_group = self.by_group(rows)?.into_iter();
        Ok(by_group
            .map(|(group, first, rows)| (group, Some(rows.iter().map(|row| (row - first) as usize).collect())))
            .collect())
    }

    /// The exemplars of sorted rows that lie in `range` or have no time; rows without are left out.
    pub(crate) fn exemplars(&self, rows: &[u32], range: TimeRange) -> io::Result<Vec<(u32, Vec<Exemplar>)>> {
        let mut out = Vec::new();
        let Some(column) = self.layout()?.other(schema::EXEMPLARS) else { return Ok(out) };
        for (group, first, rows) in self.by_group(rows)? {
            for row in rows {
                let mut list = self.exemplars_at(group, (row - first) as usize, column)?;
                list.retain(|exemplar| exemplar.timestamp.is_none_or(|t| range.contains(t)));
                if !list.is_empty() {
                    out.push((*row, list));
                }
            }
        }
        Ok(out)
    }

    fn exemplars_at(&self, group: usize, place: usize, column: usize) -> io::Result<Vec<Exemplar>> {
        let (page, at) = self.payload_page(group, column, place)?;
        let bytes = page.get(at).ok_or(Damaged("a page lacks a row"));
        bytes.and_then(exemplars::decode).map_err(|damage| self.damaged(column, damage))
    }

    /// All exemplars of a row.
    pub(super) fn row_exemplars(&self, row: u32) -> io::Result<Vec<Exemplar>> {
        let Some(column) = self.layout()?.other(schema::EXEMPLARS) else { return Ok(Vec::new()) };
        let (group, place) = self.locate(row)?;
        self.exemplars_at(group, place, column)
    }

    /// What a row's metric family says of itself, if that was known.
    pub(crate) fn row_metadata(&self, row: u32) -> io::Result<Option<Metadata>> {
        let layout = self.layout()?;
        let (group, place) = self.locate(row)?;
        let text = |name: &str| -> io::Result<Option<String>> {
            let Some(column) = layout.other(name) else { return Ok(None) };
            Ok(self.texts(group, column)?.get(place).map(str::to_owned))
        };
        let Some(metric_type) = text(schema::METRIC_TYPE)? else { return Ok(None) };
        let (help, unit) = (text(schema::HELP)?.unwrap_or_default(), text(schema::UNIT)?.unwrap_or_default());
        Ok(Some(Metadata { metric_type: type_named(&metric_type), help, unit }))
    }

    /// Metadata by metric name, as of the first row that has some, sorted by name.
    pub(crate) fn metadata(&self) -> io::Result<Vec<(String, Metadata)>> {
        let layout = self.layout()?;
        let mut out: Vec<(String, Metadata)> = Vec::new();
        let Some(types) = layout.other(schema::METRIC_TYPE) else { return Ok(out) };
        for (at, group) in layout.groups.iter().enumerate() {
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

fn bytes_of(page: &Option<(Arc<Binary>, usize)>) -> &[u8] {
    page.as_ref().and_then(|(page, at)| page.get(*at)).unwrap_or_default()
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
