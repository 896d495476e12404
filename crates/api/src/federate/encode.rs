//! Samples as metric families, in text or protobuf, made piece by piece while the client reads.
//!
//! A family ends where the name, the kind of sample or the kind of histogram changes, so that a name can head several
//! families: no valid exposition, but Prometheus sends it and reads it.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use model::{
    CounterResetHint, FloatHistogram, Labels, METRIC_NAME, Reservation, SampleValue, is_valid_legacy_metric_name,
};

use super::negotiate::Format;
use crate::protobuf_out as protobuf;

/// Bytes of a piece.
const PIECE: usize = 64 << 10;
/// `io.prometheus.client.MetricType`.
const UNTYPED: i64 = 3;
const HISTOGRAM: i64 = 4;
const GAUGE_HISTOGRAM: i64 = 5;

/// The newest sample of a series.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    pub(super) labels: Labels,
    /// Milliseconds.
    pub(super) timestamp: i64,
    pub(super) value: SampleValue,
}

/// What a family has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Float,
    Histogram,
    GaugeHistogram,
}

impl Newest {
    fn kind(&self) -> Kind {
        match &self.value {
            SampleValue::Float(_) => Kind::Float,
            SampleValue::Histogram(h) if h.counter_reset_hint == CounterResetHint::Gauge => Kind::GaugeHistogram,
            SampleValue::Histogram(_) => Kind::Histogram,
        }
    }
}

/// Gives the exposition out in pieces.
pub(super) struct Pieces {
    samples: Vec<Newest>,
    next: usize,
    format: Format,
    /// Labels that every sample without them gets, sorted by name.
    external: Arc<[(String, String)]>,
    /// What the samples are accounted with.
    _memory: Option<Arc<Reservation>>,
}

impl Pieces {
    /// `samples` are sorted by name. An external label `instance` is added where there is none: empty, so that the server
    /// that scrapes does not put its own in place.
    pub(super) fn new(
        samples: Vec<Newest>,
        format: Format,
        external: &Labels,
        memory: impl Into<Option<Arc<Reservation>>>,
    ) -> Self {
        let mut external: Vec<(String, String)> =
            external.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect();
        if !external.iter().any(|(name, _)| name == "instance") {
            external.push(("instance".to_owned(), String::new()));
            external.sort();
        }
        Pieces { samples, next: 0, format, external: external.into(), _memory: memory.into() }
    }

    /// The place behind the last sample of the family that begins at `start`.
    fn family_end(&self, start: usize) -> usize {
        let first = &self.samples[start];
        let is_same = |s: &&Newest| s.kind() == first.kind() && s.labels.metric_name() == first.labels.metric_name();
        start + self.samples[start..].iter().take_while(is_same).count()
    }

    fn for_each_label(&self, labels: &Labels, mut visit: impl FnMut(&str, &str)) {
        for label in labels.iter().filter(|l| l.name != METRIC_NAME) {
            visit(&self.format.escaping.apply(label.name), label.value);
        }
        for (name, value) in self.external.iter().filter(|(name, _)| labels.get(name).is_none()) {
            visit(&self.format.escaping.apply(name), value);
        }
    }

    fn write_text(&self, out: &mut String, family: &[Newest]) {
        let name = self.format.escaping.apply(family[0].labels.metric_name());
        let is_classic = is_valid_legacy_metric_name(&name);
        let quoted = format!("\"{}\"", escape_value(&name));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE {} untyped", if is_classic { &*name } else { &quoted });
        for sample in family {
            let SampleValue::Float(value) = sample.value else { continue };
            let mut separator = '{';
            if is_classic {
                out.push_str(&name);
            } else {
                let _ = write!(out, "{{{quoted}");
                separator = ',';
            }
            self.for_each_label(&sample.labels, |name, value| {
                let value = escape_value(value);
                let _ = match is_valid_legacy_metric_name(name) {
                    true => write!(out, "{separator}{name}=\"{value}\""),
                    false => write!(out, "{separator}\"{}\"=\"{value}\"", escape_value(name)),
                };
                separator = ',';
            });
            let _ = writeln!(out, "}} {} {}", number(value), sample.timestamp);
        }
    }

    fn write_protobuf(&self, out: &mut Vec<u8>, family: &[Newest]) {
        let metric_type = match family[0].kind() {
            Kind::Float => UNTYPED,
            Kind::Histogram => HISTOGRAM,
            Kind::GaugeHistogram => GAUGE_HISTOGRAM,
        };
        protobuf::delimited(out, |out| {
            protobuf::bytes(out, 1, self.format.escaping.apply(family[0].labels.metric_name()).as_bytes());
            protobuf::int(out, 3, metric_type);
            for sample in family {
                protobuf::message(out, 4, |out| {
                    self.for_each_label(&sample.labels, |name, value| protobuf::pair(out, 1, name, value));
                    match &sample.value {
                        SampleValue::Float(value) => {
                            protobuf::message(out, 5, |out| protobuf::double(out, 1, *value));
                            protobuf::int(out, 6, sample.timestamp);
                        }
                        SampleValue::Histogram(histogram) => {
                            protobuf::int(out, 6, sample.timestamp);
                            protobuf::message(out, 7, |out| write_histogram(out, histogram));
                        }
                    }
                });
            }
        });
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (mut text, mut binary) = (String::new(), Vec::new());
        while self.next < self.samples.len() && text.len() + binary.len() < PIECE {
            let end = self.family_end(self.next);
            let family = &self.samples[self.next..end];
            match self.format.is_protobuf {
                true => self.write_protobuf(&mut binary, family),
                false => self.write_text(&mut text, family),
            }
            self.next = end;
        }
        if self.format.is_protobuf {
            return (!binary.is_empty()).then(|| binary.into());
        }
        (!text.is_empty()).then(|| text.into())
    }
}

/// `io.prometheus.client.Histogram` with float counts.
fn write_histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    protobuf::double(out, 2, histogram.sum);
    protobuf::double(out, 4, histogram.count);
    protobuf::sint(out, 5, i64::from(histogram.schema));
    protobuf::double(out, 6, histogram.zero_threshold);
    protobuf::double(out, 8, histogram.zero_count);
    for (spans, span_field, counts, count_field) in [
        (&histogram.negative_spans, 9, &histogram.negative_buckets, 11),
        (&histogram.positive_spans, 12, &histogram.positive_buckets, 14),
    ] {
        for span in spans {
            protobuf::message(out, span_field, |out| {
                protobuf::sint(out, 1, i64::from(span.offset));
                protobuf::int(out, 2, i64::from(span.length));
            });
        }
        // The definition does not pack them.
        counts.iter().for_each(|count| protobuf::double(out, count_field, *count));
    }
}

fn escape_value(value: &str) -> String {
    value.replace('\\', r"\\").replace('\n', r"\n").replace('"', "\\\"")
}

/// `expfmt`'s numbers: those of Go, but a negative zero loses its sign.
fn number(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { model::float::format_g(value) }
}

/// Whether a sample can be written at all: text knows no native histograms, and the message has no place for bounds.
pub(super) fn is_writable(sample: &Newest, format: Format) -> bool {
    match &sample.value {
        SampleValue::Float(_) => true,
        SampleValue::Histogram(histogram) => format.is_protobuf && !histogram.uses_custom_buckets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escaping::Escaping;

    const TEXT: Format = Format { is_protobuf: false, escaping: Escaping::AllowUtf8 };

    fn newest(pairs: &[(&str, &str)], value: f64) -> Newest {
        Newest { labels: Labels::from_pairs(pairs.iter().copied()), timestamp: 17, value: SampleValue::Float(value) }
    }

    fn text(samples: Vec<Newest>, format: Format, external: &[(&str, &str)]) -> String {
        let pieces = Pieces::new(samples, format, &Labels::from_pairs(external.iter().copied()), None);
        String::from_utf8(pieces.flat_map(|p| p.to_vec()).collect()).unwrap()
    }

    #[test]
    fn text_is_that_of_prometheus() {
        let samples = vec![
            newest(&[(METRIC_NAME, "mix"), ("a", "x\"\\\n"), ("region", "own")], 1e21),
            newest(&[(METRIC_NAME, "mix"), ("instance", "i")], -0.0),
            newest(&[(METRIC_NAME, "my.dotted"), ("la.bel", "v")], f64::NAN),
        ];
        let external = [("region", "eu"), ("zone", "z")];
        assert_eq!(
            text(samples.clone(), TEXT, &external),
            "# TYPE mix untyped\n\
             mix{a=\"x\\\"\\\\\\n\",region=\"own\",instance=\"\",zone=\"z\"} 1e+21 17\n\
             mix{instance=\"i\",region=\"eu\",zone=\"z\"} 0 17\n\
             # TYPE \"my.dotted\" untyped\n\
             {\"my.dotted\",\"la.bel\"=\"v\",instance=\"\",region=\"eu\",zone=\"z\"} NaN 17\n"
        );
        let escaped = text(samples[2..].to_vec(), Format { escaping: Escaping::Underscores, ..TEXT }, &[]);
        assert_eq!(escaped, "# TYPE my_dotted untyped\nmy_dotted{la_bel=\"v\",instance=\"\"} NaN 17\n");
    }

    #[test]
    fn pieces_are_bounded() {
        let samples: Vec<Newest> =
            (0..5000).map(|n| newest(&[(METRIC_NAME, &format!("m{n:05}")), ("a", &"x".repeat(50))], 1.0)).collect();
        let pieces: Vec<Bytes> = Pieces::new(samples, TEXT, &Labels::empty(), None).collect();
        assert!(pieces.len() > 5 && pieces.iter().all(|p| p.len() < PIECE + 200));
    }
}
