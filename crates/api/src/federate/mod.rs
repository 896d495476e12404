//! `/federate`: the newest sample of each selected series, for another Prometheus to scrape (`web/federate.go`).
//!
//! Staleness markers end a series here as anywhere; what is older than the lookback is left out. Native histograms go out
//! in protobuf only, and those with custom buckets not at all, because `client_model` has no field for their bounds.

mod encode;
mod negotiate;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use model::{
    Matcher, Reservation, SampleBuffer, SampleValue, SelectRequest, SeriesSource, SourceError, Tenant, TimeRange,
    is_stale,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use promql::engine::CancelFlag;
use promql::parser::parse_metric_selector;
use tracing::warn;

use crate::errors::ApiError;
use crate::params::Params;
use crate::queries::{Asked, Client, Times, Turn};
use crate::state::Api;
use crate::tenant::RequestTenant;
use encode::{Newest, Pieces, is_writable};
use negotiate::negotiate;

/// What a sample takes besides its labels, in a list that grows by doubling.
const NEWEST_BYTES: usize = 128;

/// What federation counts, under Prometheus' names.
#[derive(Clone, Debug, Default)]
pub(crate) struct FederationMetrics {
    errors: Counter,
    warnings: Counter,
}

impl FederationMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "prometheus_web_federation_errors",
            "Total number of errors that occurred while sending federation responses.",
            self.errors.clone(),
        );
        registry.register(
            "prometheus_web_federation_warnings",
            "Total number of warnings that occurred while sending federation responses.",
            self.warnings.clone(),
        );
    }
}

/// The handler.
pub(crate) async fn federate(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    client: Client,
    headers: HeaderMap,
    params: Params,
) -> Response {
    let mut sets = Vec::new();
    for selector in params.all("match[]") {
        match parse_metric_selector(selector) {
            Ok(matchers) if matchers.iter().all(Matcher::matches_empty) => {
                return plain(StatusCode::BAD_REQUEST, "match[] must contain at least one non-empty matcher");
            }
            Ok(matchers) => sets.push(matchers),
            Err(fault) => return plain(StatusCode::BAD_REQUEST, &fault.to_string()),
        }
    }
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).take(1).collect();
    let format = negotiate(accept.first().unwrap_or(&""));
    let memory = api.engine().options().memory.open();
    let mut samples = match newest_samples(&api, tenant, client, sets, memory.clone()).await {
        Ok(samples) => samples,
        Err(fault) => {
            api.federation.errors.inc();
            warn!(%fault, "federation failed");
            let mut response = plain(fault.kind.status(), &fault.message);
            if let Some(seconds) = fault.retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
    };
    let all = samples.len();
    samples.retain(|sample| is_writable(sample, format));
    if format.is_protobuf && samples.len() < all {
        api.federation.warnings.inc_by((all - samples.len()) as u64);
    }
    let external = api.parts.config.read().external_labels.clone();
    let pieces = Pieces::new(samples, format, &external, memory).map(Ok::<_, Infallible>);
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    (content_type, Body::from_stream(futures::stream::iter(pieces))).into_response()
}

/// The newest samples by name and labels, stale ones left out.
async fn newest_samples(
    api: &Arc<Api>,
    tenant: Tenant,
    client: Client,
    sets: Vec<Vec<Matcher>>,
    memory: Arc<Reservation>,
) -> Result<Vec<Newest>, ApiError> {
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    let options = api.engine().options().clone();
    let now = api.parts.clock.now();
    let range = TimeRange { start: now.plus_ms(-options.lookback_delta_ms), end: now };
    let source = Arc::clone(&api.parts.source);
    let asked = Asked {
        kind: "federate",
        query: sets.iter().map(|set| selector_text(set)).collect::<Vec<_>>().join(" or "),
        tenant: tenant.clone(),
        times: Times::Instant(now),
        timeout: options.timeout,
        client,
    };
    let work = move |turn: &Turn| {
        let mut found = Vec::new();
        for matchers in &sets {
            let request = SelectRequest { tenant: &tenant, matchers, range, projection: None, memory: Some(&memory) };
            select(source.as_ref(), &request, &memory, &turn.cancel, &mut found)?;
        }
        found.sort_unstable_by(|a, b| {
            let names = a.labels.metric_name().cmp(b.labels.metric_name());
            names.then_with(|| a.labels.cmp(&b.labels))
        });
        found.dedup_by(|a, b| a.labels == b.labels);
        Ok::<_, SourceError>(found)
    };
    let (found, _) = api.active_queries.run(&api.queries, asked, work).await?;
    Ok(found?)
}

fn select(
    source: &dyn SeriesSource,
    request: &SelectRequest<'_>,
    memory: &Reservation,
    cancel: &CancelFlag,
    found: &mut Vec<Newest>,
) -> Result<(), SourceError> {
    let set = source.select(request)?;
    let mut buffer = SampleBuffer::default();
    for index in 0..set.len() {
        if cancel.is_canceled() {
            return Err(SourceError::Canceled);
        }
        buffer.clear();
        set.read_newest(index, request.range, &mut buffer)?;
        let Some((timestamp, value)) = newest(&buffer) else { continue };
        let labels = set.labels(index);
        // Series without a name cannot be exposed.
        if !labels.metric_name().is_empty() {
            let histogram_bytes = match &value {
                SampleValue::Histogram(histogram) => histogram.accounted_bytes(),
                SampleValue::Float(_) => 0,
            };
            memory.take(labels.encoded_len() + NEWEST_BYTES + histogram_bytes)?;
            found.push(Newest { labels, timestamp, value });
        }
    }
    Ok(())
}

fn newest(buffer: &SampleBuffer) -> Option<(i64, SampleValue)> {
    let last = buffer.len().checked_sub(1)?;
    let timestamp = buffer.timestamps[last];
    match buffer.histograms.last().filter(|(row, _)| *row as usize == last) {
        Some((_, histogram)) => {
            (!is_stale(histogram.sum)).then(|| (timestamp, SampleValue::Histogram(Arc::clone(histogram))))
        }
        None => (!is_stale(buffer.values[last])).then(|| (timestamp, SampleValue::Float(buffer.values[last]))),
    }
}

fn selector_text(matchers: &[Matcher]) -> String {
    let texts: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", texts.join(","))
}

/// Go's `http.Error`.
fn plain(status: StatusCode, text: &str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, format!("{text}\n")).into_response()
}
