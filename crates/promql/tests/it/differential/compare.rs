//! Compares an answer of the engine with the answer of Prometheus' API.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{FloatHistogram, Labels, SampleValue};
use promql::engine::{QueryError, QueryResult, Value as Answered};
use serde_json::Value;

use super::known;

type Names = BTreeMap<String, String>;

/// Buckets and sums this small, relative to the count of their histogram, are rounding errors: they come and go with the
/// order of additions.
const EMPTY: f64 = 1e-12;

/// One sample: a float, or a histogram as the API writes it.
#[derive(Clone, Debug)]
pub(super) enum Point {
    Float(f64),
    Histogram { count: f64, sum: f64, buckets: Vec<[f64; 4]> },
}

/// An answer in the shape of Prometheus' API.
#[derive(Debug)]
pub(super) enum Answer {
    /// `errorType` and the message.
    Error(String, String),
    /// Anything else.
    Data {
        kind: String,
        text: Option<String>,
        /// Labels and samples with their times in milliseconds.
        series: Vec<(Names, Vec<(i64, Point)>)>,
        warnings: Vec<String>,
        infos: Vec<String>,
    },
}

impl Answer {
    /// True where there is at least one sample, or a text.
    pub(super) fn has_data(&self) -> bool {
        matches!(self, Answer::Data { series, text, .. } if text.is_some() || !series.is_empty())
    }

    /// True for an error.
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Answer::Error(..))
    }

    /// Reads an answer of the API.
    pub(super) fn of_api(answer: &Value) -> Answer {
        let texts = |name: &str| -> Vec<String> {
            answer[name].as_array().into_iter().flatten().map(|t| t.as_str().unwrap().to_owned()).collect()
        };
        if answer["status"] != "success" {
            let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            return Answer::Error(text("errorType"), text("error"));
        }
        let kind = answer["data"]["resultType"].as_str().unwrap().to_owned();
        let result = &answer["data"]["result"];
        let text = (kind == "string").then(|| result[1].as_str().unwrap().to_owned());
        let series = match kind.as_str() {
            "string" => Vec::new(),
            "scalar" => vec![(Names::new(), vec![api_point(result)])],
            _ => result.as_array().unwrap().iter().map(api_series).collect(),
        };
        Answer::Data { kind, text, series, warnings: texts("warnings"), infos: texts("infos") }
    }

    /// The same of the engine's answer.
    pub(super) fn of_engine(query: &str, result: Result<QueryResult, QueryError>) -> Answer {
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                let kind = if matches!(error, QueryError::Parse(_)) { "bad_data" } else { "execution" };
                return Answer::Error(kind.to_owned(), error.to_string());
            }
        };
        let (warnings, infos) = result.annotations.render(query, 10);
        let kind = result.value.kind().to_owned();
        let mut text = None;
        let series = match result.value {
            Answered::Scalar(at, v) => vec![(Names::new(), vec![(at, Point::Float(v))])],
            Answered::String(_, value) => {
                text = Some(value);
                Vec::new()
            }
            Answered::Vector(samples) => {
                samples.into_iter().map(|s| (names(&s.labels), vec![(s.timestamp, point(&s.value))])).collect()
            }
            Answered::Matrix(series) => series
                .into_iter()
                .map(|s| {
                    let mut points: Vec<_> = s.floats.iter().map(|(t, v)| (*t, Point::Float(*v))).collect();
                    points.extend(s.histograms.iter().map(|(t, h)| (*t, histogram_point(h))));
                    (names(&s.labels), points)
                })
                .collect(),
        };
        Answer::Data { kind, text, series, warnings, infos }
    }
}

impl Point {
    fn histogram(count: f64, sum: f64, buckets: impl Iterator<Item = [f64; 4]>) -> Point {
        let populated = |b: &[f64; 4]| !count.is_finite() || b[3].abs() > EMPTY * count.abs();
        Point::Histogram { count, sum, buckets: buckets.filter(populated).collect() }
    }

    /// This histogram with all its figures divided by the other's count and multiplied by its own.
    fn scaled_as(&self, other: &Point) -> Option<Point> {
        match (self, other) {
            (Point::Histogram { count, sum, buckets }, Point::Histogram { count: target, .. }) => {
                let factor = target / count;
                let buckets = buckets.iter().map(|b| [b[0], b[1], b[2], b[3] * factor]);
                Some(Point::histogram(count * factor, sum * factor, buckets))
            }
            _ => None,
        }
    }
}

fn names(labels: &Labels) -> Names {
    labels.iter().map(|l| (l.name.to_owned(), l.value.to_owned())).collect()
}

fn point(value: &SampleValue) -> Point {
    match value {
        SampleValue::Float(v) => Point::Float(*v),
        SampleValue::Histogram(h) => histogram_point(h),
    }
}

fn histogram_point(h: &Arc<FloatHistogram>) -> Point {
    let buckets = h.all_buckets().into_iter();
    Point::histogram(h.count, h.sum, buckets.map(|b| [f64::from(b.boundary_code()), b.lower, b.upper, b.count]))
}

fn number(text: &Value) -> f64 {
    text.as_str().unwrap().parse().unwrap()
}

fn api_point(pair: &Value) -> (i64, Point) {
    let time = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
    let value = match &pair[1] {
        Value::Object(h) => {
            let buckets = h.get("buckets").and_then(Value::as_array).into_iter().flatten();
            let bucket = |b: &Value| [b[0].as_f64().unwrap(), number(&b[1]), number(&b[2]), number(&b[3])];
            Point::histogram(number(&h["count"]), number(&h["sum"]), buckets.map(bucket))
        }
        other => Point::Float(number(other)),
    };
    (time, value)
}

fn api_series(series: &Value) -> (Names, Vec<(i64, Point)>) {
    let labels = series["metric"].as_object().unwrap();
    let labels = labels.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
    let mut points = Vec::new();
    for single in ["value", "histogram"] {
        points.extend(series.get(single).map(api_point));
    }
    for many in ["values", "histograms"] {
        points.extend(series[many].as_array().into_iter().flatten().map(api_point));
    }
    (labels, points)
}

/// How exact an answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Of floats, relative to the larger one.
    pub(super) relative: f64,
    /// Differences up to here are rounding errors of sums that cancel out.
    pub(super) absolute: f64,
}

impl Tolerance {
    fn same(self, a: f64, b: f64) -> bool {
        if a == 0.0 && b == 0.0 {
            return a.is_sign_negative() == b.is_sign_negative();
        }
        let distance = (a - b).abs();
        a == b
            || (a.is_nan() && b.is_nan())
            || distance <= self.relative * a.abs().max(b.abs())
            || distance <= self.absolute
    }

    fn same_point(self, a: &Point, b: &Point) -> bool {
        match (a, b) {
            (Point::Float(a), Point::Float(b)) => self.same(*a, *b),
            (
                Point::Histogram { count, sum, buckets },
                Point::Histogram { count: other_count, sum: other_sum, buckets: others },
            ) => {
                self.same(*count, *other_count)
                    && (self.same(*sum, *other_sum) || (sum - other_sum).abs() <= EMPTY * count.abs())
                    && buckets.len() == others.len()
                    && buckets.iter().flatten().zip(others.iter().flatten()).all(|(a, b)| self.same(*a, *b))
            }
            _ => false,
        }
    }
}

/// What is different, one line for each thing; `ordered` where the order of a vector is promised.
pub(super) fn differences(ours: &Answer, theirs: &Answer, tolerance: Tolerance, ordered: bool) -> Vec<String> {
    let (ours, theirs) = match (ours, theirs) {
        (Answer::Error(kind, _), Answer::Error(other, _)) if kind == other => return Vec::new(),
        (
            Answer::Data { kind, text, series, warnings, infos },
            Answer::Data { kind: k, text: t, series: s, warnings: w, infos: i },
        ) => ((kind, text, series, warnings, infos), (k, t, s, w, i)),
        (a, b) => return vec![format!("status: {} against {}", summary(a), summary(b))],
    };
    let mut found = Vec::new();
    if (ours.0, ours.1) != (theirs.0, theirs.1) {
        found.push(format!("type: {} {:?} against {} {:?}", ours.0, ours.1, theirs.0, theirs.1));
        return found;
    }
    for (name, a, b) in [("warning", ours.3, theirs.3), ("info", ours.4, theirs.4)] {
        let translated = |texts: &Vec<String>| texts.iter().map(|t| known::translated(t)).collect::<Vec<_>>();
        let (a, b) = (translated(a), translated(b));
        found.extend(a.iter().filter(|text| !b.contains(text)).map(|text| format!("{name} only here: {text}")));
        found.extend(b.iter().filter(|text| !a.contains(text)).map(|text| format!("{name} only there: {text}")));
    }
    found.extend(different_series(ours.2, theirs.2, tolerance));
    // Equal values may come in any order: the sequence of values is what is promised.
    let same_order = || {
        ours.2.iter().zip(theirs.2).all(|(a, b)| a.1.iter().zip(&b.1).all(|(a, b)| tolerance.same_point(&a.1, &b.1)))
    };
    if found.is_empty() && ordered && !same_order() {
        let list = |series: &[(Names, Vec<(i64, Point)>)]| {
            series.iter().map(|s| format!("{:?}", s.1[0].1)).collect::<Vec<_>>()
        };
        found.push(format!("order: {:?} against {:?}", list(ours.2), list(theirs.2)));
    }
    if found.is_empty() && ours.0 == "matrix" && ours.2.iter().zip(theirs.2).any(|(a, b)| a.0 != b.0) {
        found.push("order of the matrix".to_owned());
    }
    found
}

fn summary(answer: &Answer) -> String {
    match answer {
        Answer::Error(kind, text) => format!("{kind}: {text}"),
        Answer::Data { kind, series, .. } => format!("{kind} of {} series", series.len()),
    }
}

type SeriesList = [(Names, Vec<(i64, Point)>)];

fn different_series(ours: &SeriesList, theirs: &SeriesList, tolerance: Tolerance) -> Vec<String> {
    let mut found = Vec::new();
    let theirs_by_name: BTreeMap<&Names, &Vec<(i64, Point)>> = theirs.iter().map(|(l, p)| (l, p)).collect();
    let ours_by_name: BTreeMap<&Names, &Vec<(i64, Point)>> = ours.iter().map(|(l, p)| (l, p)).collect();
    for labels in theirs_by_name.keys().filter(|l| !ours_by_name.contains_key(*l)) {
        let points = theirs_by_name[labels];
        found.push(format!("series only there: {labels:?} {} points, {:?}", points.len(), points[0]));
    }
    for (labels, points) in ours_by_name {
        let Some(others) = theirs_by_name.get(labels) else {
            found.push(format!("series only here: {labels:?} {} points, {:?}", points.len(), points[0]));
            continue;
        };
        let times = |points: &[(i64, Point)]| points.iter().map(|(t, _)| *t).collect::<Vec<_>>();
        if times(points) != times(others) {
            found.push(format!("times: {labels:?} {:?} against {:?}", times(points), times(others)));
        } else if let Some((a, b)) = points.iter().zip(*others).find(|(a, b)| !tolerance.same_point(&a.1, &b.1)) {
            let proportional = |(a, b): (&(i64, Point), &(i64, Point))| {
                let smaller = matches!((&a.1, &b.1), (Point::Histogram { count: a, .. }, Point::Histogram { count: b, .. }) if a <= b);
                let scaled = b.1.scaled_as(&a.1);
                tolerance.same_point(&a.1, &b.1) || smaller && scaled.is_some_and(|b| tolerance.same_point(&a.1, &b))
            };
            let kind = if points.iter().zip(*others).all(proportional) { "smaller histogram" } else { "value" };
            found.push(format!("{kind}: {labels:?} @{} {:?} against {:?}", a.0, a.1, b.1));
        }
    }
    found
}
