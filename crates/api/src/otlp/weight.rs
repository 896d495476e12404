//! How much memory a message will take once it is decoded, found without decoding it.

use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::remote_write::wire::{Reader, Value, WireError};

/// A list grows by doubling, so up to half of its memory is not used.
const SLACK: u64 = 2;
/// Messages within messages that are followed; the decoder follows no more.
const MAX_DEPTH: u32 = 100;
/// What each `{` and each `,` of JSON can stand for, in bytes.
const JSON_OBJECT_BYTES: u64 = 300;
const JSON_ITEM_BYTES: u64 = 16;

/// Messages by what they may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Request,
    LogsRequest,
    ResourceLogs,
    ScopeLogs,
    LogRecord,
    ResourceMetrics,
    Resource,
    EntityRef,
    ScopeMetrics,
    Scope,
    Metric,
    Gauge,
    Sum,
    Histogram,
    Exponential,
    Summary,
    NumberPoint,
    HistogramPoint,
    ExponentialPoint,
    Buckets,
    SummaryPoint,
    Quantile,
    Exemplar,
    KeyValue,
    AnyValue,
    Array,
    List,
}

impl Shape {
    /// The message in a field.
    fn child(self, field: u32) -> Option<Shape> {
        use Shape as S;
        Some(match (self, field) {
            (S::Request, 1) => S::ResourceMetrics,
            (S::LogsRequest, 1) => S::ResourceLogs,
            (S::ResourceMetrics | S::ResourceLogs, 1) => S::Resource,
            (S::ResourceLogs, 2) => S::ScopeLogs,
            (S::ScopeLogs, 1) => S::Scope,
            (S::ScopeLogs, 2) => S::LogRecord,
            (S::LogRecord, 5) => S::AnyValue,
            (S::LogRecord, 6) => S::KeyValue,
            (S::ResourceMetrics, 2) => S::ScopeMetrics,
            (S::Resource, 3) => S::EntityRef,
            (S::ScopeMetrics, 1) => S::Scope,
            (S::ScopeMetrics, 2) => S::Metric,
            (S::Metric, 5) => S::Gauge,
            (S::Metric, 7) => S::Sum,
            (S::Metric, 9) => S::Histogram,
            (S::Metric, 10) => S::Exponential,
            (S::Metric, 11) => S::Summary,
            (S::Gauge | S::Sum, 1) => S::NumberPoint,
            (S::Histogram, 1) => S::HistogramPoint,
            (S::Exponential, 1) => S::ExponentialPoint,
            (S::Summary, 1) => S::SummaryPoint,
            (S::NumberPoint, 5) | (S::HistogramPoint, 8) | (S::ExponentialPoint, 11) => S::Exemplar,
            (S::ExponentialPoint, 8 | 9) => S::Buckets,
            (S::SummaryPoint, 6) => S::Quantile,
            (S::Resource | S::ExponentialPoint | S::List, 1)
            | (S::Scope, 3)
            | (S::Metric, 12)
            | (S::NumberPoint | S::SummaryPoint | S::Exemplar, 7)
            | (S::HistogramPoint, 9) => S::KeyValue,
            (S::KeyValue, 2) | (S::Array, 1) => S::AnyValue,
            (S::AnyValue, 5) => S::Array,
            (S::AnyValue, 6) => S::List,
            _ => return None,
        })
    }

    /// Bytes of the decoded structure itself, where it stands in a list or on the heap.
    fn size(self) -> usize {
        match self {
            Shape::ResourceLogs => size_of::<ResourceLogs>(),
            Shape::ScopeLogs => size_of::<ScopeLogs>(),
            Shape::LogRecord => size_of::<LogRecord>(),
            Shape::ResourceMetrics => size_of::<ResourceMetrics>(),
            Shape::Resource => size_of::<Resource>(),
            Shape::EntityRef => size_of::<EntityRef>(),
            Shape::ScopeMetrics => size_of::<ScopeMetrics>(),
            Shape::Scope => size_of::<InstrumentationScope>(),
            Shape::Metric => size_of::<Metric>(),
            Shape::NumberPoint => size_of::<NumberDataPoint>(),
            Shape::HistogramPoint => size_of::<HistogramDataPoint>(),
            Shape::ExponentialPoint => size_of::<ExponentialHistogramDataPoint>(),
            Shape::SummaryPoint => size_of::<SummaryDataPoint>(),
            Shape::Quantile => size_of::<ValueAtQuantile>(),
            Shape::Exemplar => size_of::<Exemplar>(),
            Shape::KeyValue => size_of::<KeyValue>(),
            Shape::AnyValue => size_of::<AnyValue>(),
            // Part of the structure around them.
            Shape::Request
            | Shape::LogsRequest
            | Shape::Gauge
            | Shape::Sum
            | Shape::Histogram
            | Shape::Exponential
            | Shape::Summary
            | Shape::Buckets
            | Shape::Array
            | Shape::List => 0,
        }
    }

    /// Bytes that a list of numbers takes for each byte of the message.
    fn numbers(self) -> u64 {
        // Counts of exponential buckets are varints; all other lists of numbers are eight bytes each there, too.
        if self == Shape::Buckets { 8 } else { 1 }
    }
}

/// The weight of a protobuf message with logs, in bytes.
pub(super) fn logs(message: &[u8]) -> Result<u64, WireError> {
    weigh(Shape::LogsRequest, message, 0)
}

/// The weight of a protobuf message with metrics, in bytes.
pub(super) fn metrics(message: &[u8]) -> Result<u64, WireError> {
    weigh(Shape::Request, message, 0)
}

fn weigh(shape: Shape, message: &[u8], depth: u32) -> Result<u64, WireError> {
    let mut weight = 0;
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        weight += match (value, shape.child(field)) {
            (Value::Bytes(bytes), Some(child)) => {
                let inner = if depth < MAX_DEPTH { weigh(child, bytes, depth + 1)? } else { 0 };
                SLACK * child.size() as u64 + inner
            }
            (Value::Bytes(bytes), None) => SLACK * shape.numbers() * bytes.len() as u64,
            // A number in a list that is not packed.
            _ => SLACK * 8,
        };
    }
    Ok(weight)
}

/// The weight of a JSON message, in bytes.
pub(super) fn json(message: &[u8]) -> u64 {
    let (mut objects, mut items) = (0_u64, 0_u64);
    for byte in message {
        objects += u64::from(*byte == b'{');
        items += u64::from(*byte == b',');
    }
    message.len() as u64 + objects * JSON_OBJECT_BYTES + items * JSON_ITEM_BYTES
}
