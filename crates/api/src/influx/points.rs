//! Lines as samples, stored in portions.

use std::borrow::Cow;
use std::fmt::Write;

use model::{AppendError, Labels, LabelsBuilder, METRIC_NAME, RejectReason, Sample, Tenant, Timestamp};

use super::PROTOCOL;
use super::line::{self, FieldValue, Line, Lines};
use crate::ingest::cache::SeriesKey;
use crate::ingest::rows::IntakeRow;
use crate::state::Api;

/// Samples that are decoded before they are stored.
const PORTION: usize = 20_000;
/// Faults that an answer spells out.
const MAX_EXAMPLES: usize = 10;
/// Longest line that an answer quotes, in characters.
const MAX_QUOTED: usize = 200;
/// The label that names the database.
const DATABASE: &str = "db";

/// The unit of timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Nobody said. Nanoseconds by the protocol; numbers too small for that are taken as what they must be, as
    /// VictoriaMetrics does: no nanoseconds of this century have fewer than 18 digits.
    Guess,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

/// What the parameters say.
pub(super) struct Database<'a> {
    /// Empty for none.
    pub(super) name: &'a str,
    pub(super) precision: Precision,
}

/// What became of a request.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Samples that were stored.
    pub(super) written: u64,
    /// Lines that cannot be read.
    bad_lines: u64,
    /// Samples that the store refused.
    rejected: u64,
    examples: Vec<String>,
    /// The limit of series was met.
    pub(super) met_limit: bool,
    /// Why the rest was not stored.
    pub(super) failure: Option<AppendError>,
}

impl Outcome {
    /// What was not stored, in the form of InfluxDB's errors; `None` where everything was.
    pub(super) fn describe(&self) -> Option<String> {
        let dropped = self.bad_lines + self.rejected;
        if dropped == 0 {
            return None;
        }
        let mut reasons = self.examples.join("\n");
        if dropped > self.examples.len() as u64 {
            // Writing to a string cannot fail.
            let _ = write!(reasons, "\nand {} more", dropped - self.examples.len() as u64);
        }
        let only_bad_lines = self.written == 0 && self.rejected == 0;
        Some(if only_bad_lines { reasons } else { format!("partial write: {reasons} dropped={dropped}") })
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(text());
        }
    }
}

impl Precision {
    /// Reads the parameter; the names of both versions are understood by both.
    pub(super) fn of(text: &str) -> Option<Precision> {
        Some(match text {
            "" => Precision::Guess,
            "n" | "ns" => Precision::Nanoseconds,
            "u" | "us" | "\u{b5}" => Precision::Microseconds,
            "ms" => Precision::Milliseconds,
            "s" => Precision::Seconds,
            "m" => Precision::Minutes,
            "h" => Precision::Hours,
            _ => return None,
        })
    }

    fn to_ms(self, time: i64) -> i64 {
        match self {
            Precision::Nanoseconds => time / 1_000_000,
            Precision::Microseconds => time / 1000,
            Precision::Milliseconds => time,
            Precision::Seconds => time.saturating_mul(1000),
            Precision::Minutes => time.saturating_mul(60_000),
            Precision::Hours => time.saturating_mul(3_600_000),
            Precision::Guess => match time.unsigned_abs() {
                100_000_000_000_000_000.. => time / 1_000_000,
                100_000_000_000_000.. => time / 1000,
                100_000_000_000.. => time,
                _ => time.saturating_mul(1000),
            },
        }
    }
}

/// Decoded samples with what names their series.
#[derive(Default)]
struct Portion<'a> {
    rows: Vec<IntakeRow>,
    /// Key section and field of each row.
    names: Vec<(&'a str, &'a str)>,
}

/// Stores all lines of a body that can be read.
pub(super) async fn store(api: &Api, tenant: &Tenant, database: &Database<'_>, body: &[u8], outcome: &mut Outcome) {
    let now = api.parts.clock.now();
    let mut lines = Lines::new(body);
    loop {
        let portion = decode(api, database, now, &mut lines, outcome);
        if portion.rows.is_empty() {
            return;
        }
        let labels = |row: usize| labels_of(database.name, portion.names[row].0, portion.names[row].1);
        let stored = api.intake.append(tenant, portion.rows, Vec::new(), labels).await;
        api.pushes.count(PROTOCOL, &stored);
        outcome.written += stored.samples;
        outcome.met_limit |= stored.met_limit();
        for rejection in &stored.rejected {
            outcome.rejected += 1;
            outcome.example(|| format!("{}: {}", reject_text(rejection.reason), labels(rejection.row)));
        }
        if stored.failure.is_some() {
            outcome.failure = stored.failure;
            return;
        }
    }
}

fn decode<'a>(
    api: &Api,
    database: &Database<'_>,
    now: Timestamp,
    lines: &mut Lines<'a>,
    outcome: &mut Outcome,
) -> Portion<'a> {
    let mut portion = Portion::default();
    let (mut bad, mut texts) = (0, 0);
    let mut key_bytes = Vec::new();
    for text in lines.by_ref() {
        match line::parse(text) {
            Ok(line) => texts += add(&mut portion, &mut key_bytes, database, now, &line),
            Err(fault) => {
                bad += 1;
                outcome.example(|| format!("unable to parse '{}': {fault}", quoted(text)));
            }
        }
        if portion.rows.len() >= PORTION {
            break;
        }
    }
    outcome.bad_lines += bad;
    api.pushes.rejected(PROTOCOL, "malformed_line", bad);
    api.pushes.rejected(PROTOCOL, "text", texts);
    portion
}

/// Adds the samples of a line; answers the number of fields that are text.
fn add<'a>(
    portion: &mut Portion<'a>,
    key_bytes: &mut Vec<u8>,
    database: &Database<'_>,
    now: Timestamp,
    line: &Line<'a>,
) -> u64 {
    let timestamp = line.timestamp.map_or(now, |time| Timestamp(database.precision.to_ms(time)));
    let mut texts = 0;
    for (field, value) in &line.fields {
        let number = match value {
            FieldValue::Number(number) => Some(*number),
            // Some agents send numbers as text.
            FieldValue::Text(text) => text.parse().ok().filter(|v: &f64| v.is_finite()),
        };
        let Some(number) = number else {
            texts += 1;
            continue;
        };
        key_bytes.clear();
        for part in [PROTOCOL, database.name, line.key, field] {
            key_bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            key_bytes.extend_from_slice(part.as_bytes());
        }
        let sample = Sample::float(timestamp, number);
        portion.rows.push(IntakeRow { key: SeriesKey::of(key_bytes), sample, exemplars: Vec::new() });
        portion.names.push((line.key, field));
    }
    texts
}

fn labels_of(database: &str, key: &str, field: &str) -> Labels {
    let (measurement, tags) = line::split_key(key);
    let mut labels = LabelsBuilder::default();
    labels.set(DATABASE, database);
    for (name, value) in line::tags(tags.unwrap_or("")) {
        labels.set(&name, &value);
    }
    labels.set(METRIC_NAME, &format!("{}_{}", line::unescape(measurement), line::unescape(field)));
    labels.build()
}

fn quoted(line: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => text,
    }
}

fn reject_text(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::TooOld => "points beyond retention policy",
        RejectReason::TooFarInFuture => "timestamp too far in the future",
        RejectReason::OutOfOrder => "out of order sample",
        RejectReason::DuplicateTimestamp => "another value is stored for this time",
        RejectReason::SeriesLimit => "per-tenant series limit reached",
        RejectReason::TooManyLabels => "more tags than allowed",
        RejectReason::LabelNameTooLong => "a name is longer than allowed",
        RejectReason::LabelValueTooLong => "a value of a tag is longer than allowed",
        RejectReason::InvalidLabels | RejectReason::InvalidHistogram | RejectReason::UnknownSeries => {
            "invalid metric name or labels"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (precision, time, ms) in [
            ("ns", 1_700_000_000_123_999_999, 1_700_000_000_123),
            ("", 1_700_000_000_123_456_789, 1_700_000_000_123),
            ("", 1_700_000_000_123_456, 1_700_000_000_123),
            ("", 1_700_000_000_123, 1_700_000_000_123),
            ("", 1_700_000_000, 1_700_000_000_000),
            ("u", 1_700_000_000_123_456, 1_700_000_000_123),
            ("ms", 5, 5),
            ("s", 5, 5000),
            ("m", 5, 300_000),
            ("h", 5, 18_000_000),
            ("h", i64::MAX, i64::MAX),
        ] {
            assert_eq!(Precision::of(precision).unwrap().to_ms(time), ms, "{precision} {time}");
        }
        assert_eq!(Precision::of("x"), None);
    }

    #[test]
    fn names_are_those_of_victoriametrics() {
        for (database, key, field, expected) in [
            ("", "cpu", "user", r#"{__name__="cpu_user"}"#),
            ("d", r"cpu\,x,h=a\ b,h=c", r"load\ 1", r#"{__name__="cpu,x_load 1", db="d", h="c"}"#),
            ("d", "cpu,db=own,e=,__name__=x", "f", r#"{__name__="cpu_f", db="own"}"#),
        ] {
            assert_eq!(labels_of(database, key, field).to_string(), expected);
        }
    }

    #[test]
    fn outcomes_are_told() {
        let mut outcome = Outcome { bad_lines: 12, ..Outcome::default() };
        (0..12).for_each(|n| outcome.example(|| n.to_string()));
        assert!(outcome.describe().unwrap().ends_with("9\nand 2 more"));
        outcome.written = 1;
        outcome.bad_lines = 1;
        outcome.examples = vec!["unable to parse 'x': missing fields".into()];
        let text = outcome.describe().unwrap();
        assert_eq!(text, "partial write: unable to parse 'x': missing fields dropped=1");
        assert_eq!(Outcome::default().describe(), None);
    }
}
