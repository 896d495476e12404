//! The OTLP receiver: cases as data, transports, hostile bytes, deltas through failures, and OpenTelemetry's own senders.

mod cases;
mod deltas;
pub(crate) mod fuzz;
mod senders;
mod transport;

use std::sync::Arc;

use api::{Otlp, otlp_router};
use axum::Router;
use axum::body::Body;
use config::OtlpConfig;
use http::Request;
use model::{ManualClock, Timestamp};
use tower::ServiceExt;

use crate::remote_write::memory_sink::MemorySink;
use crate::support::Answer;

/// A receiver in front of a memory sink.
struct Receiver {
    sink: MemorySink,
    router: Router,
}

impl Receiver {
    fn new(config: OtlpConfig) -> Receiver {
        Receiver::with_memory(config, 256 << 20)
    }

    fn with_memory(config: OtlpConfig, bytes: u64) -> Receiver {
        let sink = MemorySink::default();
        let clock = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000)));
        let receiver = Otlp::new(Arc::new(sink.clone()), clock, bytes);
        Receiver { sink, router: otlp_router(receiver, config) }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router never fails");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn post(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post("/v1/metrics").header("content-type", content_type);
        self.send(request.body(body.into()).expect("a request")).await
    }
}
