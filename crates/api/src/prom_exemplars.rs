//! `/api/v1/query_exemplars`.

use std::sync::Arc;

use axum::extract::State;
use model::{Exemplar, Matcher, TimeRange};
use promql::ast::selectors;
use promql::engine::CancelFlag;
use promql::parser::{ParseOptions, parse};

use crate::answer::{Answer, success_with};
use crate::errors::ApiError;
use crate::json::{push_labels, push_timestamp, push_value};
use crate::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use crate::state::Api;
use crate::tenant::RequestTenant;

pub(crate) async fn query(State(api): State<Arc<Api>>, tenant: RequestTenant, params: Params) -> Answer {
    let start = params.time_or("start", MIN_TIME_MS)?;
    let end = params.time_or("end", MAX_TIME_MS)?;
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = parse(params.get("query"), &ParseOptions::default()).map_err(|e| ApiError::bad_data(e.to_string()))?;
    let sets: Vec<Vec<Matcher>> = selectors(&expr).into_iter().map(<[Matcher]>::to_vec).collect();
    let admission = api.lookups.admit(api.engine().options().timeout).await?;
    let store = Arc::clone(&api.parts.store);
    let range = TimeRange { start, end };
    let found = admission.run(CancelFlag::default(), move || match sets.is_empty() {
        true => Ok(Vec::new()),
        false => store.exemplars(&tenant.0, &sets, range),
    });
    let found = found.await??;
    Ok(success_with(&[], |out| {
        out.push(b'[');
        for (i, series) in found.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(br#"{"seriesLabels":"#);
            push_labels(out, &series.labels);
            out.extend_from_slice(br#","exemplars":["#);
            for (j, exemplar) in series.exemplars.iter().enumerate() {
                if j > 0 {
                    out.push(b',');
                }
                push_exemplar(out, exemplar);
            }
            out.extend_from_slice(b"]}");
        }
        out.push(b']');
    }))
}

fn push_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    out.extend_from_slice(br#"{"labels":"#);
    push_labels(out, &exemplar.labels);
    out.extend_from_slice(br#","value":"#);
    push_value(out, exemplar.value);
    out.extend_from_slice(br#","timestamp":"#);
    push_timestamp(out, exemplar.timestamp.unwrap_or_default().ms());
    out.push(b'}');
}
