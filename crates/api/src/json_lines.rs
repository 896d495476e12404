//! Lines of JSON as log entries, for the doors that take them: the object stays the line, byte for byte, and gives its time and
//! the labels of its stream.
//!
//! Parameters are VictoriaLogs': `_time_field`, `_stream_fields`, `_msg_field`, `extra_fields`; each may come as a header, too
//! (`VL-Time-Field` and so on).

use std::borrow::Cow;
use std::ops::ControlFlow;

use http::HeaderMap;
use logfields::{JsonError, JsonKind, JsonValue, json_object, string_text};

use crate::log_intake::admission::{Admission, metadata_name};
use crate::params::Params;

/// Where the time is looked for, the first that is there.
const TIME_FIELDS: [&str; 6] = ["@timestamp", "_time", "timestamp", "time", "ts", "date"];
/// Fields that become labels where the request names none: those by which streams of services are told apart. Nested ones by their
/// path.
const STREAM_FIELDS: [&str; 12] = [
    "service_name",
    "service.name",
    "service",
    "app",
    "application",
    "job",
    "container",
    "container.name",
    "kubernetes.container.name",
    "kubernetes.namespace",
    "environment",
    "host.name",
];
/// Objects within objects that are looked into.
const MAX_DEPTH: usize = 4;

/// How entries are read.
pub(crate) struct Reading {
    time_fields: Vec<String>,
    stream_fields: Vec<String>,
    /// The field that becomes the line, where the whole object is not to be it.
    message_field: Option<String>,
    /// Labels of all streams.
    extra: Vec<(String, String)>,
}

/// What a line gives.
struct Found<'a> {
    time: Option<i64>,
    bad_time: Option<String>,
    labels: Vec<(String, String)>,
    message: Option<Cow<'a, str>>,
}

impl Reading {
    /// As the parameters and headers of a request say; `extra` are labels of the door.
    pub(crate) fn new(params: &Params, headers: &HeaderMap, extra: Vec<(String, String)>) -> Self {
        let given = |name: &str, header: &str| {
            let text = match params.get(name) {
                "" => headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or(""),
                text => text,
            };
            text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let or = |given: Vec<String>, default: &[&str]| match given.is_empty() {
            true => default.iter().map(|name| (*name).to_owned()).collect(),
            false => given,
        };
        let named = given("extra_fields", "vl-extra-fields");
        let named = named.iter().filter_map(|pair| pair.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()));
        Reading {
            time_fields: or(given("_time_field", "vl-time-field"), &TIME_FIELDS),
            stream_fields: or(given("_stream_fields", "vl-stream-fields"), &STREAM_FIELDS),
            message_field: given("_msg_field", "vl-msg-field").into_iter().next(),
            extra: extra.into_iter().chain(named).collect(),
        }
    }

    /// Admits a line; the error says what is wrong with it. A line without a time gets the present.
    pub(crate) fn admit(&self, line: &[u8], admission: &mut Admission<'_>) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?.trim();
        let mut found = Found { time: None, bad_time: None, labels: self.extra.clone(), message: None };
        let mut ranks = (usize::MAX, usize::MAX);
        self.walk(text, &mut String::new(), 0, &mut found, &mut ranks).map_err(|error| error.to_string())?;
        // What follows the object would be lost on the way.
        if !text.ends_with('}') {
            return Err("a line must be one JSON object".to_owned());
        }
        if let (None, Some(bad)) = (found.time, found.bad_time) {
            return Err(bad);
        }
        let time = found.time.unwrap_or_else(|| admission.arrival());
        let labels: Vec<(&str, &str)> = found.labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let line = found.message.as_deref().map_or(line, str::as_bytes);
        match admission.stream_of(&labels) {
            Some(mut stream) => admission.entry(&mut stream, time, line, &[]),
            None => admission.lost(line.len()),
        }
        Ok(())
    }

    /// `ranks` are the places of the time and message found so far among the names.
    fn walk<'t>(
        &self,
        text: &'t str,
        path: &mut String,
        depth: usize,
        found: &mut Found<'t>,
        ranks: &mut (usize, usize),
    ) -> Result<(), JsonError> {
        json_object::<JsonError>(text, |key, value| {
            let outer = path.len();
            if outer > 0 {
                path.push('.');
            }
            path.push_str(key);
            // The text of a value is part of the line.
            let value = JsonValue { raw: within(text, value.raw), ..value };
            if value.kind == JsonKind::Object && depth < MAX_DEPTH {
                self.walk(value.raw, path, depth + 1, found, ranks)?;
            } else {
                self.field(path, value, found, ranks);
            }
            path.truncate(outer);
            Ok(ControlFlow::Continue(()))
        })
        .map(drop)
    }

    fn field<'t>(&self, path: &str, value: JsonValue<'t>, found: &mut Found<'t>, ranks: &mut (usize, usize)) {
        if let Some(rank) = self.time_fields.iter().position(|name| name == path)
            && rank < ranks.0
        {
            match time(value) {
                Ok(Some(time)) => {
                    found.time = Some(time);
                    ranks.0 = rank;
                }
                Ok(None) => {}
                Err(reason) => _ = found.bad_time.get_or_insert(format!("{path}: {reason}")),
            }
        }
        let is_text = matches!(value.kind, JsonKind::String | JsonKind::Number | JsonKind::Boolean);
        if is_text && self.stream_fields.iter().any(|name| name == path) {
            let name = metadata_name(path).into_owned();
            let mut buffer = String::new();
            let text = string_text(value, false, &mut buffer).to_owned();
            match found.labels.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = text,
                None => found.labels.push((name, text)),
            }
        }
        if is_text && self.message_field.as_deref() == Some(path) {
            let mut buffer = String::new();
            found.message = Some(Cow::Owned(string_text(value, false, &mut buffer).to_owned()));
        }
    }
}

/// The part of `outer` that `inner` is: it stands within.
fn within<'t>(outer: &'t str, inner: &str) -> &'t str {
    let offset = (inner.as_ptr() as usize).wrapping_sub(outer.as_ptr() as usize);
    outer.get(offset..offset + inner.len()).unwrap_or_default()
}

/// A time in nanoseconds; `None` for null and the empty text.
fn time(value: JsonValue<'_>) -> Result<Option<i64>, String> {
    let mut buffer = String::new();
    match value.kind {
        JsonKind::Null => Ok(None),
        JsonKind::String | JsonKind::Number => {
            let text = string_text(value, false, &mut buffer).trim().to_owned();
            if text.is_empty() {
                return Ok(None);
            }
            time_of(&text).map(Some).ok_or_else(|| format!("{text:?} is not a time: expected RFC 3339 or a Unix time"))
        }
        _ => Err("a time must be a string or a number".to_owned()),
    }
}

/// Nanoseconds from RFC 3339, from what Elasticsearch takes for a date, or from a Unix time in seconds, milliseconds, microseconds
/// or nanoseconds, which its size tells.
pub(crate) fn time_of(text: &str) -> Option<i64> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return time.timestamp_nanos_opt();
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S,%f"] {
        if let Ok(time) = chrono::NaiveDateTime::parse_from_str(text, form) {
            return time.and_utc().timestamp_nanos_opt();
        }
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"] {
        if let Ok(time) = chrono::DateTime::parse_from_str(text, form) {
            return time.timestamp_nanos_opt();
        }
    }
    if let Ok(whole) = text.parse::<i64>() {
        let factor = match whole.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        };
        return whole.checked_mul(factor);
    }
    let seconds: f64 = text.parse().ok()?;
    let (seconds, scale) = if seconds.abs() < 1e11 { (seconds, 1e9) } else { (seconds, 1e6) };
    // Added as whole numbers: their sum has more digits than a float.
    let (whole, part) = (seconds.trunc() * scale, (seconds.fract() * scale).round());
    if whole.abs() < 9.2e18 { (whole as i64).checked_add(part as i64) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_kinds() {
        for (text, time) in [
            ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
            ("2023-11-14T23:13:20.5+01:00", 1_700_000_000_500_000_000),
            ("2023-11-14T22:13:20.123", 1_700_000_000_123_000_000),
            ("2023-11-14 22:13:20", 1_700_000_000_000_000_000),
            ("2023-11-14T22:13:20+0000", 1_700_000_000_000_000_000),
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000123", 1_700_000_000_123_000_000),
            ("1700000000123456", 1_700_000_000_123_456_000),
            ("1700000000123456789", 1_700_000_000_123_456_789),
            ("1700000000.25", 1_700_000_000_250_000_000),
        ] {
            assert_eq!(time_of(text), Some(time), "{text}");
        }
        for bad in ["", "now", "2023", "NaN", "1e300", "14/Nov/2023"] {
            assert!(time_of(bad).is_none_or(|time| bad == "2023" && time == 2_023_000_000_000), "{bad}");
        }
    }
}
