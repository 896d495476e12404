//! Delimited protobuf: every type of family, native histograms, and classic ones turned into custom buckets. The messages are
//! written down a second time here, so that a wrong field number cannot hide.

use std::fmt::Write;

use model::{FloatHistogram, Labels, SampleValue};
use prost::Message;
use scrape::exposition::{Entry, Format, ParseOptions, RawLabels, parser};

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Pair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<Pair>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(message, optional, tag = "2")]
    exemplar: Option<Exemplar>,
    #[prost(message, optional, tag = "3")]
    start: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Quantile {
    #[prost(double, tag = "1")]
    quantile: f64,
    #[prost(double, tag = "2")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    quantile: Vec<Quantile>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative: u64,
    #[prost(double, tag = "2")]
    bound: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    start: Option<Time>,
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<Pair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Value>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "5")]
    untyped: Option<Value>,
    #[prost(int64, tag = "6")]
    timestamp: i64,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, tag = "5")]
    unit: String,
}

fn family(name: &str, kind: i32, metric: Metric) -> Family {
    Family { name: name.into(), help: format!("About {name}."), kind, metric: vec![metric], unit: String::new() }
}

fn time(seconds: i64, nanos: i32) -> Option<Time> {
    Some(Time { seconds, nanos })
}

/// One family of every type.
pub(crate) fn all_types() -> Vec<Family> {
    let label = vec![Pair { name: "a".into(), value: "b".into() }];
    let exemplar = Exemplar {
        label: vec![Pair { name: "trace_id".into(), value: "x".into() }],
        value: 0.5,
        timestamp: time(12, 500_000_000),
    };
    let value = |value| Some(Value { value, ..Value::default() });
    let counter = Some(Value { value: 3.0, exemplar: Some(exemplar.clone()), start: time(1, 7_000_000) });
    let summary = Summary { count: 4, sum: 8.0, quantile: vec![Quantile { quantile: 0.99, value: 2.0 }] };
    let buckets = vec![Bucket { cumulative: 1, bound: 0.5 }, Bucket { cumulative: 3, bound: 1.0 }];
    let classic = Histogram { count: 4, sum: 5.5, bucket: buckets, start: time(2, 0), ..Histogram::default() };
    let native = Histogram {
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 1,
        positive_span: vec![Span { offset: 0, length: 2 }],
        positive_delta: vec![2, -1],
        negative_span: vec![Span { offset: -1, length: 1 }],
        negative_delta: vec![1],
        exemplars: vec![exemplar, Exemplar { value: 1.0, ..Exemplar::default() }],
        count: 5,
        ..classic.clone()
    };
    let metric = Metric { label, ..Metric::default() };
    vec![
        family("c", 0, Metric { counter, timestamp: 77, ..metric.clone() }),
        family("g", 1, Metric { gauge: value(1.5), ..metric.clone() }),
        family("s", 2, Metric { summary: Some(summary), ..metric.clone() }),
        family("u", 3, Metric { untyped: value(-1.0), ..metric.clone() }),
        family("h", 4, Metric { histogram: Some(classic), ..metric.clone() }),
        Family { unit: "s".into(), ..family("n_s", 4, Metric { histogram: Some(native), ..metric }) },
    ]
}

fn read(families: &[Family], options: ParseOptions) -> String {
    let body: Vec<u8> = families.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
    let mut parser = parser(&body, Format::Protobuf, options);
    let (mut out, mut labels) = (String::new(), RawLabels::default());
    loop {
        match parser.advance() {
            Ok(None) => return out,
            Err(error) => return out + &error.to_string(),
            Ok(Some(Entry::Type { family, metric_type })) => {
                writeln!(out, "# {family} {}", metric_type.as_str()).unwrap();
            }
            Ok(Some(Entry::Sample { timestamp, value })) => {
                parser.labels(&mut labels);
                let value = match value {
                    SampleValue::Float(v) => model::float::format_f(v),
                    SampleValue::Histogram(h) => show(&h),
                };
                let time = timestamp.map(|t| format!(" @{t}")).unwrap_or_default();
                write!(out, "{} {value}{time}", Labels::from_pairs(labels.iter())).unwrap();
                if let Some(start) = parser.start_timestamp() {
                    write!(out, " created {start}").unwrap();
                }
                while let Some(e) = parser.exemplar() {
                    write!(out, " exemplar {} {}", e.labels, e.value).unwrap();
                }
                out.push('\n');
            }
            Ok(Some(_)) => {}
        }
    }
}

fn show(h: &FloatHistogram) -> String {
    let spans = |spans: &[model::BucketSpan]| spans.iter().map(|s| (s.offset, s.length)).collect::<Vec<_>>();
    let mut text = format!(
        "[schema {} count {} sum {} zero {} + {:?} {:?} - {:?} {:?}",
        h.schema,
        h.count,
        h.sum,
        h.zero_count,
        spans(&h.positive_spans),
        h.positive_buckets,
        spans(&h.negative_spans),
        h.negative_buckets
    );
    if h.schema == -53 {
        write!(text, " bounds {:?}", h.custom_values).unwrap();
    }
    text + "]"
}

const BEFORE_HISTOGRAMS: &str = r#"# c counter
{__name__="c", a="b"} 3 @77 created 1007 exemplar {trace_id="x"} 0.5
# g gauge
{__name__="g", a="b"} 1.5
# s summary
{__name__="s_count", a="b"} 4
{__name__="s_sum", a="b"} 8
{__name__="s", a="b", quantile="0.99"} 2
# u unknown
{__name__="u", a="b"} -1
# h histogram
"#;

const CLASSIC_H: &str = r#"{__name__="h_count", a="b"} 4 created 2000
{__name__="h_sum", a="b"} 5.5 created 2000
{__name__="h_bucket", a="b", le="0.5"} 1 created 2000
{__name__="h_bucket", a="b", le="1.0"} 3 created 2000
{__name__="h_bucket", a="b", le="+Inf"} 4 created 2000
"#;

const CLASSIC_N: &str = r#"{__name__="n_s_count", a="b"} 5 created 2000
{__name__="n_s_sum", a="b"} 5.5 created 2000
{__name__="n_s_bucket", a="b", le="0.5"} 1 created 2000
{__name__="n_s_bucket", a="b", le="1.0"} 3 created 2000
{__name__="n_s_bucket", a="b", le="+Inf"} 5 created 2000
"#;

const NATIVE_N: &str = r#"{__name__="n_s", a="b"} [schema 3 count 5 sum 5.5 zero 1 + [(0, 2)] [2.0, 1.0] - [(-1, 1)] [1.0]] created 2000 exemplar {trace_id="x"} 0.5
"#;

const NHCB_H: &str = r#"{__name__="h", a="b"} [schema -53 count 4 sum 5.5 zero 0 + [(0, 3)] [1.0, 2.0, 1.0] - [] [] bounds [0.5, 1.0]] created 2000
"#;

#[test]
fn histograms_are_classic_unless_native_ones_are_wanted() {
    let n = "# n_s histogram\n";
    let classic = read(&all_types(), ParseOptions::default());
    assert_eq!(classic, format!("{BEFORE_HISTOGRAMS}{CLASSIC_H}{n}{CLASSIC_N}"));
    let native = ParseOptions { native_histograms: true, ..ParseOptions::default() };
    assert_eq!(read(&all_types(), native), format!("{BEFORE_HISTOGRAMS}{CLASSIC_H}{n}{NATIVE_N}"));
    let both = ParseOptions { keep_classic_histograms: true, ..native };
    assert_eq!(read(&all_types(), both), format!("{BEFORE_HISTOGRAMS}{CLASSIC_H}{n}{NATIVE_N}{CLASSIC_N}"));
}

#[test]
fn classic_histograms_become_custom_buckets() {
    let n = "# n_s histogram\n";
    let convert =
        ParseOptions { native_histograms: true, convert_classic_to_nhcb: true, keep_classic_histograms: false };
    assert_eq!(read(&all_types(), convert), format!("{BEFORE_HISTOGRAMS}{NHCB_H}{n}{NATIVE_N}"));
    let keep = ParseOptions { keep_classic_histograms: true, ..convert };
    let expected = format!("{BEFORE_HISTOGRAMS}{CLASSIC_H}{NHCB_H}{n}{NATIVE_N}{CLASSIC_N}");
    assert_eq!(read(&all_types(), keep), expected);
}

#[test]
fn text_histograms_become_custom_buckets_too() {
    let body = "# TYPE h histogram\nh_bucket{x=\"1\",le=\"1\"} 2\nh_bucket{x=\"1\",le=\"+Inf\"} 3\nh_sum{x=\"1\"} 4\nh_count{x=\"1\"} 3\n\
                h_bucket{x=\"2\",le=\"1\"} 5\nh_bucket{x=\"2\",le=\"+Inf\"} 4\nh_count{x=\"2\"} 4\nother 1\n";
    let options = ParseOptions { convert_classic_to_nhcb: true, ..ParseOptions::default() };
    let mut parser = parser(body.as_bytes(), Format::Text, options);
    let mut found = Vec::new();
    let mut labels = RawLabels::default();
    while let Some(entry) = parser.advance().unwrap() {
        if let Entry::Sample { value, .. } = entry {
            parser.labels(&mut labels);
            let value = match value {
                SampleValue::Float(v) => v.to_string(),
                SampleValue::Histogram(h) => show(&h),
            };
            found.push(format!("{} {value}", Labels::from_pairs(labels.iter())));
        }
    }
    let first = r#"{__name__="h", x="1"} [schema -53 count 3 sum 4 zero 0 + [(0, 2)] [2.0, 1.0] - [] [] bounds [1.0]]"#;
    assert_eq!(found, [first, r#"{__name__="other"} 1"#], "the second contradicts itself and is left out");
}

#[test]
fn broken_messages_say_what_is_wrong() {
    let mut families = all_types();
    families[5].metric[0].histogram.as_mut().unwrap().positive_delta.pop();
    let native = ParseOptions { native_histograms: true, ..ParseOptions::default() };
    let found = read(&families, native);
    let expected = "metric family 6: histogram \"n_s\": positive side: spans require 2 buckets, have 1";
    assert!(found.ends_with(expected), "{found}");
    families[0].kind = 9;
    assert_eq!(read(&families, native), "metric family 1: unknown metric type for metric \"c\": 9");
    families[0] = Family { name: String::new(), kind: 0, ..families[0].clone() };
    assert_eq!(read(&families, native), "metric family 1: invalid metric name: it is empty");
    let mut cut = parser(&[200, 1, 10], Format::Protobuf, native);
    let error = cut.advance().unwrap_err().to_string();
    assert_eq!(error, "metric family 1: insufficient length of buffer, expected at least 200 bytes, got 1 bytes");
}
