//! Which entries a deletion with a filter means: the stages of its query, asked of each entry.

use std::sync::Arc;

use ::logs::EntryFilter;
use logql::ast::{Expr, LogExpr};
use logql::{Direction, Engine, EngineOptions, QueryContext, RangeParams, Value};
use model::{Labels, LogBatch, Tenant};

use super::batch_source::BatchSource;

/// Makes a filter of a log query; its selector is the store's business. Stages see structured metadata and what they parse, not
/// the labels of the stream.
pub fn compile_log_filter(text: &str) -> Result<EntryFilter, String> {
    let query = logql::parse_log(text).map_err(|error| error.to_string())?;
    let expr = Expr::Log(LogExpr { matchers: Vec::new(), ..query });
    let engine = Engine::new(EngineOptions::default());
    // What cannot be compiled is told now and not when entries are met.
    means(&engine, &expr, 0, b"", &[]).map_err(|error| error.to_string())?;
    Ok(Arc::new(move |time, line, metadata| means(&engine, &expr, time, line, metadata).unwrap_or(false)))
}

fn means(
    engine: &Engine,
    expr: &Expr,
    time: i64,
    line: &[u8],
    metadata: &[(&str, &str)],
) -> Result<bool, logql::QueryError> {
    let mut batch = LogBatch::new(Tenant::default());
    let stream = batch.add_stream(Labels::empty());
    batch.push(stream, time, line, metadata.iter().copied());
    let end = time.saturating_add(1);
    let params = RangeParams { start: time, end, step: 1, interval: 0, limit: 1, direction: Direction::Forward };
    let source = BatchSource::new(Arc::new(batch));
    let result = engine.query_range(&source, &QueryContext::default(), expr, &params)?;
    Ok(matches!(result.value, Value::Streams(streams) if !streams.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_decide() {
        let filter = compile_log_filter(r#"{app="x"} |= "secret" | json | user="7" | pod="p""#).unwrap();
        let line = br#"{"user":7,"m":"secret"}"#;
        assert!(filter(5, line, &[("pod", "p")]));
        assert!(!filter(5, line, &[("pod", "q")]));
        assert!(!filter(5, br#"{"user":7}"#, &[("pod", "p")]));
        assert!(compile_log_filter("{").is_err() && compile_log_filter(r#"{a="b"} |~ "(""#).is_err());
        assert!(compile_log_filter("rate({a=\"b\"}[1m])").is_err());
    }
}
