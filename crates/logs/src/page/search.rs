//! Which lines contain a text, told without putting lines together: what templates share is looked at once for all of their
//! lines, a dictionary once for each of its texts, and a column of digits not at all where the text has other bytes.
//!
//! A text may also begin in one part of a line and end in the next. Where that can be at all, by the bytes on both sides of
//! some cut, nothing is said here, and the lines are searched.

use std::borrow::Cow;
use std::sync::Arc;

use blocks::bytes::{Damaged, Reader};
use memchr::memmem::Finder;

use super::Template;
use super::column::{CONSTANT, HEX, NUMBERS, TIMES as TIME_TEXTS};
use super::decoded::{Decoded, List, Writing};
use super::read::{Fetch, PageHead};

/// Longer lists of hits cost more to put together than lines cost to search.
const MOST_HITS_SHARE: usize = 2;

/// Whether letters must be of the same case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Same,
    /// ASCII letters may be of either.
    Any,
}

impl Case {
    fn are_equal(self, left: &[u8], right: &[u8]) -> bool {
        match self {
            Case::Same => left == right,
            Case::Any => left.eq_ignore_ascii_case(right),
        }
    }
}

/// What is looked for.
struct Search<'n> {
    finder: Finder<'n>,
    case: Case,
}

impl Search<'_> {
    fn needle(&self) -> &[u8] {
        self.finder.needle()
    }

    /// A text as it is searched.
    fn prepared<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self.case {
            Case::Same => Cow::Borrowed(text),
            Case::Any => Cow::Owned(text.to_ascii_lowercase()),
        }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        text.len() >= self.needle().len() && self.finder.find(&self.prepared(text)).is_some()
    }
}

/// The texts of a column that contain something.
enum Hits {
    None,
    All,
    /// By place in the column, ascending.
    Some(Vec<u32>),
}

impl PageHead {
    /// The places of all lines that contain a text, ascending; `None` where only the lines tell. In any case where `case` says
    /// so; the text has small letters then.
    pub(crate) fn find<E: From<Damaged>>(
        &self,
        text: &[u8],
        case: Case,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Option<Vec<u32>>, E> {
        if text.is_empty() || text.contains(&b'\n') {
            return Ok(None);
        }
        let templates = self.templates(fetch)?;
        if templates.iter().any(|template| may_span(template, text, case)) {
            return Ok(None);
        }
        let finder = Search { finder: Finder::new(text), case };
        let in_templates: Vec<bool> = templates.iter().map(|template| is_in_template(template, &finder)).collect();
        let mut times: Option<Arc<[i64]>> = None;
        let mut hits = Vec::with_capacity(self.columns());
        for column in 0..self.columns() {
            hits.push(self.find_in_column(column, &finder, &mut times, fetch)?);
        }
        if !in_templates.contains(&true) && hits.iter().all(|hits| matches!(hits, Hits::None)) {
            return Ok(Some(Vec::new()));
        }
        let ids = self.ids(fetch)?;
        let places = places(&templates, &in_templates, &ids, &hits);
        Ok(Some(places))
    }

    fn find_in_column<E: From<Damaged>>(
        &self,
        column: usize,
        finder: &Search<'_>,
        times: &mut Option<Arc<[i64]>>,
        fetch: Fetch<'_, '_, E>,
    ) -> Result<Hits, E> {
        let count = self.count(column);
        let section = self.column_section(column, fetch)?;
        if count == 0 || !may_be_in(&section, finder.needle())? {
            return Ok(Hits::None);
        }
        let decoded = self.decode_column(column, &section, times, fetch)?;
        Ok(match &decoded {
            Decoded::Constant(text) => match finder.is_in(text.text()) {
                true => Hits::All,
                false => Hits::None,
            },
            Decoded::Dictionary { list, codes } => {
                let texts = in_list(list, finder);
                if texts.is_empty() {
                    return Ok(Hits::None);
                }
                let mut is_hit = vec![false; list.ends.len()];
                texts.iter().for_each(|text| is_hit[*text as usize] = true);
                let hits = codes.iter().enumerate().filter(|(_, code)| is_hit[**code as usize]);
                some(hits.map(|(place, _)| place as u32).collect())
            }
            Decoded::Texts(list) => some(in_list(list, finder)),
            Decoded::Hex { prefix, suffix, length, dashes: false, packed }
                if prefix.text().is_empty() && suffix.text().is_empty() =>
            {
                some(in_hex(packed, *length, finder.needle()))
            }
            other => {
                let (mut writing, mut text) = (Writing::default(), Vec::new());
                let is_hit = |place: &u32| {
                    text.clear();
                    other.write(*place as usize, &mut writing, &mut text);
                    finder.is_in(&text)
                };
                some((0..count as u32).filter(is_hit).collect())
            }
        })
    }
}

fn some(hits: Vec<u32>) -> Hits {
    if hits.is_empty() { Hits::None } else { Hits::Some(hits) }
}

/// The parts of a template's text between cuts.
fn segments(template: &Template) -> impl Iterator<Item = &[u8]> {
    let begins = std::iter::once(0).chain(template.cuts.iter().map(|cut| cut.at));
    let ends = template.cuts.iter().map(|cut| cut.at).chain([template.length()]);
    begins.zip(ends).map(|(begin, end)| &template.text[begin..end])
}

fn is_in_template(template: &Template, finder: &Search<'_>) -> bool {
    finder.is_in(&template.text[..template.length()]) && segments(template).any(|segment| finder.is_in(segment))
}

/// True where the text might begin on one side of a cut and end on the other.
fn may_span(template: &Template, text: &[u8], case: Case) -> bool {
    let count = template.cuts.len();
    segments(template).enumerate().any(|(number, segment)| {
        // Two cuts without anything in between: nothing tells them apart.
        if segment.is_empty() {
            return number > 0 && number < count && text.len() > 1;
        }
        // Out of what was cut out into the segment behind it, and out of a segment into what follows it.
        let enters = number > 0
            && (1..text.len()).any(|at| {
                let rest = &text[at..];
                let common = rest.len().min(segment.len());
                case.are_equal(&rest[..common], &segment[..common])
            });
        let leaves = number < count
            && (1..text.len()).any(|at| {
                let begin = &text[..at];
                let common = begin.len().min(segment.len());
                case.are_equal(&begin[begin.len() - common..], &segment[segment.len() - common..])
            });
        enters || leaves
    })
}

/// False only where no text of the column can contain the needle, by the bytes that stand in such a column.
fn may_be_in(section: &[u8], needle: &[u8]) -> Result<bool, Damaged> {
    let mut reader = Reader(section);
    let kind = reader.byte()?;
    let bytes: fn(u8) -> bool = match kind {
        NUMBERS => |b| b.is_ascii_digit() || matches!(b, b'-' | b'.'),
        HEX => |b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'),
        TIME_TEXTS => {
            |b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b':' | b'.' | b',' | b'T' | b't' | b' ' | b'Z' | b'z')
        }
        CONSTANT => {
            let length = reader.count(1)?;
            return Ok(length >= needle.len());
        }
        _ => return Ok(true),
    };
    if kind == TIME_TEXTS {
        return Ok(needle.iter().all(|b| bytes(*b)));
    }
    let mut texts = [&b""[..]; 2];
    for text in &mut texts {
        let length = reader.count(1)?;
        *text = reader.take(length)?;
    }
    Ok(needle
        .iter()
        .all(|b| bytes(*b) || texts.iter().any(|text| text.iter().any(|known| known.eq_ignore_ascii_case(b)))))
}

/// The texts of a list that contain the needle.
fn in_list(list: &List, finder: &Search<'_>) -> Vec<u32> {
    let (text, length) = (finder.prepared(list.text()), finder.needle().len());
    let mut hits: Vec<u32> = Vec::new();
    let (mut from, mut place) = (0, 0);
    while let Some(found) = text.get(from..).and_then(|rest| finder.finder.find(rest)) {
        let hit = from + found;
        // Hits are mostly far apart.
        place += list.ends[place..].partition_point(|end| *end as usize <= hit);
        let end = list.ends[place] as usize;
        if hit + length <= end {
            hits.push(place as u32);
            from = end;
        } else {
            from = hit + 1;
        }
    }
    hits
}

/// The values of packed digits that contain the needle, which is digits alone.
fn in_hex(packed: &[u8], length: usize, needle: &[u8]) -> Vec<u32> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let Some(digits) = needle.iter().map(|b| digit(*b)).collect::<Option<Vec<u8>>>() else { return Vec::new() };
    let size = length.div_ceil(2);
    let nibble = |value: usize, at: usize| {
        let byte = packed[value * size + at / 2];
        if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
    };
    let is_at = |value: usize, at: usize| {
        at + digits.len() <= length && digits.iter().enumerate().all(|(n, digit)| nibble(value, at + n) == *digit)
    };
    let mut hits = Vec::new();
    // Whole bytes of the needle, where it begins with a high digit, and where it begins with a low one.
    for skip in 0..2 {
        let inner: Vec<u8> =
            digits[skip.min(digits.len())..].as_chunks::<2>().0.iter().map(|[h, l]| h << 4 | l).collect();
        if inner.is_empty() {
            let values = packed.len() / size;
            hits.extend((0..values).filter(|value| (0..length).any(|at| is_at(*value, at))).map(|value| value as u32));
            break;
        }
        let finder = Finder::new(&inner);
        let mut from = 0;
        while let Some(found) = packed.get(from..).and_then(|rest| finder.find(rest)) {
            let hit = from + found;
            let (value, at) = (hit / size, hit % size * 2);
            if at >= skip && is_at(value, at - skip) {
                hits.push(value as u32);
            }
            from = hit + 1;
        }
    }
    hits.sort_unstable();
    hits.dedup();
    hits
}

/// The lines of templates and texts that contain something.
fn places(templates: &[Template], in_templates: &[bool], ids: &[u32], hits: &[Hits]) -> Vec<u32> {
    // For each column with hits where it is read and which hit comes next.
    let mut cursors: Vec<(u32, &[u32])> =
        hits.iter().map(|hits| (0, if let Hits::Some(hits) = hits { hits.as_slice() } else { &[] })).collect();
    let watched: Vec<Vec<(usize, u32)>> = templates
        .iter()
        .map(|template| {
            let mut watched: Vec<(usize, u32)> = Vec::new();
            for cut in &template.cuts {
                let column = cut.column as usize;
                match watched.iter_mut().find(|(known, _)| *known == column) {
                    Some((_, count)) => *count += 1,
                    None if matches!(hits[column], Hits::Some(_)) => watched.push((column, 1)),
                    None => {}
                }
            }
            watched
        })
        .collect();
    let of_all: Vec<bool> = templates
        .iter()
        .zip(in_templates)
        .map(|(template, is_in)| {
            *is_in || template.cuts.iter().any(|cut| matches!(hits[cut.column as usize], Hits::All))
        })
        .collect();
    let mut places = Vec::with_capacity(ids.len() / MOST_HITS_SHARE);
    for (place, id) in ids.iter().enumerate() {
        let mut is_hit = of_all[*id as usize];
        for (column, count) in &watched[*id as usize] {
            let (at, rest) = &mut cursors[*column];
            *at += count;
            let passed = rest.iter().take_while(|hit| **hit < *at).count();
            if passed > 0 {
                is_hit = true;
                *rest = &rest[passed..];
            }
        }
        if is_hit {
            places.push(place as u32);
        }
    }
    places
}
