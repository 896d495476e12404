//! `/api/v1/format_query` and `/api/v1/parse_query`.

use promql::parser::{ParseOptions, parse};
use promql::{ast_to_json, prettify};

use crate::answer::{Answer, success};
use crate::errors::ApiError;
use crate::params::Params;

pub(crate) async fn format_query(params: Params) -> Answer {
    let expr = parse(params.get("query"), &ParseOptions::default()).map_err(|e| ApiError::parameter("query", e))?;
    success(&prettify(&expr))
}

pub(crate) async fn parse_query(params: Params) -> Answer {
    let expr = parse(params.get("query"), &ParseOptions::default()).map_err(|e| ApiError::parameter("query", e))?;
    success(&ast_to_json(&expr))
}
