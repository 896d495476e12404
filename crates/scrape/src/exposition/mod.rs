//! Parsers of the formats in which targets expose metrics. They accept and refuse exactly what Prometheus 3 does.
//!
//! A parser walks over a body and hands out one [`Entry`] at a time. The labels of a sample are only put together when
//! [`Exposition::labels`] is asked: a scrape loop knows most series by their [`Exposition::key`], the raw text, and then
//! does no work on labels at all.

mod content_type;
mod cursor;
pub(crate) mod histogram;
mod nhcb;
mod openmetrics;
mod protobuf;
mod protobuf_wire;
mod raw_labels;
mod series;
mod text;

use std::borrow::Cow;

use model::{Exemplar, MetricType, SampleValue};
use thiserror::Error;

pub use content_type::{Format, format_of_content_type};
pub use raw_labels::RawLabels;

/// The NaN that Prometheus stores for every NaN it reads, so that none is taken for a staleness marker.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Why a body is not valid.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place} {number}: {message}")]
pub struct ParseError {
    place: &'static str,
    number: usize,
    message: String,
}

impl ParseError {
    fn at_line(line: usize, message: String) -> Self {
        ParseError { place: "line", number: line, message }
    }

    fn in_family(index: usize, message: String) -> Self {
        ParseError { place: "metric family", number: index, message }
    }

    /// The line (text formats) or metric family (protobuf) in question, counted from 1.
    pub fn number(&self) -> usize {
        self.number
    }
}

/// One thing that a body says.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'b> {
    /// The type of a metric family.
    Type {
        /// Name of the family.
        family: Cow<'b, str>,
        /// Its type.
        metric_type: MetricType,
    },
    /// The help text of a metric family.
    Help {
        /// Name of the family.
        family: Cow<'b, str>,
        /// Unescaped text.
        help: Cow<'b, str>,
    },
    /// The unit of a metric family.
    Unit {
        /// Name of the family.
        family: Cow<'b, str>,
        /// Unit, a suffix of the name.
        unit: Cow<'b, str>,
    },
    /// A sample; its series, exemplars and start timestamp are to be had from the parser.
    Sample {
        /// Milliseconds since the epoch, where the body says so.
        timestamp: Option<i64>,
        /// The value.
        value: SampleValue,
    },
}

/// A body on its way through a parser.
pub trait Exposition<'b> {
    /// The next entry, or `None` at the end. After an error or the end the parser must not be asked again.
    fn advance(&mut self) -> Result<Option<Entry<'b>>, ParseError>;

    /// Bytes that name the series of the current sample: equal bytes, equal series (not the other way round).
    fn key(&self) -> &[u8];

    /// Writes the labels of the current sample, metric name included, sorted by name.
    fn labels(&self, out: &mut RawLabels);

    /// The next exemplar of the current sample.
    fn exemplar(&mut self) -> Option<Exemplar>;

    /// When the current series started counting, in milliseconds since the epoch, where the body says so.
    fn start_timestamp(&mut self) -> Option<i64>;
}

/// How a body is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Read native histograms; where false, histograms that are native as well are read as classic ones.
    pub native_histograms: bool,
    /// Read the classic buckets too where a histogram is native, or is converted.
    pub keep_classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_classic_to_nhcb: bool,
}

/// The parser for a body of a known format.
pub fn parser<'b>(body: &'b [u8], format: Format, options: ParseOptions) -> Box<dyn Exposition<'b> + 'b> {
    let plain: Box<dyn Exposition<'b> + 'b> = match format {
        Format::Text => Box::new(text::TextParser::new(body)),
        Format::OpenMetrics => Box::new(openmetrics::OpenMetricsParser::new(body)),
        Format::Protobuf => Box::new(protobuf::ProtobufParser::new(body, options)),
    };
    if options.convert_classic_to_nhcb {
        return Box::new(nhcb::NhcbParser::new(plain, options.keep_classic_histograms));
    }
    plain
}

/// Reads a float as Prometheus does: Go's decimal syntax, no overflow, every NaN made the same.
fn parse_value(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value = model::float::parse_go(text)?;
    if value.is_nan() {
        return Some(f64::from_bits(NORMAL_NAN_BITS));
    }
    let names_infinity = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
    (value.is_finite() || names_infinity).then_some(value)
}

/// Writes a bucket boundary or quantile as Go's OpenMetrics libraries do: `1.0`, `0.25`, `1e+06`, `+Inf`.
pub(crate) fn format_boundary(v: f64) -> String {
    if !v.is_finite() {
        return model::float::format_f(v);
    }
    let scientific = format!("{v:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} always writes an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} writes a decimal exponent");
    if v != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{v}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// `le` of histograms and `quantile` of summaries in one spelling, so that `1` and `1.0` are one series.
fn normal_boundary<'a>(metric_type: MetricType, label: &str, value: Cow<'a, str>) -> Cow<'a, str> {
    let is_boundary = match metric_type {
        MetricType::Summary => label == "quantile",
        MetricType::Histogram => label == "le",
        _ => false,
    };
    if !is_boundary {
        return value;
    }
    match model::float::parse_go(&value) {
        Some(number) => Cow::Owned(format_boundary(number)),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_have_one_spelling() {
        for (v, text) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-1.0, "-1.0"),
            (0.25, "0.25"),
            (100_000.0, "100000.0"),
            (1_000_000.0, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (0.00001, "1e-05"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format_boundary(v), text);
        }
    }

    #[test]
    fn values_are_read_as_go_reads_them() {
        assert_eq!(parse_value(b"1e3"), Some(1000.0));
        assert_eq!(parse_value(b"-Inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_value(b"infinity"), Some(f64::INFINITY));
        assert_eq!(parse_value(b"nan").map(f64::to_bits), Some(NORMAL_NAN_BITS));
        for bad in ["1e999", "-1e999", "0x1p-2", "1_000", "", "1..2", "١"] {
            assert_eq!(parse_value(bad.as_bytes()), None, "{bad}");
        }
    }
}
