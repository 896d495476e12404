//! `google.rpc.Status` and its `RetryInfo`: what OTLP answers where a request failed, in protobuf and in JSON.

use prost::Message;
use serde_json::{Value, json};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A failure as OTLP tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: tonic::Code,
    pub(super) message: String,
    /// Seconds after which the same request may succeed; `None` where it never will.
    pub(super) retry_after_s: Option<u32>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Duration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Failure {
    /// The message in protobuf.
    pub(super) fn protobuf(&self) -> Vec<u8> {
        let delay = |seconds: u32| Duration { seconds: i64::from(seconds), nanos: 0 };
        let info = self.retry_after_s.map(|seconds| RetryInfo { retry_delay: Some(delay(seconds)) });
        let details = info.map(|info| Any { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() });
        let status =
            Status { code: self.code as i32, message: self.message.clone(), details: details.into_iter().collect() };
        status.encode_to_vec()
    }

    /// The message in JSON.
    pub(super) fn json(&self) -> Value {
        let mut status = json!({"code": self.code as i32, "message": self.message});
        if let Some(seconds) = self.retry_after_s {
            status["details"] = json!([{"@type": RETRY_INFO, "retryDelay": format!("{seconds}s")}]);
        }
        status
    }
}
