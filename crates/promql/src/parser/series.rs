//! The series notation of tests: a metric followed by its values, `up{job="x"} 1+2x3 _ stale {{schema:0 count:1}}`.
//! Prometheus describes it under "Unit testing for rules", "Series".

use std::sync::Arc;

use model::{BucketSpan, CounterResetHint, FloatHistogram, Labels, stale_nan};

use super::text::parse_number;
use super::{ParseError, ParseErrors, parse_metric};
use crate::ast::Span;

/// A series may spell out at most so many values: `1x99999999` is a typing error, not a test.
const MAX_VALUES: usize = 1_000_000;

/// One value of a series description.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceValue {
    /// `_`: no sample.
    Omitted,
    /// A number, or `stale`.
    Float(f64),
    /// `{{...}}`
    Histogram {
        /// The histogram.
        value: Arc<FloatHistogram>,
        /// True where `counter_reset_hint` was written.
        hint_set: bool,
    },
}

/// A metric and its values, one for each step.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesDescription {
    /// Labels with the metric name.
    pub labels: Labels,
    /// Values from the first step on.
    pub values: Vec<SequenceValue>,
}

pub(super) fn parse(text: &str) -> Result<SeriesDescription, ParseErrors> {
    let end = metric_end(text);
    let labels = parse_metric(&text[..end])?;
    let mut scanner = Scanner { text, pos: end };
    let values = scanner.values().map_err(|message| ParseErrors {
        errors: vec![ParseError { span: Span::new(scanner.pos, text.len()), message }],
        query: text.to_owned(),
    })?;
    Ok(SeriesDescription { labels, values })
}

pub(super) fn split_metric(text: &str) -> Result<(Labels, &str), ParseErrors> {
    let end = metric_end(text);
    Ok((parse_metric(&text[..end])?, &text[end..]))
}

/// Where the metric ends: after the closing brace, or after the name where no brace follows at once.
fn metric_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = bytes.iter().take_while(|b| b.is_ascii_whitespace()).count();
    at += bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':')).count();
    if bytes.get(at) != Some(&b'{') {
        return at;
    }
    let mut quote = None;
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            None if byte == b'}' => return at + 1,
            None if matches!(byte, b'"' | b'\'' | b'`') => quote = Some(byte),
            Some(open) if byte == open => quote = None,
            Some(open) if byte == b'\\' && open != b'`' => at += 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

struct Scanner<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    fn skip_spaces(&mut self) -> bool {
        let start = self.pos;
        self.take_while(|c| c.is_ascii_whitespace());
        self.pos > start
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.pos += length;
        &rest[..length]
    }

    fn unexpected(&self, expected: &str) -> String {
        let word: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(20).collect();
        let found = if word.is_empty() { "end of value".to_owned() } else { model::float::go_quote(&word) };
        format!("unexpected {found} in series values, expected {expected}")
    }

    fn values(&mut self) -> Result<Vec<SequenceValue>, String> {
        let mut values = Vec::new();
        loop {
            let spaced = self.skip_spaces();
            if self.rest().is_empty() {
                return Ok(values);
            }
            if !spaced {
                return Err(self.unexpected("a space"));
            }
            self.item(&mut values)?;
        }
    }

    fn item(&mut self, values: &mut Vec<SequenceValue>) -> Result<(), String> {
        if self.eat("{{") {
            return self.histogram_item(values);
        }
        if self.eat("_") {
            let count = if self.eat("x") { self.repetitions(values.len())? } else { 1 };
            values.extend(std::iter::repeat_n(SequenceValue::Omitted, count));
            return Ok(());
        }
        let mut value = self.float()?;
        let step = if self.rest().starts_with(['+', '-']) { Some(self.float()?) } else { None };
        if !self.eat("x") {
            if step.is_some() {
                return Err(self.unexpected("x and a number of repetitions"));
            }
            values.push(SequenceValue::Float(value));
            return Ok(());
        }
        for _ in 0..=self.repetitions(values.len())? {
            values.push(SequenceValue::Float(value));
            value += step.unwrap_or(0.0);
        }
        Ok(())
    }

    fn repetitions(&mut self, already: usize) -> Result<usize, String> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        let count: usize = digits.parse().map_err(|_| format!("invalid repetition in series values: {digits:?}"))?;
        if already + count.min(MAX_VALUES) >= MAX_VALUES {
            return Err(format!("a series can have at most {MAX_VALUES} values"));
        }
        Ok(count)
    }

    /// A number with an optional sign, `Inf`, `NaN` or `stale`. Hexadecimal numbers are not read: `0x5` repeats 0.
    fn float(&mut self) -> Result<f64, String> {
        let negative = self.rest().starts_with('-');
        let signed = negative || self.rest().starts_with('+');
        self.pos += usize::from(signed);
        if !signed && self.eat("stale") {
            return Ok(stale_nan());
        }
        let start = self.pos;
        for special in ["inf", "nan"] {
            if self.rest().get(..3).is_some_and(|word| word.eq_ignore_ascii_case(special)) {
                self.pos += 3;
            }
        }
        if self.pos == start {
            self.take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '_'));
            if self.rest().starts_with(['e', 'E']) {
                self.pos += 1;
                self.pos += usize::from(self.rest().starts_with(['+', '-']));
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        if self.pos == start {
            return Err(self.unexpected("number or \"stale\""));
        }
        let value = parse_number(&self.text[start..self.pos])?;
        Ok(if negative { -value } else { value })
    }

    fn histogram_item(&mut self, values: &mut Vec<SequenceValue>) -> Result<(), String> {
        let (base, mut hint_set) = self.histogram()?;
        let mut step = None;
        let subtract = self.rest().starts_with("-{{");
        if self.eat("+{{") || self.eat("-{{") {
            let (value, set) = self.histogram()?;
            hint_set = set;
            step = Some(value);
        }
        let mut value = Arc::new(base);
        if !self.eat("x") {
            if step.is_some() {
                return Err(self.unexpected("x and a number of repetitions"));
            }
            values.push(SequenceValue::Histogram { value, hint_set });
            return Ok(());
        }
        let count = self.repetitions(values.len())?;
        for i in 0..=count {
            values.push(SequenceValue::Histogram { value: Arc::clone(&value), hint_set });
            if let (Some(step), true) = (&step, i < count) {
                value = Arc::new(combine(&value, step, subtract)?);
            }
        }
        Ok(())
    }

    /// The inside of `{{...}}`, the opening braces already read; also tells whether a reset hint was written.
    fn histogram(&mut self) -> Result<(FloatHistogram, bool), String> {
        let mut parts = Parts::default();
        let mut seen: Vec<&str> = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat("}}") {
                return Ok((parts.build(), seen.contains(&"counter_reset_hint")));
            }
            let key = self.take_while(|c| c.is_ascii_alphabetic() || c == '_');
            if !self.eat(":") {
                return Err(format!(
                    "bad histogram descriptor found: {:?}",
                    if key.is_empty() { self.rest() } else { key }
                ));
            }
            if seen.contains(&key) {
                return Err(format!("duplicate key {key:?} in histogram"));
            }
            seen.push(key);
            self.histogram_part(key, &mut parts)?;
        }
    }

    fn histogram_part(&mut self, key: &str, parts: &mut Parts) -> Result<(), String> {
        let h = &mut parts.histogram;
        match key {
            "schema" => h.schema = self.integer()?,
            "offset" => parts.offset = self.integer()?,
            "n_offset" => parts.negative_offset = self.integer()?,
            "sum" => h.sum = self.float()?,
            "count" => h.count = self.float()?,
            "z_bucket" => h.zero_count = self.float()?,
            "z_bucket_w" => h.zero_threshold = self.float()?,
            "custom_values" => h.custom_values = self.list()?,
            "buckets" => h.positive_buckets = self.list()?,
            "n_buckets" => h.negative_buckets = self.list()?,
            "counter_reset_hint" => {
                let hint = self.take_while(|c| c.is_ascii_alphabetic() || c == '_');
                h.counter_reset_hint = match hint {
                    "unknown" => CounterResetHint::Unknown,
                    "reset" => CounterResetHint::CounterReset,
                    "not_reset" => CounterResetHint::NotCounterReset,
                    "gauge" => CounterResetHint::Gauge,
                    _ => return Err(format!("error parsing counter_reset_hint: unknown value {hint:?}")),
                };
            }
            _ => return Err(format!("bad histogram descriptor found: {key:?}")),
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<i32, String> {
        let start = self.pos;
        self.pos += usize::from(self.rest().starts_with('-'));
        self.take_while(|c| c.is_ascii_digit());
        let digits = &self.text[start..self.pos];
        digits.parse().map_err(|_| format!("error parsing integer in histogram: {digits:?}"))
    }

    fn list(&mut self) -> Result<Vec<f64>, String> {
        if !self.eat("[") {
            return Err(self.unexpected("["));
        }
        let mut list = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat("]") {
                return Ok(list);
            }
            list.push(self.float()?);
        }
    }
}

#[derive(Default)]
struct Parts {
    histogram: FloatHistogram,
    offset: i32,
    negative_offset: i32,
}

impl Parts {
    fn build(self) -> FloatHistogram {
        let mut h = self.histogram;
        h.positive_spans = one_span(self.offset, h.positive_buckets.len());
        h.negative_spans = one_span(self.negative_offset, h.negative_buckets.len());
        h
    }
}

fn one_span(offset: i32, buckets: usize) -> Vec<BucketSpan> {
    if buckets == 0 { Vec::new() } else { vec![BucketSpan { offset, length: buckets as u32 }] }
}

/// The next histogram of `a+bxN` or `a-bxN`.
fn combine(value: &FloatHistogram, step: &FloatHistogram, subtract: bool) -> Result<FloatHistogram, String> {
    if value.schema > step.schema {
        let (from, to) = (step.schema, value.schema);
        return Err(format!("error combining histograms: cannot merge from schema {from} to {to}"));
    }
    let mut out = value.clone();
    let done = if subtract { out.sub(step) } else { out.add(step) };
    done.map(|_| out).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<Option<f64>> {
        let described = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let float = |v: &SequenceValue| match v {
            SequenceValue::Float(f) => Some(*f),
            _ => None,
        };
        described.values.iter().map(float).collect()
    }

    #[test]
    fn floats_and_repetitions() {
        assert_eq!(floats("m 1 2.5 -3"), [Some(1.0), Some(2.5), Some(-3.0)]);
        assert_eq!(floats("m 1+2x2 _ _x2 5"), [Some(1.0), Some(3.0), Some(5.0), None, None, None, Some(5.0)]);
        assert_eq!(floats("m 4-2x2 0x1"), [Some(4.0), Some(2.0), Some(0.0), Some(0.0), Some(0.0)]);
        assert_eq!(
            floats("m 1e3 1e-1+1x1 Inf -Inf"),
            [Some(1000.0), Some(0.1), Some(1.1), Some(f64::INFINITY), Some(f64::NEG_INFINITY)]
        );
        let stale = floats("{a=\"} b\"} stale")[0].expect("a float");
        assert!(model::is_stale(stale));
        assert_eq!(floats("m{}"), []);
    }

    #[test]
    fn histograms() {
        let text = "{} {{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7 ] offset:-3 n_buckets:[4.1 5] n_offset:-5 counter_reset_hint:gauge}} {{}}x1";
        let described = parse(text).expect("it is valid");
        assert_eq!(described.values.len(), 3);
        let SequenceValue::Histogram { value, hint_set: true } = &described.values[0] else { panic!("a histogram") };
        assert_eq!(value.positive_spans, [BucketSpan { offset: -3, length: 3 }]);
        assert_eq!(value.negative_buckets, [4.1, 5.0]);
        assert_eq!(value.counter_reset_hint, CounterResetHint::Gauge);
    }

    #[test]
    fn histograms_are_added() {
        let described =
            parse("m {{sum:1 count:2 buckets:[1 1]}}+{{schema:1 sum:2 count:3 buckets:[1 1 1] offset:3}}x2")
                .expect("it is valid");
        let SequenceValue::Histogram { value, .. } = &described.values[2] else { panic!("a histogram") };
        assert_eq!((value.sum, value.count), (5.0, 8.0));
        assert_eq!(value.positive_buckets, [1.0, 1.0, 4.0, 2.0]);
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("m 1x", "invalid repetition"),
            ("m abc", "expected number or \"stale\""),
            ("m 1+1", "expected x"),
            ("m {{sum:1 sum:2}}", "duplicate key \"sum\""),
            ("m {{foo:1}}", "bad histogram descriptor"),
            ("m {{sum:1", "bad histogram descriptor"),
            ("m 1x9999999999", "at most"),
            ("m{", "unexpected end of input inside braces"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(fault), "{text}: {message}");
        }
    }
}
