//! Elasticsearch as far as log senders use it: `_bulk`, and what Filebeat, Logstash and Fluent Bit ask before they send.
//!
//! The document stays the line, byte for byte. It is stored into a stream with the labels `job="elasticsearch"`, `index` and those
//! fields of it that tell services apart; see [`crate::json_lines`].

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use model::Tenant;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::debug;

use crate::json_lines::Reading;
use crate::log_intake::admission::Admission;
use crate::log_intake::bodies;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

const PROTOCOL: &str = "elasticsearch";
/// The version whose interface is answered; senders refuse to talk to one older than themselves.
const VERSION: &str = "8.19.0";
/// Without this header Elastic's own clients take the server for something else.
const PRODUCT: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-elastic-product"), HeaderValue::from_static("Elasticsearch"));

/// An action line: one key, the action.
#[derive(Deserialize)]
struct Target<'a> {
    #[serde(rename = "_index", borrow, default)]
    index: std::borrow::Cow<'a, str>,
    #[serde(rename = "_id", borrow, default)]
    id: std::borrow::Cow<'a, str>,
}

/// What became of one document.
struct Item {
    action: &'static str,
    index: String,
    id: String,
    /// Its place in the batch, or why it is not there.
    admitted: Result<usize, String>,
}

pub(crate) async fn bulk(
    state: State<Arc<Logs>>,
    tenant: LogTenant,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&state.0, tenant.0, "", &uri, &headers, body).await
}

pub(crate) async fn bulk_into(
    state: State<Arc<Logs>>,
    tenant: LogTenant,
    Path(index): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&state.0, tenant.0, &index, &uri, &headers, body).await
}

async fn answer(logs: &Logs, tenant: Tenant, index: &str, uri: &Uri, headers: &HeaderMap, body: Body) -> Response {
    let counters = &logs.intake.counters;
    let params = Params::parse([uri.query().unwrap_or("").as_bytes()]);
    let mut items = Vec::new();
    let mut malformed = None;
    let taken = bodies::take(&logs.intake, &tenant, headers, body, |bytes, admission| {
        malformed = admit(bytes, index, &params, headers, admission, &mut items).err();
    });
    let refusals = match taken.await {
        Ok(refusals) => refusals,
        Err(failure) => {
            counters.request(PROTOCOL, failure.outcome());
            let mut response = error(failure.status(), "process_cluster_event_exception", &failure.to_string());
            if let Some(seconds) = failure.retry_after_s() {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return response;
        }
    };
    if let Some(reason) = malformed {
        counters.request(PROTOCOL, "malformed");
        return error(StatusCode::BAD_REQUEST, "illegal_argument_exception", &reason);
    }
    counters.request(PROTOCOL, if refusals.is_empty() { "stored" } else { "stored_in_part" });
    if !refusals.is_empty() {
        debug!(%tenant, text = refusals.describe(), "documents refused");
    }
    let described = refusals.describe();
    let items: Vec<Value> = items
        .iter()
        .map(|item| {
            let (status, reason) = match &item.admitted {
                Err(reason) => (400, Some(reason.as_str())),
                Ok(place) => match refusals.of_entry(*place) {
                    None => (201, None),
                    Some(reason) => (if reason.passes() { 429 } else { 400 }, Some(described.as_str())),
                },
            };
            let mut outcome = json!({"_index": item.index, "_id": item.id, "status": status});
            match reason {
                Some(reason) if status == 429 => {
                    outcome["error"] = json!({"type": "es_rejected_execution_exception", "reason": reason});
                }
                Some(reason) => outcome["error"] = json!({"type": "document_parsing_exception", "reason": reason}),
                None => outcome["result"] = json!("created"),
            }
            json!({ item.action: outcome })
        })
        .collect();
    good(&json!({"took": 0, "errors": !refusals.is_empty(), "items": items}))
}

/// Admits all documents; an error ends the reading, and says in which line.
fn admit(
    bytes: &[u8],
    index: &str,
    params: &Params,
    headers: &HeaderMap,
    admission: &mut Admission<'_>,
    items: &mut Vec<Item>,
) -> Result<(), String> {
    let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    let mut reading: Option<(String, Reading)> = None;
    while let Some((line, number)) = lines.next() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let (action, named, id) = action(line).map_err(|reason| {
            format!(
                "Malformed action/metadata line [{number}], expected one of [create, delete, index, update]: {reason}"
            )
        })?;
        let index = if named.is_empty() { index } else { &named };
        let mut item = |admitted| items.push(Item { action, index: index.to_owned(), id: id.clone(), admitted });
        if action == "delete" {
            admission.malformed(0, || "documents are not deleted one by one".to_owned());
            item(Err("documents are not deleted one by one".to_owned()));
            continue;
        }
        let Some((document, number)) = lines.next() else {
            return Err(format!(
                "The bulk request must be terminated by a newline [\\n]: line {number} has no document"
            ));
        };
        let document = document.strip_suffix(b"\r").unwrap_or(document);
        if action == "update" {
            admission.malformed(document.len(), || "documents are not updated".to_owned());
            item(Err("documents are not updated".to_owned()));
            continue;
        }
        if reading.as_ref().is_none_or(|(of, _)| of != index) {
            let mut extra = vec![("job".to_owned(), PROTOCOL.to_owned())];
            if !index.is_empty() {
                extra.push(("index".to_owned(), index.to_owned()));
            }
            reading = Some((index.to_owned(), Reading::new(params, headers, extra)));
        }
        let (_, reading) = reading.as_ref().expect("it was made just before");
        let (before, refused) = (admission.admitted(), admission.refusals.entries());
        match reading.admit(document, admission) {
            Ok(()) if admission.refusals.entries() == refused => item(Ok(before)),
            Ok(()) => item(Err(admission.refusals.last_example())),
            Err(reason) => {
                let reason = format!("line {number}: {reason}");
                admission.malformed(document.len(), || reason.clone());
                item(Err(reason));
            }
        }
    }
    Ok(())
}

/// The action of a line, and the index and the id that it names.
fn action(line: &[u8]) -> Result<(&'static str, String, String), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Action<'a> {
        #[serde(borrow)]
        create: Option<Target<'a>>,
        #[serde(borrow)]
        index: Option<Target<'a>>,
        #[serde(borrow)]
        update: Option<Target<'a>>,
        #[serde(borrow)]
        delete: Option<Target<'a>>,
    }
    let Action { create, index, update, delete } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let found = [("create", create), ("index", index), ("update", update), ("delete", delete)];
    let named = |target: Target<'_>| (target.index.into_owned(), target.id.into_owned());
    let found = found.into_iter().find_map(|(action, target)| Some((action, named(target?))));
    let found = found.map(|(action, (index, id))| (action, index, id));
    found.ok_or_else(|| "it names none".to_owned())
}

fn good(value: &Value) -> Response {
    let mut response = (StatusCode::OK, value.to_string()).into_response();
    mark(&mut response);
    response
}

fn error(status: StatusCode, kind: &str, reason: &str) -> Response {
    let cause = json!({"type": kind, "reason": reason});
    let body = json!({"error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status.as_u16()});
    let mut response = (status, body.to_string()).into_response();
    mark(&mut response);
    response
}

fn mark(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(PRODUCT.0, PRODUCT.1);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// True where a request for `/` comes from a client of Elasticsearch and not from a browser.
pub(crate) fn is_client(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let accept = text(header::ACCEPT);
    let agent = text(header::USER_AGENT).to_ascii_lowercase();
    let is_json = accept.contains("application/json") || accept.contains("application/vnd.elasticsearch+json");
    let is_known =
        ["elastic", "filebeat", "metricbeat", "logstash", "manticore", "fluent"].iter().any(|n| agent.contains(n));
    !accept.contains("text/html") && (is_json || is_known)
}

/// What `/` answers to clients of Elasticsearch.
pub(crate) async fn about() -> Response {
    good(&json!({
        "name": "afferent",
        "cluster_name": "afferent",
        "cluster_uuid": "YWZmZXJlbnQtc2VydmVyMQ",
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": crate::REVISION,
            "build_date": "2025-01-01T00:00:00.000000000Z",
            "build_snapshot": false,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    }))
}

/// What senders ask before they send: all that they want to have set up counts as set up.
pub(crate) fn probes(prefix: &str) -> Router<Arc<Logs>> {
    let at = |path: &str| format!("{prefix}{path}");
    let there = || get(is_there).head(is_there).put(acknowledge).post(acknowledge).delete(acknowledge);
    Router::new()
        .route(&at("/_license"), get(license))
        .route(&at("/_xpack"), get(xpack))
        .route(&at("/_cluster/health"), get(health))
        .route(&at("/_nodes"), get(nodes))
        .route(&at("/_nodes/http"), get(nodes))
        .route(&at("/_nodes/_local"), get(nodes))
        .route(&at("/_cat/indices"), get(is_there))
        .route(&at("/_ilm/policy/{name}"), there())
        .route(&at("/_index_template/{name}"), there())
        .route(&at("/_component_template/{name}"), there())
        .route(&at("/_template/{name}"), there())
        .route(&at("/_ingest/pipeline/{name}"), there())
        .route(&at("/_data_stream/{name}"), there())
        .route(&at("/_alias/{name}"), there())
}

async fn is_there() -> Response {
    good(&json!({}))
}

async fn acknowledge() -> Response {
    good(&json!({"acknowledged": true}))
}

async fn license() -> Response {
    good(&json!({"license": {"status": "active", "uid": "afferent", "type": "basic", "mode": "basic",
        "issued_to": "afferent", "issuer": "afferent"}}))
}

async fn xpack() -> Response {
    good(&json!({
        "build": {"hash": crate::REVISION},
        "license": {"uid": "afferent", "type": "basic", "mode": "basic", "status": "active"},
        "features": {
            "ilm": {"available": true, "enabled": true},
            "monitoring": {"available": true, "enabled": false},
            "security": {"available": true, "enabled": false},
        },
    }))
}

async fn health() -> Response {
    good(&json!({"cluster_name": "afferent", "status": "green", "timed_out": false, "number_of_nodes": 1,
        "number_of_data_nodes": 1}))
}

async fn nodes() -> Response {
    good(&json!({"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": "afferent",
        "nodes": {"afferent": {"name": "afferent", "version": VERSION, "roles": ["data", "ingest", "master"]}}}))
}
