//! The vocabulary that every other crate speaks: labels, matchers, samples, histograms, time, tenants, and the
//! doors between producers, stores and query languages ([`SeriesSource`], [`SampleSink`], [`LogSource`], [`LogSink`]).
//!
//! It knows no I/O, no runtime, no file format and no protocol. Types here are plain data with the field's names.

mod aggregate;
pub mod duration;
pub mod float;
pub mod histogram;
mod labels;
mod log_sink;
mod log_source;
mod matcher;
mod memory;
mod metadata;
mod number_text;
pub mod pattern;
mod sample;
mod sink;
mod source;
mod tenant;
mod time;

pub use aggregate::Aggregate;
pub use histogram::{BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram};
pub use labels::{Label, Labels, LabelsBuilder, METRIC_NAME, is_valid_legacy_label_name, is_valid_legacy_metric_name};
pub use log_sink::{LogBatch, LogEntry, LogFuture, LogRejectReason, LogRejection, LogReport, LogSink};
pub use log_source::{
    ABSENT, Column, FieldColumn, LineFormat, Lines, LogPage, LogRequest, LogSource, NamedColumn, NanoRange,
    NumberColumn, PageInfo, StreamSet,
};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use memory::{Held, MemoryError, MemoryPool, Reservation, Resident};
pub use metadata::{Metadata, MetricType};
pub use number_text::{NumberStyle, NumberText, number_text};
pub use sample::{Exemplar, STALE_NAN_BITS, Sample, SampleBuffer, SampleValue, is_stale, stale_nan};
pub use sink::{
    AppendError, AppendFuture, AppendReport, ExemplarRow, RejectReason, Rejection, SampleSink, SeriesRef, WriteBatch,
    WriteRow,
};
pub use source::{Footprint, LabelRequest, Projection, SelectRequest, SeriesSet, SeriesSource, SourceError};
pub use tenant::{Tenant, TenantError};
pub use time::{Clock, ManualClock, SystemClock, TimeRange, Timestamp};
