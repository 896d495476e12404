//! Prometheus text, versions 0.0.4 and 1.0.0 (with quoted UTF-8 names), which one grammar covers.

use std::borrow::Cow;

use model::{Exemplar, MetricType, SampleValue};

use super::cursor::{Cursor, Span, text, unescape};
use super::series::SeriesSpans;
use super::{Entry, Exposition, ParseError, RawLabels, parse_value};

/// Walks over a body line by line.
pub(super) struct TextParser<'b> {
    cursor: Cursor<'b>,
    series: SeriesSpans,
    metric_type: MetricType,
}

/// The keyword of a metadata line.
#[derive(Clone, Copy, PartialEq)]
enum Keyword {
    Help,
    Type,
}

impl<'b> TextParser<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        TextParser { cursor: Cursor::new(body), series: SeriesSpans::default(), metric_type: MetricType::Unknown }
    }

    /// What follows a `#`. `None` for a comment.
    fn metadata(&mut self, start: usize) -> Result<Option<Entry<'b>>, ParseError> {
        if !matches!(self.cursor.peek(), Some(b' ' | b'\t')) {
            return self.skip_comment();
        }
        self.cursor.skip_blanks();
        let keyword = [("HELP", Keyword::Help), ("TYPE", Keyword::Type)]
            .into_iter()
            .find(|(word, _)| self.is_keyword(word))
            .map(|(_, keyword)| keyword);
        let Some(keyword) = keyword else { return self.skip_comment() };
        self.cursor.pos += 4;
        self.cursor.skip_blanks();
        let quoted = self.cursor.peek() == Some(b'"');
        let name = if quoted { self.cursor.quoted(true) } else { self.cursor.metric_name() };
        let word = if keyword == Keyword::Help { "HELP" } else { "TYPE" };
        let name = name.ok_or_else(|| self.cursor.expected(&format!("expected metric name after {word}"), start))?;
        let family = text(self.cursor.bytes(name));
        let rest_start = self.cursor.pos;
        let rest = self.cursor.rest_of_line();
        // One separating byte belongs to the keyword, whatever it is.
        let rest = self.cursor.bytes(rest).get(1..).unwrap_or_default();
        let rest = if rest.iter().all(|b| matches!(b, b' ' | b'\t')) { &[] } else { rest };
        match keyword {
            Keyword::Type => {
                self.metric_type = text_type(rest).ok_or_else(|| {
                    self.cursor.pos = rest_start;
                    self.cursor.error(format!(
                        "invalid metric type {:?}, expected counter, gauge, histogram, summary or untyped",
                        text(rest)
                    ))
                })?;
                Ok(Some(Entry::Type { family, metric_type: self.metric_type }))
            }
            Keyword::Help => {
                let help = std::str::from_utf8(rest)
                    .map_err(|_| self.cursor.error(format!("help text {:?} is not a valid utf8 string", text(rest))))?;
                Ok(Some(Entry::Help { family, help: unescape(Cow::Borrowed(help), false) }))
            }
        }
    }

    fn is_keyword(&self, word: &str) -> bool {
        let rest = &self.cursor.body[self.cursor.pos..];
        rest.starts_with(word.as_bytes()) && matches!(rest.get(word.len()), Some(b' ' | b'\t'))
    }

    fn skip_comment(&mut self) -> Result<Option<Entry<'b>>, ParseError> {
        self.cursor.rest_of_line();
        Ok(None)
    }

    /// The inside of the braces, of which the first is consumed.
    fn label_pairs(&mut self, start: usize) -> Result<(), ParseError> {
        loop {
            self.cursor.skip_blanks();
            if self.cursor.eat(b'}') {
                return Ok(());
            }
            let quoted = self.cursor.peek() == Some(b'"');
            let name = if quoted { self.cursor.quoted(true) } else { self.cursor.label_name() };
            let name = name.ok_or_else(|| self.cursor.expected("expected label name", start))?;
            self.cursor.skip_blanks();
            if quoted && matches!(self.cursor.peek(), Some(b',' | b'}')) {
                self.series.set_name(name, &self.cursor, start)?;
            } else {
                if !self.cursor.eat(b'=') {
                    return Err(self.cursor.expected("expected equal", start));
                }
                self.cursor.skip_blanks();
                let value = self.cursor.quoted(true);
                let value = value.ok_or_else(|| self.cursor.expected("expected label value", start))?;
                self.series.push_label(name, value, &self.cursor)?;
                self.cursor.skip_blanks();
            }
            // The comma between labels may be missing, and one may follow the last.
            self.cursor.eat(b',');
        }
    }

    fn sample(&mut self, start: usize) -> Result<Entry<'b>, ParseError> {
        self.series.begin();
        if let Some(name) = self.cursor.metric_name() {
            self.series.name = Some(name);
        }
        let name_end = self.cursor.pos;
        self.cursor.skip_blanks();
        if self.cursor.eat(b'{') {
            self.label_pairs(start)?;
            self.series.key = (start, self.cursor.pos);
        } else {
            self.series.key = (start, name_end);
        }
        self.series.require_name(&self.cursor, start)?;
        self.cursor.skip_blanks();
        let value = self.cursor.until(|b| matches!(b, b'{' | b' ' | b'\t' | b'\n' | 0));
        if value.0 == value.1 {
            return Err(self.cursor.expected("expected value after metric", start));
        }
        let value = parse_value(self.cursor.bytes(value)).ok_or_else(|| self.bad_number("value", value, start))?;
        self.cursor.skip_blanks();
        let timestamp = self.timestamp(start)?;
        Ok(Entry::Sample { timestamp, value: SampleValue::Float(value) })
    }

    fn timestamp(&mut self, start: usize) -> Result<Option<i64>, ParseError> {
        let digits = self.cursor.until(|b| !b.is_ascii_digit());
        if digits.0 == digits.1 {
            if self.at_line_end() {
                return Ok(None);
            }
            return Err(self.cursor.expected("expected timestamp or new record", start));
        }
        let parsed = std::str::from_utf8(self.cursor.bytes(digits)).ok().and_then(|t| t.parse().ok());
        let timestamp: i64 = parsed.ok_or_else(|| self.bad_number("timestamp", digits, start))?;
        self.cursor.skip_blanks();
        if !self.at_line_end() {
            return Err(self.cursor.expected("expected next entry after timestamp", start));
        }
        Ok(Some(timestamp))
    }

    fn at_line_end(&self) -> bool {
        matches!(self.cursor.peek(), None | Some(b'\n'))
    }

    fn bad_number(&self, what: &str, span: Span, start: usize) -> ParseError {
        let number = text(self.cursor.bytes(span));
        self.cursor.error(format!("invalid {what} {number:?} while parsing: {:?}", self.cursor.line_of(start)))
    }
}

fn text_type(word: &[u8]) -> Option<MetricType> {
    Some(match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" => MetricType::Unknown,
        _ => return None,
    })
}

impl<'b> Exposition<'b> for TextParser<'b> {
    fn advance(&mut self) -> Result<Option<Entry<'b>>, ParseError> {
        loop {
            self.cursor.skip_blanks();
            let start = self.cursor.pos;
            match self.cursor.peek() {
                // A zero byte where a line begins ends the body, as in Prometheus.
                None | Some(0) => return Ok(None),
                Some(b'\n') => self.cursor.pos += 1,
                Some(b'#') => {
                    self.cursor.pos += 1;
                    if let Some(entry) = self.metadata(start)? {
                        return Ok(Some(entry));
                    }
                }
                Some(b'{' | b'_' | b':' | b'a'..=b'z' | b'A'..=b'Z') => return self.sample(start).map(Some),
                Some(_) => return Err(self.cursor.expected("expected a valid start token", start)),
            }
        }
    }

    fn key(&self) -> &[u8] {
        self.cursor.bytes(self.series.key)
    }

    fn labels(&self, out: &mut RawLabels) {
        self.series.write_labels(self.cursor.body, self.metric_type, out);
    }

    fn exemplar(&mut self) -> Option<Exemplar> {
        None
    }

    fn start_timestamp(&mut self) -> Option<i64> {
        None
    }
}
