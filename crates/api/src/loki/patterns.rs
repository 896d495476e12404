//! `patterns`: how many lines look like what, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use logql::patterns::{Drain, PatternOptions};
use model::{Column, NanoRange, Tenant};
use serde_json::json;

use super::answer::{Answer, LokiError, json as json_answer};
use super::lookup::{self, Reading};
use super::measure::places;
use super::times;
use crate::log_state::{LogTenant, Logs};
use crate::params::Params;

/// Lines that are read, the newest of each page first; of more a share is told.
const MAX_LINES: usize = 200_000;
/// Bytes of a line that are looked at.
const MAX_LINE: usize = 4096;
/// The shortest step, in nanoseconds.
const MIN_STEP: i64 = 10_000_000_000;
/// Patterns of an answer.
const MAX_PATTERNS: usize = 300;

/// What lines of each level look like.
type Drains = BTreeMap<String, Drain>;

pub(crate) async fn patterns(State(logs): State<Arc<Logs>>, tenant: LogTenant, params: Params) -> Answer {
    let range = times::ordered_bounds(&params, logs.intake.now())?;
    let step = times::step(&params, range)?.max(MIN_STEP);
    let text = params.get("query");
    if text.is_empty() {
        return Err(LokiError::bad("parse error : syntax error: unexpected $end"));
    }
    let matchers = logql::parse_log(text).map_err(|error| LokiError::bad(error.to_string()))?.matchers;
    let drains = lookup::run(&logs, move |reading| learn(reading, &tenant.0, &matchers, range, step)).await?;
    let mut found: Vec<(u64, serde_json::Value)> = Vec::new();
    for (level, drain) in &drains {
        found.extend(drain.patterns().into_iter().map(|found| {
            let samples: Vec<(i64, u64)> =
                found.samples.iter().map(|(time, lines)| (time / 1_000_000_000, *lines)).collect();
            (found.total, json!({"pattern": found.pattern, "level": level, "samples": samples}))
        }));
    }
    found.sort_by_key(|(lines, _)| std::cmp::Reverse(*lines));
    let data: Vec<_> = found.into_iter().take(MAX_PATTERNS).map(|(_, pattern)| pattern).collect();
    Ok(json_answer(json!({"status": "success", "data": data}).to_string()))
}

fn learn(
    reading: &Reading,
    tenant: &Tenant,
    matchers: &[model::Matcher],
    range: NanoRange,
    step: i64,
) -> Result<Drains, LokiError> {
    let streams = reading.select(tenant, matchers, range)?;
    let mut pages = Vec::new();
    for index in 0..streams.len() {
        pages.extend(streams.pages(index)?);
    }
    pages.sort_by_key(|page| std::cmp::Reverse(page.info().last));
    let mut drains = Drains::new();
    let mut lines_left = MAX_LINES;
    for page in pages {
        reading.check()?;
        let (times, lines, metadata) = (page.timestamps()?, page.lines()?, page.metadata()?);
        let levels = metadata.iter().find(|column| &*column.name == "detected_level").map(|column| &column.values);
        let inside = places(&times, range);
        let taken = inside.len().min(lines_left);
        lines_left -= taken;
        for at in inside.end - taken..inside.end {
            let level = match levels {
                Some(Column::Dictionary { values, codes }) => values.get(codes[at] as usize).map_or("", |value| value),
                _ => "",
            };
            let level = if level.is_empty() { "unknown" } else { level };
            if !drains.contains_key(level) {
                let options = PatternOptions { resolution: step, ..PatternOptions::default() };
                drains.insert(level.to_owned(), Drain::new(options));
            }
            if let Some(drain) = drains.get_mut(level) {
                let line = lines.get(at);
                drain.learn(times[at], &String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]));
            }
        }
        if lines_left == 0 {
            break;
        }
    }
    Ok(drains)
}
