//! Which lines of a page are worth a look: those in the range of time that contain what filters need, found by one search over
//! the whole page.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use model::{ABSENT, Column, Lines, LogPage, NamedColumn, NanoRange, PageInfo};
use regex::bytes::Regex;

use crate::error::QueryError;
use crate::pipeline::CompiledLineFilter;

/// Lines of a page.
pub(crate) enum Picked {
    /// All in a range of places.
    All(Range<usize>),
    /// Those at these places, ascending.
    Some(Vec<u32>),
}

impl Picked {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Picked::All(range) => range.is_empty(),
            Picked::Some(places) => places.is_empty(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Picked::All(range) => range.len(),
            Picked::Some(places) => places.len(),
        }
    }

    /// How many of a range of places are among them.
    pub(crate) fn count_in(&self, lines: Range<usize>) -> usize {
        match self {
            Picked::All(range) => range.end.min(lines.end).saturating_sub(range.start.max(lines.start)),
            Picked::Some(places) => {
                let before = |end: usize| places.partition_point(|place| (*place as usize) < end);
                before(lines.end) - before(lines.start)
            }
        }
    }

    /// The places, ascending.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let (range, places) = match self {
            Picked::All(range) => (range.clone(), &[][..]),
            Picked::Some(places) => (0..0, places.as_slice()),
        };
        range.chain(places.iter().map(|place| *place as usize))
    }

    /// Those of `hits`, ascending, that are among them.
    pub(crate) fn among(self, mut hits: Vec<u32>) -> Picked {
        match self {
            Picked::All(range) => hits.retain(|hit| range.contains(&(*hit as usize))),
            Picked::Some(places) => {
                let mut rest = places.as_slice();
                hits.retain(|hit| {
                    rest = &rest[rest.iter().take_while(|place| *place < hit).count()..];
                    rest.first() == Some(hit)
                });
            }
        }
        Picked::Some(hits)
    }

    /// Those that are not among `hits`, which ascend.
    pub(crate) fn without(self, hits: &[u32]) -> Picked {
        if hits.is_empty() {
            return self;
        }
        let mut rest = hits;
        self.retain(|place| {
            rest = &rest[rest.iter().take_while(|hit| (**hit as usize) < place).count()..];
            rest.first() != Some(&(place as u32))
        })
    }

    /// Leaves out what does not pass.
    pub(crate) fn retain(self, mut passes: impl FnMut(usize) -> bool) -> Picked {
        match self {
            Picked::All(range) => {
                Picked::Some(range.filter(|place| passes(*place)).map(|place| place as u32).collect())
            }
            Picked::Some(mut places) => {
                places.retain(|place| passes(*place as usize));
                Picked::Some(places)
            }
        }
    }
}

/// The places of the entries in a range of time.
pub(crate) fn in_range(timestamps: &[i64], range: NanoRange) -> Range<usize> {
    let start = timestamps.partition_point(|time| *time < range.start);
    let end = timestamps.partition_point(|time| *time < range.end);
    start..end.max(start)
}

/// True where all of the page lies in the range.
pub(crate) fn is_inside(info: &PageInfo, range: NanoRange) -> bool {
    range.contains(info.first) && range.contains(info.last)
}

/// What filters say of a page before it is read.
pub(crate) enum Outlook<'f> {
    /// No line passes.
    Nothing,
    /// These filters remain; without any, all lines pass.
    Filters(Vec<&'f CompiledLineFilter>),
}

/// Asks the page's filters.
pub(crate) fn outlook<'f>(page: &dyn LogPage, filters: &'f [CompiledLineFilter]) -> Outlook<'f> {
    let may_pass = |filter: &CompiledLineFilter| {
        filter.needs().is_empty() || filter.needs().iter().any(|text| page.may_contain(text))
    };
    if !filters.iter().all(may_pass) {
        return Outlook::Nothing;
    }
    let passes_all = |filter: &CompiledLineFilter| filter.excluded().is_some_and(|text| !page.may_contain(text));
    Outlook::Filters(filters.iter().filter(|filter| !passes_all(filter)).collect())
}

/// Leaves out lines of a page that its own search says do not pass; answers what is left, and the filters that still have to
/// look at it.
pub(crate) fn sift<'f>(
    page: &dyn LogPage,
    picked: Picked,
    filters: Vec<&'f CompiledLineFilter>,
) -> Result<(Picked, Vec<&'f CompiledLineFilter>), QueryError> {
    let mut picked = picked;
    let mut left = Vec::new();
    for filter in filters {
        if picked.is_empty() {
            break;
        }
        if let Some(text) = filter.excluded() {
            match page.find(text)? {
                Some(hits) => picked = picked.without(&hits),
                None => left.push(filter),
            }
            continue;
        }
        if let Some(text) = filter.folded() {
            match page.find_in_any_case(text)? {
                Some(hits) => picked = picked.among(hits),
                None => left.push(filter),
            }
            continue;
        }
        let mut hits: Option<Vec<u32>> = (!filter.needs().is_empty()).then(Vec::new);
        for text in filter.needs() {
            let Some(all) = &mut hits else { break };
            match page.find(text)? {
                Some(more) if all.is_empty() => *all = more,
                Some(more) => all.extend(more),
                None => hits = None,
            }
        }
        match hits {
            Some(mut hits) => {
                if filter.needs().len() > 1 {
                    hits.sort_unstable();
                    hits.dedup();
                }
                picked = picked.among(hits);
                if !filter.is_settled_by_needs() {
                    left.push(filter);
                }
            }
            None => left.push(filter),
        }
    }
    Ok((picked, left))
}

/// The lines at the places that pass the filters.
pub(crate) fn search(lines: &Lines, places: Range<usize>, filters: &[&CompiledLineFilter]) -> Picked {
    let with_needs = filters.iter().filter(|filter| !filter.needs().is_empty() && filter.needs().len() <= 4);
    let best = with_needs.max_by_key(|filter| {
        let shortest = filter.needs().iter().map(Vec::len).min().unwrap_or(0);
        shortest * 16 / filter.needs().len()
    });
    let Some(best) = best else {
        let scanned = filters.iter().find_map(|filter| Some((*filter, filter.over_lines()?)));
        let picked = match scanned {
            Some((_, regex)) => Picked::Some(scan(lines, &places, regex)),
            None => Picked::All(places),
        };
        let left = || filters.iter().filter(|filter| scanned.is_none_or(|(done, _)| !std::ptr::eq(**filter, done)));
        let passes = |place: usize| left().all(|filter| filter.passes(lines.get(place)));
        return if left().next().is_none() { picked } else { picked.retain(passes) };
    };
    let mut hits = Vec::new();
    for text in best.needs() {
        find(lines, &places, text, &mut hits);
    }
    if best.needs().len() > 1 {
        hits.sort_unstable();
        hits.dedup();
    }
    let is_settled = best.is_settled_by_needs();
    hits.retain(|place| {
        let line = lines.get(*place as usize);
        filters.iter().all(|filter| is_settled && std::ptr::eq(*filter, *best) || filter.passes(line))
    });
    Picked::Some(hits)
}

/// The line from `line` on that a place of the text is in; lines near are found by walking, those farther off by search.
fn line_from(lines: &Lines, line: usize, end: usize, hit: usize) -> usize {
    let near = (line + 8).min(end);
    match lines.ends[line..near].iter().position(|end| hit <= *end as usize) {
        Some(steps) => line + steps,
        None => lines.line_at(hit),
    }
}

/// Adds the places of the lines that contain the text.
fn find(lines: &Lines, places: &Range<usize>, text: &[u8], hits: &mut Vec<u32>) {
    if places.is_empty() {
        return;
    }
    let finder = memmem::Finder::new(text);
    let end = lines.ends[places.end - 1] as usize;
    let mut at = lines.start(places.start);
    let mut line = places.start;
    while let Some(found) = finder.find(&lines.text[at..end]) {
        let hit = at + found;
        line = line_from(lines, line, places.end, hit);
        let line_end = lines.ends[line] as usize;
        if hit + text.len() <= line_end {
            hits.push(line as u32);
            at = line_end + 1;
            line += 1;
        } else {
            at = hit + 1;
        }
        if at > end || line >= places.end {
            return;
        }
    }
}

/// The places of the lines that contain an expression whose matches are never blank and stay within a line.
fn scan(lines: &Lines, places: &Range<usize>, regex: &Regex) -> Vec<u32> {
    let mut hits = Vec::new();
    let Some(last) = places.clone().last() else { return hits };
    let text = &lines.text[..lines.ends[last] as usize];
    let mut at = lines.start(places.start);
    let mut line = places.start;
    while at <= text.len()
        && let Some(end) = regex.shortest_match_at(text, at)
    {
        line = line_from(lines, line, places.end, end - 1);
        hits.push(line as u32);
        at = lines.ends[line] as usize + 1;
        line += 1;
    }
    hits
}

/// The text of a column at a place.
pub(crate) fn text_at(column: &Column, place: usize) -> Option<Cow<'_, str>> {
    let is_present = |present: &Option<Vec<bool>>| present.as_ref().is_none_or(|present| present[place]);
    match column {
        Column::Dictionary { values, codes } => match codes[place] {
            ABSENT => None,
            code => Some(Cow::Borrowed(&values[code as usize])),
        },
        Column::Integers { values, present } => is_present(present).then(|| Cow::Owned(values[place].to_string())),
        Column::Floats { values, present } => is_present(present).then(|| Cow::Owned(values[place].to_string())),
        Column::Texts { values, present } => is_present(present).then(|| String::from_utf8_lossy(values.get(place))),
    }
}

/// The structured metadata of a page, read where it is asked for.
pub(crate) struct Metadata<'p> {
    page: &'p dyn LogPage,
    is_any: bool,
    columns: OnceCell<Arc<[NamedColumn]>>,
}

impl<'p> Metadata<'p> {
    pub(crate) fn of(page: &'p dyn LogPage, info: &PageInfo) -> Self {
        Metadata { page, is_any: info.metadata_bytes > 0, columns: OnceCell::new() }
    }

    /// Reads it where there is any.
    pub(crate) fn read(&self) -> Result<&[NamedColumn], QueryError> {
        if !self.is_any {
            return Ok(&[]);
        }
        if self.columns.get().is_none() {
            let columns = self.page.metadata()?;
            // Nobody else has set it meanwhile: a cell belongs to one thread.
            let _ = self.columns.set(columns);
        }
        Ok(self.columns.get().map_or(&[], |columns| columns))
    }

    /// Calls `with` with the pairs of an entry. To be used after [`Metadata::read`].
    pub(crate) fn with<T>(&self, place: usize, with: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        let Some(columns) = self.columns.get() else { return with(&[]) };
        let texts: Vec<(&str, Cow<'_, str>)> =
            columns.iter().filter_map(|column| Some((&*column.name, text_at(&column.values, place)?))).collect();
        let pairs: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (*name, &**value)).collect();
        with(&pairs)
    }

    /// The column of a name.
    pub(crate) fn column(&self, name: &str) -> Result<Option<&Column>, QueryError> {
        if !self.is_any || !self.page.may_have_metadata(name) {
            return Ok(None);
        }
        let columns = self.read()?;
        Ok(columns.iter().find(|column| &*column.name == name).map(|column| &column.values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scanning_many_lines_finds_what_each_has(
            list in proptest::collection::vec("[abé\n]{0,6}", 0..20), pattern in 0_usize..6,
            begin in any::<prop::sample::Index>(), length in 0_usize..20,
        ) {
            let pattern = ["a", "ab+", "[ab]{2}", "b.a", "é|bb", "(?i)A[^\n]"][pattern];
            let regex = Regex::new(pattern).unwrap();
            let mut lines = Lines::default();
            list.iter().for_each(|line| lines.push(line.as_bytes()));
            let begin = begin.index(list.len() + 1);
            let places = begin..(begin + length).min(list.len());
            let each: Vec<u32> =
                places.clone().filter(|at| regex.is_match(list[*at].as_bytes())).map(|at| at as u32).collect();
            prop_assert_eq!(scan(&lines, &places, &regex), each);
        }
    }
}
