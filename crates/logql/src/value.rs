//! Answers of queries.

use model::Labels;

use crate::eval::{Series, Steps, is_absent};

/// The value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Entries, by their labels. Streams in the order of their first entry.
    Streams(Vec<LogStream>),
    /// Series over time, sorted by labels.
    Matrix(Vec<MatrixSeries>),
    /// Series at one time; in the order that `sort` asks for, else by labels.
    Vector(Vec<VectorSample>),
    /// A number at a time in milliseconds.
    Scalar(i64, f64),
}

/// Entries with the same labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LogStream {
    /// All labels. Values may be blank.
    pub labels: Labels,
    /// Those of the stream.
    pub stream: Labels,
    /// Those of structured metadata.
    pub metadata: Labels,
    /// Those that stages of the query made.
    pub parsed: Labels,
    /// Entries in the direction of the query.
    pub entries: Vec<LogLine>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Nanoseconds since the Unix epoch.
    pub timestamp: i64,
    /// The line, as stages left it.
    pub line: Vec<u8>,
}

/// A series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Labels.
    pub labels: Labels,
    /// Time in milliseconds and value, by time.
    pub points: Vec<(i64, f64)>,
}

/// A series at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Labels.
    pub labels: Labels,
    /// Milliseconds.
    pub timestamp: i64,
    /// The value.
    pub value: f64,
}

impl MatrixSeries {
    /// Bytes that the points of series take in an answer.
    pub(crate) fn bytes_of(series: &[Series]) -> usize {
        let points: usize = series.iter().map(|series| series.values.iter().count()).sum();
        points * size_of::<(i64, f64)>() + series.len() * size_of::<MatrixSeries>()
    }

    /// Series with points only where they have a value. Series that `label_replace` made alike share one line, as in Loki.
    pub(crate) fn join(mut series: Vec<Series>, steps: Steps) -> Vec<MatrixSeries> {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut matrix: Vec<MatrixSeries> = Vec::with_capacity(series.len());
        for Series { labels, values } in series {
            let points = values.iter().map(|(step, value)| (steps.at(step).div_euclid(1_000_000), value));
            match matrix.last_mut() {
                Some(last) if last.labels == labels => {
                    last.points.extend(points);
                    last.points.sort_by_key(|(time, _)| *time);
                }
                _ => {
                    let mut all = Vec::with_capacity(values.iter().count());
                    all.extend(points);
                    matrix.push(MatrixSeries { labels, points: all });
                }
            }
        }
        matrix.retain(|series| !series.points.is_empty());
        matrix
    }
}

impl VectorSample {
    pub(crate) fn of(series: Vec<Series>, timestamp: i64) -> Vec<VectorSample> {
        let samples = series.into_iter().map(|Series { labels, values }| (labels, values.at(0)));
        let present = samples.filter(|(_, value)| !is_absent(*value));
        present.map(|(labels, value)| VectorSample { labels, timestamp, value }).collect()
    }
}
