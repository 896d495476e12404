//! OpenMetrics text, versions 0.0.1 and 1.0.0.
//!
//! Prometheus reads it line by line: it wants the exact spacing, the types and the final `# EOF`, but does not check that
//! families are grouped, that counters end in `_total` and the like. `tests/data/openmetrics_lax.txt` lists what passes.
//! `_created` lines stay samples, as in Prometheus by default, and give the other series of their family a start timestamp.

use std::borrow::Cow;
use std::collections::HashMap;

use model::{Exemplar, Labels, MetricType, SampleValue, Timestamp};

use super::cursor::{Cursor, Span, text, unescape};
use super::series::SeriesSpans;
use super::{Entry, Exposition, ParseError, RawLabels, parse_value};

const NO_EOF: &str = "data does not end with # EOF";

/// Walks over a body line by line.
pub(super) struct OpenMetricsParser<'b> {
    cursor: Cursor<'b>,
    series: SeriesSpans,
    metric_type: MetricType,
    family: Span,
    exemplar: Option<Exemplar>,
    exemplar_labels: SeriesSpans,
    /// Start timestamps of the present family by labels; `None` until somebody asks.
    created: Option<HashMap<Vec<u8>, i64>>,
    may_have_created: bool,
    family_start: usize,
}

impl<'b> OpenMetricsParser<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        OpenMetricsParser {
            cursor: Cursor::new(body),
            series: SeriesSpans::default(),
            metric_type: MetricType::Unknown,
            family: (0, 0),
            exemplar: None,
            exemplar_labels: SeriesSpans::default(),
            created: None,
            may_have_created: memchr::memmem::find(body, b"_created").is_some(),
            family_start: 0,
        }
    }

    /// What follows `# `. `None` after `# EOF`.
    fn metadata(&mut self, start: usize) -> Result<Option<Entry<'b>>, ParseError> {
        if self.cursor.eat_text("EOF") {
            self.cursor.eat(b'\n');
            if self.cursor.peek().is_some() {
                return Err(self.cursor.error("unexpected data after # EOF".into()));
            }
            return Ok(None);
        }
        let Some(keyword) = ["HELP", "TYPE", "UNIT"].into_iter().find(|word| self.cursor.eat_text(&format!("{word} ")))
        else {
            return Err(self.cursor.expected("expected HELP, TYPE, UNIT or EOF after #", start));
        };
        let quoted = self.cursor.peek() == Some(b'"');
        let name = if quoted { self.cursor.quoted(true) } else { self.cursor.metric_name() };
        let name = name.ok_or_else(|| self.cursor.expected(&format!("expected metric name after {keyword}"), start))?;
        if !self.cursor.eat(b' ') {
            return Err(self.cursor.expected(&format!("expected text in {keyword}"), start));
        }
        let rest_span = self.cursor.rest_of_line();
        let rest = self.cursor.bytes(rest_span);
        if self.cursor.peek().is_none() {
            return Err(self.cursor.expected(&format!("expected a line break after {keyword}"), start));
        }
        let family = text(self.cursor.bytes(name));
        self.begin_family(name);
        let entry = match keyword {
            "TYPE" => {
                self.metric_type = openmetrics_type(rest)
                    .ok_or_else(|| self.cursor.error(format!("invalid metric type {:?}", text(rest))))?;
                Entry::Type { family, metric_type: self.metric_type }
            }
            "UNIT" => {
                let unit = text(rest);
                let is_suffix = family.strip_suffix(&*unit).is_some_and(|before| before.ends_with('_'));
                if !unit.is_empty() && !is_suffix {
                    return Err(self.cursor.error(format!("unit {unit:?} not a suffix of metric {family:?}")));
                }
                Entry::Unit { family, unit }
            }
            _ => {
                let help = std::str::from_utf8(rest)
                    .map_err(|_| self.cursor.error(format!("help text {:?} is not a valid utf8 string", text(rest))))?;
                Entry::Help { family, help: unescape(Cow::Borrowed(help), true) }
            }
        };
        self.cursor.pos += 1;
        self.family_start = self.cursor.pos;
        Ok(Some(entry))
    }

    fn begin_family(&mut self, name: Span) {
        if self.cursor.bytes(name) != self.cursor.bytes(self.family) {
            self.family = name;
        }
        self.created = None;
    }

    fn sample(&mut self, start: usize) -> Result<Entry<'b>, ParseError> {
        self.series.begin();
        self.series.name = self.cursor.metric_name();
        if self.cursor.eat(b'{') {
            label_pairs(&mut self.cursor, &mut self.series, start, false)?;
        }
        self.series.key = (start, self.cursor.pos);
        self.series.require_name(&self.cursor, start)?;
        let value = self.float_value("metric", start)?;
        let mut timestamp = None;
        if !self.cursor.eat_text(" # {") {
            timestamp = self.timestamp("timestamp", start)?;
            if timestamp.is_none() || !self.cursor.eat_text(" # {") {
                self.line_end("expected next entry after timestamp", start)?;
                return Ok(Entry::Sample { timestamp, value: SampleValue::Float(value) });
            }
        }
        self.read_exemplar(start)?;
        Ok(Entry::Sample { timestamp, value: SampleValue::Float(value) })
    }

    /// An exemplar, of which ` # {` is consumed.
    fn read_exemplar(&mut self, start: usize) -> Result<(), ParseError> {
        self.exemplar_labels.begin();
        label_pairs(&mut self.cursor, &mut self.exemplar_labels, start, true)?;
        let value = self.float_value("exemplar labels", start)?;
        let timestamp = self.timestamp("exemplar timestamp", start)?;
        self.line_end("expected next entry after exemplar timestamp", start)?;
        let body = self.cursor.body;
        let pairs = self
            .exemplar_labels
            .labels
            .iter()
            .map(|&(name, value)| (text(&body[name.0..name.1]), unescape(text(&body[value.0..value.1]), true)));
        let labels = Labels::from_pairs(pairs);
        self.exemplar = Some(Exemplar { labels, value, timestamp: timestamp.map(Timestamp) });
        Ok(())
    }

    /// One space and a number.
    fn float_value(&mut self, after: &str, start: usize) -> Result<f64, ParseError> {
        let begin = self.cursor.pos;
        let span = self.word();
        let Some(span) = span else {
            self.cursor.pos = begin;
            return Err(self.cursor.expected(&format!("expected value after {after}"), start));
        };
        parse_value(self.cursor.bytes(span)).ok_or_else(|| self.bad_number("value", span, start))
    }

    /// One space and seconds since the epoch, if there is such; in milliseconds.
    fn timestamp(&mut self, what: &str, start: usize) -> Result<Option<i64>, ParseError> {
        let begin = self.cursor.pos;
        let Some(span) = self.word() else {
            self.cursor.pos = begin;
            return Ok(None);
        };
        let seconds = parse_value(self.cursor.bytes(span)).ok_or_else(|| self.bad_number(what, span, start))?;
        if !seconds.is_finite() {
            return Err(self.bad_number(what, span, start));
        }
        Ok(Some((seconds * 1000.0) as i64))
    }

    /// One space and what follows up to the next space or line break.
    fn word(&mut self) -> Option<Span> {
        if !self.cursor.eat(b' ') {
            return None;
        }
        let span = self.cursor.until(|b| matches!(b, b' ' | b'\n' | 0));
        (span.0 < span.1).then_some(span)
    }

    fn line_end(&mut self, expectation: &str, start: usize) -> Result<(), ParseError> {
        match self.cursor.peek() {
            Some(b'\n') => {
                self.cursor.pos += 1;
                Ok(())
            }
            None => Err(self.cursor.error(NO_EOF.into())),
            Some(_) => Err(self.cursor.expected(expectation, start)),
        }
    }

    fn bad_number(&self, what: &str, span: Span, start: usize) -> ParseError {
        let number = text(self.cursor.bytes(span));
        self.cursor.error(format!("invalid {what} {number:?} while parsing: {:?}", self.cursor.line_of(start)))
    }

    /// Collects the `_created` lines between the family's metadata and the next.
    fn find_created(&self) -> HashMap<Vec<u8>, i64> {
        let mut found = HashMap::new();
        let mut ahead = OpenMetricsParser::new(self.cursor.body);
        ahead.cursor.pos = self.family_start;
        ahead.metric_type = self.metric_type;
        while let Ok(Some(Entry::Sample { value: SampleValue::Float(seconds), .. })) = ahead.advance() {
            let name = ahead.series.name.map(|span| ahead.cursor.bytes(span)).unwrap_or_default();
            if name.strip_suffix(b"_created") == Some(self.cursor.bytes(self.family)) && seconds.is_finite() {
                found.insert(created_key(&ahead), (seconds * 1000.0) as i64);
            }
        }
        found
    }
}

/// The labels that all series of one metric share: without bucket boundary and quantile.
fn created_key(parser: &OpenMetricsParser<'_>) -> Vec<u8> {
    let mut key = Vec::new();
    for &(name, value) in &parser.series.labels {
        let name = parser.cursor.bytes(name);
        let own = match parser.metric_type {
            MetricType::Histogram => name == b"le",
            MetricType::Summary => name == b"quantile",
            _ => false,
        };
        if !own {
            key.extend_from_slice(name);
            key.push(b'=');
            key.extend_from_slice(parser.cursor.bytes(value));
            key.push(0xff);
        }
    }
    key
}

/// The inside of the braces, of which the first is consumed.
fn label_pairs(
    cursor: &mut Cursor<'_>,
    series: &mut SeriesSpans,
    start: usize,
    is_exemplar: bool,
) -> Result<(), ParseError> {
    loop {
        if cursor.eat(b'}') {
            return Ok(());
        }
        let quoted = cursor.peek() == Some(b'"');
        let name = if quoted { cursor.quoted(!is_exemplar) } else { cursor.label_name() };
        let name = name.ok_or_else(|| cursor.expected("expected label name", start))?;
        if quoted && !is_exemplar && matches!(cursor.peek(), Some(b',' | b'}')) {
            series.set_name(name, cursor, start)?;
            cursor.eat(b',');
            continue;
        }
        if !cursor.eat(b'=') {
            return Err(cursor.expected("expected equal", start));
        }
        let value = cursor.quoted(false).ok_or_else(|| cursor.expected("expected label value", start))?;
        series.push_label(name, value, cursor)?;
        if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
            return Err(cursor.expected("expected comma or brace close", start));
        }
    }
}

fn openmetrics_type(word: &[u8]) -> Option<MetricType> {
    Some(match word {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::StateSet,
        b"unknown" => MetricType::Unknown,
        _ => return None,
    })
}

impl<'b> Exposition<'b> for OpenMetricsParser<'b> {
    fn advance(&mut self) -> Result<Option<Entry<'b>>, ParseError> {
        self.exemplar = None;
        let start = self.cursor.pos;
        match self.cursor.peek() {
            None => Err(self.cursor.error(NO_EOF.into())),
            Some(b'#') if self.cursor.eat_text("# ") => self.metadata(start),
            Some(b'{' | b'_' | b':' | b'a'..=b'z' | b'A'..=b'Z') => self.sample(start).map(Some),
            Some(_) => Err(self.cursor.expected("expected a valid start token", start)),
        }
    }

    fn key(&self) -> &[u8] {
        self.cursor.bytes(self.series.key)
    }

    fn labels(&self, out: &mut RawLabels) {
        self.series.write_labels(self.cursor.body, self.metric_type, out);
    }

    fn exemplar(&mut self) -> Option<Exemplar> {
        self.exemplar.take()
    }

    fn start_timestamp(&mut self) -> Option<i64> {
        let counts = matches!(self.metric_type, MetricType::Counter | MetricType::Histogram | MetricType::Summary);
        if !self.may_have_created || !counts {
            return None;
        }
        let name = self.cursor.bytes(self.series.name?);
        let suffix = name.strip_prefix(self.cursor.bytes(self.family))?;
        if !matches!(suffix, b"" | b"_total" | b"_bucket" | b"_count" | b"_sum") {
            return None;
        }
        if self.created.is_none() {
            self.created = Some(self.find_created());
        }
        self.created.as_ref()?.get(&created_key(self)).copied()
    }
}
