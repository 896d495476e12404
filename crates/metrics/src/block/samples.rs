//! Reading the samples and exemplars of rows.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use model::{Exemplar, SampleBuffer, TimeRange};

use super::cache::Kind;
use super::codes::Codes;
use super::labels::TimeLists;
use super::layout::Layout;
use super::page::{self, Binary};
use super::payload::{self, Payloads};
use super::{Block, exemplars};
use crate::bytes::Damaged;

thread_local! {
    // The times of a row that shares them with no other.
    static OWN_TIMES: RefCell<Vec<i64>> = const { RefCell::new(Vec::new()) };
}

impl Block {
    /// Time of the first and last sample of a row.
    pub(crate) fn times(&self, row: u32) -> io::Result<TimeRange> {
        let (group, place) = self.locate(row)?;
        let min = self.numbers(group, self.layout()?.columns.min_time)?.get(place);
        let max = self.numbers(group, self.layout()?.columns.max_time)?.get(place);
        Ok(TimeRange::new(min, max))
    }

    /// Appends the samples of a row that lie in `range`. On any thread; fastest when rows come in order.
    pub(crate) fn read(&self, row: u32, range: TimeRange, out: &mut SampleBuffer) -> io::Result<()> {
        let (group, place) = self.locate(row)?;
        let bounds = self.layout()?.groups[group].times;
        let is_inside = range.start.ms() <= bounds.0 && bounds.1 <= range.end.ms();
        if !is_inside && !self.times(row)?.overlaps(&range) {
            return Ok(());
        }
        let count = self.numbers(group, self.layout()?.columns.count)?.get(place) as usize;
        self.with_times(group, place, count, |times| {
            let (from, to) = if is_inside {
                (0, times.len())
            } else {
                let from = times.partition_point(|t| *t < range.start.ms());
                (from, times.partition_point(|t| *t <= range.end.ms()))
            };
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
        let columns = &self.layout()?.columns;
        let values_column = columns.values;
        let values = self.payload_page(group, values_column, place)?;
        let histograms = self.optional_page(columns.histograms, group, place)?;
        let starts = self.optional_page(columns.starts, group, place)?;
        let aggregates = self.optional_page(columns.aggregates, group, place)?;
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
        let column = column.filter(|column| !self.is_empty(group, *column));
        column.map(|column| self.payload_page(group, column, place)).transpose()
    }

    /// The page that holds a row of a payload column, and the row's place in it.
    pub(super) fn payload_page(&self, group: usize, column: usize, place: usize) -> io::Result<(Arc<Binary>, usize)> {
        let Layout { groups, columns, .. } = self.layout()?;
        let chunk = &groups[group].chunks[column];
        let at = chunk.pages.partition_point(|page| page.first_row as usize <= place) - 1;
        let piece = &chunk.pages[at];
        let page = self.cached(self.key(group, column, at, Kind::Page), || {
            let page = self.page(column, piece, chunk.is_packed)?;
            let is_optional = column != columns.values && column != columns.timestamps;
            let page = Binary::new(page, is_optional).map_err(|damage| self.damaged(column, damage))?;
            let bytes = page.memory();
            Ok((page, bytes))
        })?;
        Ok((page, place - piece.first_row as usize))
    }

    /// Calls `take` with the times of a row.
    fn with_times(
        &self,
        group: usize,
        place: usize,
        count: usize,
        take: impl FnOnce(&[i64]) -> io::Result<()>,
    ) -> io::Result<()> {
        let column = self.layout()?.columns.timestamps;
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
        let lists = self.cached(self.key(group, column, 0, Kind::Dictionary), || {
            let lists = self.page(column, &dictionary, chunk.is_packed)?;
            let lists = Binary::new(lists, false).map_err(damaged)?;
            let mut codes = Vec::new();
            for piece in &chunk.pages {
                let page = self.page(column, piece, chunk.is_packed)?;
                page::page_codes(&page, false, lists.len(), &mut codes).map_err(damaged)?;
            }
            let lists = TimeLists { lists, codes: Codes::new(codes) };
            let bytes = lists.lists.memory() + lists.codes.memory();
            Ok((lists, bytes))
        })?;
        let code = lists.codes.get(place) as usize;
        let key = self.key(group, column, code, Kind::Times);
        let decode = || {
            let list = code.checked_sub(1).and_then(|at| lists.lists.get(at));
            let list = list.ok_or_else(|| damaged(Damaged("a row has no times")))?;
            let mut times = Vec::with_capacity(count);
            payload::get_times(list, count, &mut times).map_err(damaged)?;
            let bytes = times.len() * 8;
            Ok((times, bytes))
        };
        let times = self.cached(key, decode)?;
        if times.len() != count {
            return Err(damaged(Damaged("rows with the same times have different numbers of samples")));
        }
        take(&times)
    }

    /// The exemplars of sorted rows that lie in `range` or have no time; rows without are left out.
    pub(crate) fn exemplars(&self, rows: &[u32], range: TimeRange) -> io::Result<Vec<(u32, Vec<Exemplar>)>> {
        let mut out = Vec::new();
        let Some(column) = self.layout()?.columns.exemplars else { return Ok(out) };
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

    pub(super) fn exemplars_at(&self, group: usize, place: usize, column: usize) -> io::Result<Vec<Exemplar>> {
        if self.is_empty(group, column) {
            return Ok(Vec::new());
        }
        let (page, at) = self.payload_page(group, column, place)?;
        let bytes = page.get(at).ok_or(Damaged("a page lacks a row"));
        bytes.and_then(exemplars::decode).map_err(|damage| self.damaged(column, damage))
    }

    /// All exemplars of a row.
    pub(super) fn row_exemplars(&self, row: u32) -> io::Result<Vec<Exemplar>> {
        let Some(column) = self.layout()?.columns.exemplars else { return Ok(Vec::new()) };
        let (group, place) = self.locate(row)?;
        self.exemplars_at(group, place, column)
    }
}

fn bytes_of(page: &Option<(Arc<Binary>, usize)>) -> &[u8] {
    page.as_ref().and_then(|(page, at)| page.get(*at)).unwrap_or_default()
}
