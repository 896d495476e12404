//! OpenTelemetry logs over HTTP and gRPC.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::json;

use super::{NOW, Receiver};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key: key.to_owned(), value }
}

pub(super) fn everything() -> ExportLogsServiceRequest {
    let map = KeyValueList { values: vec![attribute("a.b", text("c"))] };
    let record = LogRecord {
        time_unix_nano: NOW as u64,
        observed_time_unix_nano: NOW as u64 + 5,
        severity_number: 17,
        severity_text: "ERROR".into(),
        body: text("it failed"),
        attributes: vec![
            attribute("http.status", Some(AnyValue { value: Some(Value::IntValue(500)) })),
            attribute("obj", Some(AnyValue { value: Some(Value::KvlistValue(map)) })),
        ],
        dropped_attributes_count: 2,
        flags: 1,
        trace_id: vec![0x5b; 16],
        span_id: vec![0xee; 8],
        event_name: String::new(),
    };
    let scope = InstrumentationScope { name: "lib".into(), version: "1".into(), ..InstrumentationScope::default() };
    let scope_logs = ScopeLogs { scope: Some(scope), log_records: vec![record], schema_url: String::new() };
    let attributes = vec![
        attribute("service.name", text("shop")),
        attribute("k8s.pod.name", text("p1")),
        attribute("custom.attr", text("z")),
    ];
    let resource = Resource { attributes, ..Resource::default() };
    let logs = ResourceLogs { resource: Some(resource), scope_logs: vec![scope_logs], schema_url: String::new() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }
}

#[tokio::test]
async fn all_transports_store_the_same() {
    let message = everything().encode_to_vec();
    let json = serde_json::to_string(&everything()).unwrap();
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    let call = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let json_type = ("content-type", "application/json");
    let grpc_type = ("content-type", "application/grpc");
    for (path, header, body, status) in [
        ("/v1/logs", PROTOBUF, message.clone(), 200),
        ("/otlp/v1/logs", PROTOBUF, message, 204),
        ("/otlp/v1/logs", json_type, json.into_bytes(), 204),
        (call, grpc_type, framed, 200),
    ] {
        let receiver = Receiver::plain();
        let answer = receiver.post(path, &[header], body).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text());
        assert_eq!(
            receiver.stored(),
            [format!(
                "{{k8s_pod_name=\"p1\", service_name=\"shop\"}} {NOW} it failed http_status=500,obj_a_b=c,\
                 observed_timestamp={},severity_number=17,severity_text=ERROR,dropped_attributes_count=2,flags=1,\
                 trace_id={},span_id={},custom_attr=z,scope_name=lib,scope_version=1",
                NOW + 5,
                "5b".repeat(16),
                "ee".repeat(8)
            )]
        );
    }
}

#[tokio::test]
async fn attributes_go_where_the_configuration_wants_them() {
    let receiver = Receiver::new(
        "limits_config:\n  discover_service_name: []\n  discover_log_levels: true\n  otlp_config:\n    severity_text_as_label: true\n    \
         resource_attributes:\n      ignore_defaults: true\n      attributes_config:\n      - {action: index_label, attributes: [custom.attr]}\n      \
         - {action: drop, regex: 'k8s\\..*'}\n    log_attributes:\n    - {action: index_label, attributes: [http.status]}\n",
    );
    assert_eq!(receiver.post("/v1/logs", &[PROTOBUF], everything().encode_to_vec()).await.status, 200);
    let [entry] = &receiver.sink.entries()[..] else { panic!() };
    assert_eq!(entry.labels.to_string(), r#"{custom_attr="z", http_status="500", severity_text="ERROR"}"#);
    let named = |name: &str| entry.metadata.iter().any(|(n, _)| n == name);
    assert!(named("service_name") && !named("k8s_pod_name") && !named("http_status"));
    assert_eq!(entry.metadata.last().unwrap(), &("detected_level".to_owned(), "error".to_owned()));
}

#[tokio::test]
async fn a_record_without_a_time_is_of_now_and_one_of_tomorrow_is_refused() {
    let receiver = Receiver::plain();
    let mut request = everything();
    let records = &mut request.resource_logs[0].scope_logs[0].log_records;
    records[0].time_unix_nano = 0;
    records[0].observed_time_unix_nano = 0;
    records.push(LogRecord {
        time_unix_nano: NOW as u64 + 86_400_000_000_000,
        body: text("soon"),
        ..LogRecord::default()
    });
    let answer = receiver.post("/v1/logs", &[PROTOBUF], request.encode_to_vec()).await;
    assert_eq!(answer.status, 200);
    let partial = ExportLogsServiceResponse::decode(answer.body.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_log_records, 1);
    assert!(partial.error_message.contains("has timestamp too new"), "{}", partial.error_message);
    assert_eq!(receiver.sink.entries()[0].time, NOW);
    assert_eq!(receiver.stored().len(), 1);
}

#[tokio::test]
async fn what_is_not_understood() {
    let receiver = Receiver::plain();
    assert_eq!(receiver.post("/v1/logs", &[("content-type", "text/plain")], "x").await.status, 415);
    assert_eq!(receiver.post("/v1/logs", &[PROTOBUF], vec![0xff; 9]).await.status, 400);
    let answer = receiver.json("/v1/logs", &json!({"resourceLogs": [{"scopeLogs": "none"}]})).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!(3)));
    let named = json!({"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
        "scopeLogs": [{"logRecords": [{"severityNumber": "SEVERITY_NUMBER_WARN", "timeUnixNano": NOW.to_string(), "body": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}]}]});
    assert_eq!(receiver.json("/v1/logs", &named).await.status, 200);
    assert_eq!(receiver.stored(), [format!("{{service_name=\"s\"}} {NOW} [1] severity_number=13")]);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_cost_its_neighbours() {
    let receiver = Receiver::plain();
    let record = |text: &str| json!({"timeUnixNano": NOW.to_string(), "body": {"stringValue": text}});
    let records = json!([record("a"), {"severityNumber": "LOUD"}, record("b"), {"timeUnixNano": "soon"}, null]);
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]});
    let logs = json!({"resource": resource, "scopeLogs": [{"logRecords": records}]});
    let answer = receiver.json("/v1/logs", &json!({"resourceLogs": [logs]})).await;
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedLogRecords"], "3");
    assert!(partial["errorMessage"].as_str().unwrap().contains("\"LOUD\" is no severity number"), "{partial}");
    assert_eq!(receiver.stored().len(), 2);
}
