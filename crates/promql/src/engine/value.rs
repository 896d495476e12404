//! Results of queries.

use std::sync::Arc;

use model::{FloatHistogram, Labels, SampleValue};

/// One series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Labels, unique within the vector.
    pub labels: Labels,
    /// Time of evaluation in milliseconds.
    pub timestamp: i64,
    /// Value.
    pub value: SampleValue,
}

/// One series of a matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatrixSeries {
    /// Labels, unique within the matrix.
    pub labels: Labels,
    /// Time in milliseconds and value of the float samples, in order of time.
    pub floats: Vec<(i64, f64)>,
    /// Time in milliseconds and value of the histogram samples, in order of time.
    pub histograms: Vec<(i64, Arc<FloatHistogram>)>,
}

/// The value of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Time in milliseconds and value.
    Scalar(i64, f64),
    /// Time in milliseconds and text.
    String(i64, String),
    /// One sample for each series.
    Vector(Vec<VectorSample>),
    /// Samples over time for each series, sorted by labels.
    Matrix(Vec<MatrixSeries>),
}

impl Value {
    /// The API's name of the kind: `scalar`, `string`, `vector`, `matrix`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Scalar(..) => "scalar",
            Value::String(..) => "string",
            Value::Vector(_) => "vector",
            Value::Matrix(_) => "matrix",
        }
    }
}
