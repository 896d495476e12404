//! `/query`: what writers ask before they write. Everything else is PromQL's.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use model::{LabelRequest, Tenant, TimeRange};
use promql::engine::CancelFlag;
use serde_json::{Value, json};

use super::{Dialect, VERSION, VERSION_HEADER, error};
use crate::errors::ApiError;
use crate::params::Params;
use crate::state::Api;
use crate::tenant::RequestTenant;
use crate::ui;

pub(super) async fn answer(
    State(api): State<Arc<Api>>,
    RequestTenant(tenant): RequestTenant,
    request: Request,
) -> Response {
    let is_get = request.method() == Method::GET;
    let headers = request.headers().clone();
    let params = match <Params as axum::extract::FromRequest<()>>::from_request(request, &()).await {
        Ok(params) => params,
        Err(fault) => return error(Dialect::V1, StatusCode::BAD_REQUEST, None, &fault.message),
    };
    if params.get("q").is_empty() {
        // The application's own page lives here, too.
        return match is_get {
            true => ui::page(&headers),
            false => error(Dialect::V1, StatusCode::BAD_REQUEST, None, "missing required parameter \"q\""),
        };
    }
    let mut results = Vec::new();
    for statement in params.get("q").split(';').map(str::trim).filter(|s| !s.is_empty()) {
        match run(&api, &tenant, statement, results.len()).await {
            Ok(Some(result)) => results.push(result),
            Ok(None) => {
                let text = format!(
                    "error parsing query: {statement:?} is not understood; SHOW DATABASES and CREATE DATABASE are, \
                     other questions are asked in PromQL at /api/v1/query"
                );
                return error(Dialect::V1, StatusCode::BAD_REQUEST, None, &text);
            }
            Err(fault) => return error(Dialect::V1, fault.kind.status(), fault.retry_after_s, &fault.message),
        }
    }
    let body = format!("{}\n", json!({ "results": results }));
    ([(header::CONTENT_TYPE, "application/json"), (VERSION_HEADER, VERSION)], body).into_response()
}

/// Answers one statement; `None` where it is not understood.
async fn run(api: &Arc<Api>, tenant: &Tenant, statement: &str, id: usize) -> Result<Option<Value>, ApiError> {
    let words: Vec<String> = statement.split_whitespace().map(str::to_ascii_uppercase).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["SHOW", "DATABASES"] => {
            let names = databases(api, tenant).await?;
            let values: Vec<[String; 1]> = names.into_iter().map(|name| [name]).collect();
            let series = json!([{ "name": "databases", "columns": ["name"], "values": values }]);
            Ok(Some(json!({ "statement_id": id, "series": series })))
        }
        // A database is a label; there is nothing to create.
        ["CREATE", "DATABASE", _, ..] => Ok(Some(json!({ "statement_id": id }))),
        _ => Ok(None),
    }
}

async fn databases(api: &Arc<Api>, tenant: &Tenant) -> Result<Vec<String>, ApiError> {
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let (source, tenant) = (Arc::clone(&api.parts.source), tenant.clone());
    let memory = api.engine().options().memory.open();
    let found = admission.run(CancelFlag::default(), move || {
        let request =
            LabelRequest { tenant: &tenant, matcher_sets: &[], range: TimeRange::ALL, limit: 0, memory: Some(&memory) };
        source.label_values("db", &request)
    });
    Ok(found.await??)
}
