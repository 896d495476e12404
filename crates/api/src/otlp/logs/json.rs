//! Logs in OTLP's JSON as the messages of protobuf; see [`crate::otlp::json`] for the mapping.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::logs::v1 as proto;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::otlp::json::lenient::{Hex, Number, nullable};
use crate::otlp::json::{AnyValue, KeyValue, Resource, Scope, convert};

/// Decodes a request; records that cannot be read are handed to `malformed`, with their size in bytes.
pub(super) fn decode(
    bytes: &[u8],
    mut malformed: impl FnMut(usize, &str),
) -> Result<ExportLogsServiceRequest, serde_json::Error> {
    let request: Request = serde_json::from_slice(bytes)?;
    for record in request.resource_logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records) {
        if let Record::Malformed { bytes, reason } = record {
            malformed(*bytes, reason);
        }
    }
    Ok(ExportLogsServiceRequest { resource_logs: convert(request.resource_logs) })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    #[serde(rename = "resourceLogs", alias = "resource_logs", deserialize_with = "nullable")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResourceLogs {
    resource: Option<Resource>,
    #[serde(rename = "scopeLogs", alias = "scope_logs", deserialize_with = "nullable")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScopeLogs {
    scope: Option<Scope>,
    #[serde(rename = "logRecords", alias = "log_records", deserialize_with = "nullable")]
    log_records: Vec<Record>,
}

/// A record by itself: one that is wrong does not cost its neighbours.
#[derive(Debug)]
enum Record {
    Read(Box<LogRecord>),
    Malformed { bytes: usize, reason: String },
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(from)?.get();
        Ok(match serde_json::from_str(text) {
            Ok(record) => Record::Read(record),
            Err(reason) => Record::Malformed { bytes: text.len(), reason: reason.to_string() },
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LogRecord {
    #[serde(rename = "timeUnixNano", alias = "time_unix_nano")]
    time_unix_nano: Number<u64>,
    #[serde(rename = "observedTimeUnixNano", alias = "observed_time_unix_nano")]
    observed_time_unix_nano: Number<u64>,
    #[serde(rename = "severityNumber", alias = "severity_number")]
    severity_number: Severity,
    #[serde(rename = "severityText", alias = "severity_text", deserialize_with = "nullable")]
    severity_text: String,
    body: Option<AnyValue>,
    #[serde(deserialize_with = "nullable")]
    attributes: Vec<KeyValue>,
    #[serde(rename = "droppedAttributesCount", alias = "dropped_attributes_count")]
    dropped_attributes_count: Number<u32>,
    flags: Number<u32>,
    #[serde(rename = "traceId", alias = "trace_id")]
    trace_id: Hex,
    #[serde(rename = "spanId", alias = "span_id")]
    span_id: Hex,
    #[serde(rename = "eventName", alias = "event_name", deserialize_with = "nullable")]
    event_name: String,
}

/// By number or by name.
#[derive(Clone, Copy, Debug, Default)]
struct Severity(i32);

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(i32),
            Name(String),
            Null(()),
        }
        Ok(Severity(match Form::deserialize(from)? {
            Form::Number(number) => number,
            Form::Null(()) => 0,
            Form::Name(name) => match proto::SeverityNumber::from_str_name(&name) {
                Some(known) => known as i32,
                None => {
                    let reason = format_args!("{name:?} is no severity number").to_string();
                    return Err(serde::de::Error::custom(reason));
                }
            },
        }))
    }
}

impl From<ResourceLogs> for proto::ResourceLogs {
    fn from(from: ResourceLogs) -> Self {
        proto::ResourceLogs {
            resource: from.resource.map(ProtoResource::from),
            scope_logs: convert(from.scope_logs),
            schema_url: String::new(),
        }
    }
}

impl From<ScopeLogs> for proto::ScopeLogs {
    fn from(from: ScopeLogs) -> Self {
        proto::ScopeLogs {
            scope: from.scope.map(common::InstrumentationScope::from),
            log_records: from.log_records.into_iter().filter_map(Record::read).collect(),
            schema_url: String::new(),
        }
    }
}

impl Record {
    fn read(self) -> Option<proto::LogRecord> {
        match self {
            Record::Read(record) => Some((*record).into()),
            Record::Malformed { .. } => None,
        }
    }
}

impl From<LogRecord> for proto::LogRecord {
    fn from(from: LogRecord) -> Self {
        proto::LogRecord {
            time_unix_nano: from.time_unix_nano.0,
            observed_time_unix_nano: from.observed_time_unix_nano.0,
            severity_number: from.severity_number.0,
            severity_text: from.severity_text,
            body: from.body.map(common::AnyValue::from),
            attributes: convert(from.attributes),
            dropped_attributes_count: from.dropped_attributes_count.0,
            flags: from.flags.0,
            trace_id: from.trace_id.0,
            span_id: from.span_id.0,
            event_name: from.event_name,
        }
    }
}
