//! InfluxDB's line protocol: `measurement[,tag=value...] field=value[,field=value...] [timestamp]`.
//!
//! Where lines end, what is quoted and what is refused follows InfluxDB 1.8 (`models/points.go`), down to the words of its
//! errors; how escapes are undone and that an empty tag is no tag follows VictoriaMetrics, whose series names are ours.

use std::borrow::Cow;

use thiserror::Error;

/// Why a line is refused, in InfluxDB's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum LineFault {
    #[error("missing measurement")]
    Measurement,
    #[error("missing tag value")]
    TagValue,
    #[error("missing fields")]
    Fields,
    #[error("missing field key")]
    FieldKey,
    #[error("missing field value")]
    FieldValue,
    #[error("unbalanced quotes")]
    Quotes,
    #[error("invalid boolean")]
    Boolean,
    #[error("invalid number")]
    Number,
    #[error("bad timestamp")]
    Timestamp,
    #[error("invalid UTF-8")]
    Utf8,
}

/// A line, taken apart as far as is needed to store it. Names are as they stand in the line, escapes and all.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line<'a> {
    /// Measurement and tags.
    pub(super) key: &'a str,
    pub(super) fields: Vec<(&'a str, FieldValue<'a>)>,
    /// In the unit of the request.
    pub(super) timestamp: Option<i64>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FieldValue<'a> {
    Number(f64),
    /// Without the quotes.
    Text(&'a str),
}

/// Cuts a body into lines. A line ends at a line feed outside of a quoted field value; where a quote is never closed, at
/// the next line feed, so that one bad line takes no other with it.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Lines { rest: body }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = end_of_line(self.rest);
            let (line, after) = self.rest.split_at(end);
            self.rest = after.get(1..).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = &line[line.iter().take_while(|b| matches!(b, b' ' | b'\t' | 0)).count()..];
            if !line.is_empty() && line[0] != b'#' {
                return Some(line);
            }
        }
    }
}

/// InfluxDB's `scanLine`: quotes count behind the `=` of a field only.
fn end_of_line(text: &[u8]) -> usize {
    let (mut in_fields, mut quoted, mut equals, mut commas) = (false, false, 0, 0);
    let mut first_feed = None;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if at + 2 < text.len() => at += 1,
            b' ' => in_fields = true,
            b'=' if in_fields && !quoted => equals += 1,
            b',' if in_fields && !quoted => commas += 1,
            b'"' if in_fields && equals > commas => quoted = !quoted,
            b'\n' if !quoted => return at,
            b'\n' if first_feed.is_none() => first_feed = Some(at),
            _ => {}
        }
        at += 1;
    }
    first_feed.filter(|_| quoted).unwrap_or(text.len())
}

/// Reads one line.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, LineFault> {
    let line = std::str::from_utf8(line).map_err(|_| LineFault::Utf8)?;
    let key_end = find(line, b' ').ok_or(LineFault::Fields)?;
    let (key, rest) = (&line[..key_end], line[key_end..].trim_start_matches(' '));
    let (measurement, tags) = split_key(key);
    if measurement.is_empty() {
        return Err(LineFault::Measurement);
    }
    if tags.is_some_and(|tags| split(tags, b',').any(|tag| find(tag, b'=').is_none())) {
        return Err(LineFault::TagValue);
    }
    if rest.is_empty() {
        return Err(LineFault::Fields);
    }
    let fields_end = find_unquoted(rest, b' ')?.unwrap_or(rest.len());
    let (mut fields_text, time) = (&rest[..fields_end], rest[fields_end..].trim_matches([' ', '\t']));
    let mut fields = Vec::new();
    loop {
        let end = find_unquoted(fields_text, b',')?;
        fields.push(field(&fields_text[..end.unwrap_or(fields_text.len())])?);
        let Some(end) = end else { break };
        fields_text = &fields_text[end + 1..];
    }
    let timestamp = match time {
        "" => None,
        _ => Some(time.parse().map_err(|_| LineFault::Timestamp)?),
    };
    Ok(Line { key, fields, timestamp })
}

/// The measurement, and what follows its comma.
pub(super) fn split_key(key: &str) -> (&str, Option<&str>) {
    match find(key, b',') {
        Some(at) => (&key[..at], Some(&key[at + 1..])),
        None => (key, None),
    }
}

/// Names and values of tags, unescaped; those without a name or a value are none.
pub(super) fn tags(text: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    split(text, b',').filter_map(|tag| {
        let at = find(tag, b'=')?;
        let (name, value) = (unescape(&tag[..at]), unescape(&tag[at + 1..]));
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    })
}

/// Undoes `\,`, `\ `, `\=` and `\\`; any other backslash stands for itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(escaped @ (' ' | ',' | '=' | '\\')) => out.push(escaped),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    Cow::Owned(out)
}

fn field(text: &str) -> Result<(&str, FieldValue<'_>), LineFault> {
    let at = find(text, b'=').ok_or(LineFault::FieldValue)?;
    let (name, value) = (&text[..at], &text[at + 1..]);
    if name.is_empty() {
        return Err(LineFault::FieldKey);
    }
    Ok((name, field_value(value)?))
}

fn field_value(text: &str) -> Result<FieldValue<'_>, LineFault> {
    let number = |value: Option<f64>| value.map(FieldValue::Number).ok_or(LineFault::Number);
    match text {
        "" => return Err(LineFault::FieldValue),
        "t" | "T" | "true" | "True" | "TRUE" => return Ok(FieldValue::Number(1.0)),
        "f" | "F" | "false" | "False" | "FALSE" => return Ok(FieldValue::Number(0.0)),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix('"') {
        return rest.strip_suffix('"').map(FieldValue::Text).ok_or(LineFault::Quotes);
    }
    let starts_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'));
    if !starts_number {
        let starts_boolean = text.starts_with(['t', 'T', 'f', 'F']);
        return Err(if starts_boolean { LineFault::Boolean } else { LineFault::Number });
    }
    if let Some(digits) = text.strip_suffix('i') {
        return number(digits.parse::<i64>().ok().map(|v| v as f64));
    }
    if let Some(digits) = text.strip_suffix('u') {
        return number(digits.parse::<u64>().ok().map(|v| v as f64));
    }
    let is_decimal = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
    let value = text.parse::<f64>().ok().filter(|v| text.chars().all(is_decimal) && v.is_finite());
    number(value)
}

/// The first `wanted` that no odd number of backslashes stands before.
fn find(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == wanted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The same outside of quotes.
fn find_unquoted(text: &str, wanted: u8) -> Result<Option<usize>, LineFault> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => quoted = !quoted,
            byte if byte == wanted && !quoted => return Ok(Some(at)),
            _ => {}
        }
        at += 1;
    }
    if quoted { Err(LineFault::Quotes) } else { Ok(None) }
}

fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = find(text, separator);
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(value: f64) -> FieldValue<'static> {
        FieldValue::Number(value)
    }

    #[test]
    fn good_lines() {
        let line = parse(br#"cpu\,x,host=a\ b,k\=ey=v value=1.5,n=-2i,u=3u,b=t,s="a, \" b=c",q="" 17"#).unwrap();
        assert_eq!(line.key, r"cpu\,x,host=a\ b,k\=ey=v");
        assert_eq!(line.timestamp, Some(17));
        let text = FieldValue::Text;
        assert_eq!(
            line.fields,
            [
                ("value", number(1.5)),
                ("n", number(-2.0)),
                ("u", number(3.0)),
                ("b", number(1.0)),
                ("s", text(r#"a, \" b=c"#)),
                ("q", text("")),
            ]
        );
        let (measurement, rest) = split_key(line.key);
        assert_eq!(unescape(measurement), "cpu,x");
        let tags: Vec<(Cow<str>, Cow<str>)> = tags(rest.unwrap()).collect();
        assert_eq!(tags, [("host".into(), "a b".into()), ("k=ey".into(), "v".into())]);
        assert_eq!(parse(b"m f=1e5").unwrap().fields, [("f", number(1e5))]);
        assert_eq!(parse(b"m   f=.5   -3  ").unwrap().timestamp, Some(-3));
        assert_eq!(parse(b"m,x= f=1").unwrap().key, "m,x=");
    }

    #[test]
    fn bad_lines() {
        for (line, fault) in [
            ("cpu", LineFault::Fields),
            ("cpu ", LineFault::Fields),
            (",a=b f=1", LineFault::Measurement),
            ("cpu,a f=1", LineFault::TagValue),
            ("cpu =1", LineFault::FieldKey),
            ("cpu f", LineFault::FieldValue),
            ("cpu f=", LineFault::FieldValue),
            ("cpu f=1,", LineFault::FieldValue),
            ("cpu f=abc", LineFault::Number),
            ("cpu f=1x", LineFault::Number),
            ("cpu f=inf", LineFault::Number),
            ("cpu f=NaN", LineFault::Number),
            ("cpu f=1e999", LineFault::Number),
            ("cpu f=9223372036854775808i", LineFault::Number),
            ("cpu f=-1u", LineFault::Number),
            ("cpu f=tru", LineFault::Boolean),
            ("cpu f=\"abc", LineFault::Quotes),
            ("cpu f=1 x", LineFault::Timestamp),
            ("cpu f=1 1 2", LineFault::Timestamp),
            ("cpu f=1 9223372036854775808", LineFault::Timestamp),
        ] {
            assert_eq!(parse(line.as_bytes()), Err(fault), "{line}");
        }
        assert_eq!(parse(b"cpu\xff f=1"), Err(LineFault::Utf8));
    }

    #[test]
    fn lines_end_outside_of_quotes() {
        let lines = |body: &'static str| -> Vec<&str> {
            Lines::new(body.as_bytes()).map(|l| std::str::from_utf8(l).unwrap()).collect()
        };
        assert_eq!(lines("a f=1\r\n\n# x\n  b f=2"), ["a f=1", "b f=2"]);
        assert_eq!(lines("a f=\"x\ny\"\nb f=2\n"), ["a f=\"x\ny\"", "b f=2"]);
        assert_eq!(lines("a f=\"x\nb f=2\nc f=3"), ["a f=\"x", "b f=2", "c f=3"]);
        assert_eq!(lines("a\"b f=1\nc f=2"), ["a\"b f=1", "c f=2"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn escapes() {
        for (text, plain) in [(r"a\ b\,c\=d", "a b,c=d"), (r"a\\b\n", r"a\b\n"), ("a\\", "a\\"), ("é\\ x", "é x")] {
            assert_eq!(unescape(text), plain);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(17), ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_or_refused(body in "[a-c=, \"\\\\\n0-9.ietu#]{0,80}") {
            for line in Lines::new(body.as_bytes()) {
                if let Ok(line) = parse(line) {
                    let (measurement, rest) = split_key(line.key);
                    prop_assert!(!measurement.is_empty() && !line.fields.is_empty());
                    let _ = tags(rest.unwrap_or("")).count();
                }
            }
        }

        #[test]
        fn what_is_written_is_read(
            measurement in "[a-z ,=é]{1,10}",
            tag in ("[a-z ,=]{1,5}", "[a-z ,=\u{1f600}]{1,5}"),
            value: f64,
            time: i64,
        ) {
            prop_assume!(value.is_finite());
            let escape = |text: &str| text.replace(',', r"\,").replace(' ', r"\ ").replace('=', r"\=");
            let (name, tag_value) = (&tag.0, &tag.1);
            let text = format!("{},{}={} f={value:e} {time}", escape(&measurement), escape(name), escape(tag_value));
            // A line that begins with white space or # is another line.
            prop_assume!(!measurement.starts_with(' '));
            let lines: Vec<&[u8]> = Lines::new(text.as_bytes()).collect();
            prop_assert_eq!(lines.len(), 1);
            let line = parse(lines[0]).unwrap();
            prop_assert_eq!(line.timestamp, Some(time));
            prop_assert_eq!(&line.fields, &[("f", FieldValue::Number(value))]);
            let (raw, rest) = split_key(line.key);
            prop_assert_eq!(unescape(raw), measurement);
            let found: Vec<(Cow<str>, Cow<str>)> = tags(rest.unwrap()).collect();
            prop_assert_eq!(&found[0].0, name);
            prop_assert_eq!(&found[0].1, tag_value);
        }
    }
}
