//! A label column of one row group: its sorted values and a code for each row.

use std::sync::Arc;

use model::{MatchOp, Matcher};

use super::codes::Codes;
use super::page::{Binary, Page, page_codes};
use crate::bytes::{Damaged, Reader};

/// Sorted texts, found by their place.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Arc<Sorted>);

#[derive(Debug, Default)]
struct Sorted {
    text: String,
    ends: Vec<u32>,
}

impl Values {
    /// Reads a dictionary.
    pub(super) fn decode(dictionary: &Page) -> Result<Values, Damaged> {
        let mut reader = Reader(&dictionary.bytes);
        let mut text = Vec::with_capacity(dictionary.bytes.len());
        let mut ends = Vec::with_capacity(dictionary.values.min(dictionary.bytes.len()));
        for _ in 0..dictionary.values {
            let length = reader.u32()? as usize;
            text.extend_from_slice(reader.take(length)?);
            ends.push(text.len() as u32);
        }
        let text = String::from_utf8(text).map_err(|_| Damaged("a text is not UTF-8"))?;
        if !ends.iter().all(|end| text.is_char_boundary(*end as usize)) {
            return Err(Damaged("a text is not UTF-8"));
        }
        let values = Values(Arc::new(Sorted { text, ends }));
        if (1..values.len() as u32).any(|i| values.get(i - 1) >= values.get(i)) {
            return Err(Damaged("a dictionary is not sorted"));
        }
        Ok(values)
    }

    /// Those at some places.
    pub(super) fn only(&self, places: &[u32]) -> Values {
        let mut some = Sorted::default();
        for at in places {
            some.text.push_str(self.get(*at));
            some.ends.push(some.text.len() as u32);
        }
        Values(Arc::new(some))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// One of them.
    pub(super) fn get(&self, at: u32) -> &str {
        let begin = if at == 0 { 0 } else { self.0.ends[at as usize - 1] };
        &self.0.text[begin as usize..self.0.ends[at as usize] as usize]
    }

    /// The place of a value.
    pub(super) fn find(&self, value: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).cmp(value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|at| self.get(at))
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.0.text.capacity() + self.0.ends.len() * 4
    }
}

/// The column.
#[derive(Debug)]
pub(super) struct LabelColumn {
    /// Values that occur.
    pub(super) values: Values,
    /// 0 where a row lacks the label, otherwise the value's place and one.
    pub(super) codes: Codes,
}

/// Which codes of a column a matcher accepts.
enum Accepted {
    All,
    Nothing,
    /// Only this one, or all but this one.
    One(u32, bool),
    Listed(Vec<bool>),
}

impl LabelColumn {
    /// Decodes a column of `rows` rows.
    pub(super) fn decode(dictionary: Option<&Page>, pages: &[Page], rows: usize) -> Result<LabelColumn, Damaged> {
        let values = dictionary.map(Values::decode).transpose()?.unwrap_or_default();
        let mut codes = Vec::with_capacity(rows.min(super::group::MAX_ROWS));
        for page in pages {
            page_codes(page, true, values.len(), &mut codes)?;
        }
        if codes.len() != rows {
            return Err(Damaged("a column does not have its rows"));
        }
        Ok(LabelColumn { values, codes: Codes::new(codes) })
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.values.memory() + self.codes.memory()
    }

    /// The value of a row; `None` where it lacks the label.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        self.value(self.codes.get(row))
    }

    /// The value of a code.
    pub(super) fn value(&self, code: u32) -> Option<&str> {
        code.checked_sub(1).map(|at| self.values.get(at))
    }

    /// Those rows of sorted `ranges` whose label satisfies the matcher. Each value is looked at once.
    pub(super) fn matching(&self, matcher: &Matcher, ranges: &[(u32, u32)]) -> Vec<(u32, u32)> {
        match self.accepted(matcher) {
            Accepted::All => ranges.to_vec(),
            Accepted::Nothing => Vec::new(),
            Accepted::One(code, wanted) => self.codes.retain(ranges, |c| (c == code) == wanted),
            Accepted::Listed(accepted) => self.codes.retain(ranges, |c| accepted[c as usize]),
        }
    }

    fn accepted(&self, matcher: &Matcher) -> Accepted {
        let code_of = |value: &str| if value.is_empty() { Some(0) } else { self.values.find(value).map(|at| at + 1) };
        let is_equality = matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual);
        if is_equality {
            let wanted = matcher.op == MatchOp::Equal;
            return match code_of(&matcher.value) {
                Some(code) => Accepted::One(code, wanted),
                None if wanted => Accepted::Nothing,
                None => Accepted::All,
            };
        }
        let mut accepted = Vec::with_capacity(self.values.len() + 1);
        match matcher.alternatives() {
            Some(literals) => {
                let named = matcher.op == MatchOp::Regex;
                accepted.resize(self.values.len() + 1, !named);
                literals.iter().filter_map(|literal| code_of(literal)).for_each(|code| accepted[code as usize] = named);
            }
            None => {
                accepted.push(matcher.matches_empty());
                accepted.extend(self.values.iter().map(|value| matcher.matches(value)));
            }
        }
        match (accepted.contains(&true), accepted.contains(&false)) {
            (true, false) => Accepted::All,
            (false, _) => Accepted::Nothing,
            _ => Accepted::Listed(accepted),
        }
    }
}

/// A column of numbers of one row group.
#[derive(Debug)]
pub(super) struct NumberColumn {
    numbers: Vec<i64>,
    codes: Codes,
}

impl NumberColumn {
    /// Decodes a column of `rows` numbers of `size` bytes, 4 or 8.
    pub(super) fn decode(dictionary: &Page, pages: &[Page], rows: usize, size: usize) -> Result<NumberColumn, Damaged> {
        let mut reader = Reader(&dictionary.bytes);
        let mut numbers = Vec::with_capacity(dictionary.bytes.len() / size);
        for _ in 0..dictionary.values {
            numbers.push(if size == 4 { i64::from(reader.u32()? as i32) } else { reader.u64()? as i64 });
        }
        let mut codes = Vec::with_capacity(rows.min(super::group::MAX_ROWS));
        for page in pages {
            page_codes(page, false, numbers.len(), &mut codes)?;
        }
        if codes.len() != rows {
            return Err(Damaged("a column does not have its rows"));
        }
        Ok(NumberColumn { numbers, codes: Codes::new(codes) })
    }

    /// The number of a row.
    pub(super) fn get(&self, row: usize) -> i64 {
        self.codes.get(row).checked_sub(1).and_then(|at| self.numbers.get(at as usize)).copied().unwrap_or(0)
    }

    /// Those rows of sorted `ranges` whose number `keep` accepts.
    pub(super) fn matching(&self, ranges: &[(u32, u32)], keep: impl Fn(i64) -> bool) -> Vec<(u32, u32)> {
        let accepted: Vec<bool> = self.numbers.iter().map(|n| keep(*n)).collect();
        if accepted.iter().all(|a| *a) {
            return ranges.to_vec();
        }
        self.codes.retain(ranges, |code| accepted[code as usize - 1])
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.numbers.len() * 8 + self.codes.memory()
    }
}

/// The times column of one row group: where the row's times stand in the dictionary.
#[derive(Debug)]
pub(super) struct TimeLists {
    pub(super) lists: Binary,
    pub(super) codes: Codes,
}
