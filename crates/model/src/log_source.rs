//! The door through which query languages read logs.
//!
//! A store hands out streams, a stream pages, a page its parts one by one: how many entries and from when to when costs
//! nothing, times a little, a column of a field or the lines more. A language asks for as little as answers its question.
//! The calls block: they may touch disk. Callers run them on threads where that is allowed.

use std::sync::Arc;

use crate::{LabelRequest, Labels, Matcher, NumberStyle, NumberText, Reservation, SourceError, Tenant, number_text};

/// A span of time in nanoseconds since the Unix epoch: the start is included, the end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NanoRange {
    /// First nanosecond.
    pub start: i64,
    /// First nanosecond after it.
    pub end: i64,
}

impl NanoRange {
    /// All of time but its last nanosecond.
    pub const ALL: NanoRange = NanoRange { start: i64::MIN, end: i64::MAX };

    /// True where the time lies within.
    pub fn contains(self, timestamp: i64) -> bool {
        self.start <= timestamp && timestamp < self.end
    }
}

/// What to select.
#[derive(Clone, Copy, Debug)]
pub struct LogRequest<'a> {
    /// Whose streams.
    pub tenant: &'a Tenant,
    /// All must match the labels of the stream.
    pub matchers: &'a [Matcher],
    /// Streams and pages without an entry in this range may be left out.
    pub range: NanoRange,
    /// Byte strings that each line of interest contains: pages that cannot hold a line with all of them may be left out.
    /// Only a hint; empty where nothing is known or where left-out pages would be missed.
    pub fragments: &'a [Vec<u8>],
    /// What the set and reading from it take is asked for here, for as long as it is held.
    pub memory: Option<&'a Arc<Reservation>>,
}

/// What is known of a page without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// Time of its first entry, in nanoseconds.
    pub first: i64,
    /// Time of its last entry, in nanoseconds.
    pub last: i64,
    /// Number of entries; at least one.
    pub entries: u32,
    /// Bytes of all its lines.
    pub line_bytes: u64,
    /// Bytes of its structured metadata: names and values, for each entry anew.
    pub metadata_bytes: u64,
}

/// How a line is written, where fields can be taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineFormat {
    /// A JSON object; nested names are joined by `_`, as Loki's `json` does.
    Json,
    /// `key=value` pairs.
    Logfmt,
}

/// Lines of a page, in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// All lines, each followed by one `\n` that is not part of it. Lines may hold any bytes, `\n` too.
    pub text: Vec<u8>,
    /// Where each line ends in `text` (the place of its closing `\n`).
    pub ends: Vec<u32>,
}

impl Lines {
    /// Number of lines.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without lines.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Line `index`.
    pub fn get(&self, index: usize) -> &[u8] {
        &self.text[self.start(index)..self.ends[index] as usize]
    }

    /// Where line `index` begins in `text`.
    pub fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] as usize + 1 }
    }

    /// The line that holds the byte at `offset` of `text`, its closing `\n` counted as part of it.
    pub fn line_at(&self, offset: usize) -> usize {
        self.ends.partition_point(|&end| (end as usize) < offset)
    }

    /// Adds a line.
    pub fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.ends.push(self.text.len() as u32);
        self.text.push(b'\n');
    }
}

/// What stands in place of a code where an entry lacks the field.
pub const ABSENT: u32 = u32::MAX;

/// One field of all entries of a page, in their order.
///
/// The text of a value is exactly what the line's parser would give: a number is held as a number only where writing it in
/// its shortest decimal form (Rust's `Display`) gives the same text back.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Codes into a list of distinct texts; [`ABSENT`] where the entry lacks the field.
    Dictionary {
        /// Distinct texts.
        values: Vec<Box<str>>,
        /// One for each entry.
        codes: Vec<u32>,
    },
    /// Whole numbers.
    Integers {
        /// One for each entry; without meaning where absent.
        values: Vec<i64>,
        /// Which entries have the field; `None` for all.
        present: Option<Vec<bool>>,
    },
    /// Numbers with a fraction.
    Floats {
        /// One for each entry; without meaning where absent.
        values: Vec<f64>,
        /// Which entries have the field; `None` for all.
        present: Option<Vec<bool>>,
    },
    /// Texts of their own.
    Texts {
        /// One for each entry; empty where absent.
        values: Lines,
        /// Which entries have the field; `None` for all.
        present: Option<Vec<bool>>,
    },
}

/// A field of a page, as [`LogPage::field`] hands it out.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldColumn {
    /// Its values.
    Values(Arc<Column>),
    /// Numbers and how they are written.
    Numbers(NumberColumn),
}

/// A field whose texts are numbers: a whole number for each entry, and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberColumn {
    /// What all texts begin with.
    pub prefix: Box<str>,
    /// What all texts end with.
    pub suffix: Box<str>,
    /// How the number between them is written.
    pub style: NumberStyle,
    /// One for each entry: the digits without the point.
    pub values: Vec<i64>,
}

impl NumberColumn {
    /// Appends the text of a number.
    pub fn write(&self, value: i64, out: &mut String) {
        let mut text = NumberText::default();
        let (at, length) = number_text(self.style, value, &mut text);
        out.push_str(&self.prefix);
        out.extend(text.0[at..at + length].iter().map(|b| char::from(*b)));
        out.push_str(&self.suffix);
    }

    /// What the text of a number reads as, where that is exactly known and nothing stands around it.
    pub fn number(&self, value: i64) -> Option<f64> {
        const EXACT: u64 = 1 << 53;
        let is_plain = self.prefix.is_empty() && self.suffix.is_empty();
        let is_exact = value.unsigned_abs() <= EXACT && self.style.scale() <= 22;
        // Both are exact, so the quotient is rounded once, as it is when a text is read.
        (is_plain && is_exact).then(|| match self.style.scale() {
            0 => value as f64,
            scale => value as f64 / 10_f64.powi(i32::from(scale)),
        })
    }
}

/// A name of structured metadata with the values of all entries of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedColumn {
    /// The name.
    pub name: Box<str>,
    /// One value for each entry that has it.
    pub values: Column,
}

/// Entries of one stream in one span of time, in order of time.
pub trait LogPage: Send + Sync {
    /// What is known without reading.
    fn info(&self) -> PageInfo;

    /// False only where no line of the page contains these bytes. Cheap beside [`LogPage::lines`].
    fn may_contain(&self, fragment: &[u8]) -> bool;

    /// False only where no line of the page contains these bytes as a word: between other characters than ASCII letters, digits
    /// and underscores, or at an end of the line. Excludes more than [`LogPage::may_contain`].
    fn may_contain_word(&self, word: &[u8]) -> bool {
        self.may_contain(word)
    }

    /// Time of each entry in nanoseconds, ascending.
    fn timestamps(&self) -> Result<Arc<[i64]>, SourceError>;

    /// For each of these times, ascending, how many entries are not after it. Cheaper than [`LogPage::timestamps`] where those
    /// are on disk.
    fn count_until(&self, times: &[i64]) -> Result<Vec<u32>, SourceError> {
        let timestamps = self.timestamps()?;
        let count = |until: &i64| timestamps.partition_point(|time| time <= until) as u32;
        Ok(times.iter().map(count).collect())
    }

    /// The lines.
    fn lines(&self) -> Result<Arc<Lines>, SourceError>;

    /// The lines at these places alone, which ascend; one for each of them.
    fn lines_at(&self, places: &[u32]) -> Result<Lines, SourceError> {
        let all = self.lines()?;
        let mut lines = Lines::default();
        places.iter().for_each(|place| lines.push(all.get(*place as usize)));
        Ok(lines)
    }

    /// The places of all lines that contain these bytes, ascending; `None` where only reading the lines tells.
    fn find(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        let _ = text;
        Ok(None)
    }

    /// The same for ASCII letters in either case; `text` has small ones.
    fn find_in_any_case(&self, text: &[u8]) -> Result<Option<Vec<u32>>, SourceError> {
        let _ = text;
        Ok(None)
    }

    /// Structured metadata: each name with the values of all entries. No column where no entry has any.
    fn metadata(&self) -> Result<Arc<[NamedColumn]>, SourceError>;

    /// What the parser of `format` takes from each line as `field`; `None` where the page does not have it apart, and the
    /// lines must be parsed. A page that answers for one field answers for every field that it has apart, and says by
    /// [`LogPage::is_all`] whether the parser met errors.
    fn column(&self, format: LineFormat, field: &str) -> Result<Option<Arc<Column>>, SourceError>;

    /// As [`LogPage::column`], but a field that every entry has as a number may be handed out as numbers alone.
    fn field(&self, format: LineFormat, field: &str) -> Result<Option<FieldColumn>, SourceError> {
        Ok(self.column(format, field)?.map(FieldColumn::Values))
    }

    /// False only where no entry has structured metadata of this name.
    fn may_have_metadata(&self, name: &str) -> bool {
        let _ = name;
        self.info().metadata_bytes > 0
    }

    /// True only where no line of the page can be in this format: its parser takes no field from any line, and meets an error in each.
    fn is_none(&self, format: LineFormat) -> bool {
        let _ = format;
        false
    }

    /// True where every line of the page is in this format and its parser finds no error in any of them.
    fn is_all(&self, format: LineFormat) -> bool;

    /// Names of the fields that the page has apart, as [`LogPage::column`] takes them.
    fn fields(&self, format: LineFormat) -> Vec<String>;
}

/// Selected streams, in no particular order, each label set once.
pub trait StreamSet: Send + Sync {
    /// Number of streams.
    fn len(&self) -> usize;

    /// True where nothing was selected.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels of stream `index`.
    fn labels(&self, index: usize) -> Labels;

    /// The pages of stream `index` that may have entries in the range, by time. They do not overlap: the last entry of one is not
    /// younger than the first of the next. No entry (time and line) is in them twice.
    fn pages(&self, index: usize) -> Result<Vec<Arc<dyn LogPage>>, SourceError>;

    /// What the reader of an answer should know, such as stored data that was damaged and left out; as of the reads so far.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A place that logs can be read from.
pub trait LogSource: Send + Sync {
    /// Finds streams. Pages are read later, one by one, also from several threads.
    fn select(&self, request: &LogRequest<'_>) -> Result<Box<dyn StreamSet>, SourceError>;

    /// Sorted names of stream labels.
    fn label_names(&self, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError>;

    /// Sorted values of a stream label.
    fn label_values(&self, name: &str, request: &LabelRequest<'_>) -> Result<Vec<String>, SourceError>;

    /// Sorted label sets of streams.
    fn streams(&self, request: &LabelRequest<'_>) -> Result<Vec<Labels>, SourceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_place_and_by_byte() {
        let mut lines = Lines::default();
        for line in [&b"one"[..], b"", b"two\nthree"] {
            lines.push(line);
        }
        assert_eq!(lines.len(), 3);
        assert_eq!((lines.get(0), lines.get(1), lines.get(2)), (&b"one"[..], &b""[..], &b"two\nthree"[..]));
        let at: Vec<usize> = (0..lines.text.len()).map(|offset| lines.line_at(offset)).collect();
        assert_eq!(at, [0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    }
}
