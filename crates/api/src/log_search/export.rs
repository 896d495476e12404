//! Lines as a file: page by page, so that what is written does not wait for what is still to come, and memory holds one page.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use futures::stream::{self, Stream};
use logql::Direction;
use logql::ast::LogExpr;
use model::{NanoRange, Tenant};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::log_state::Logs;
use crate::loki::LokiError;
use crate::loki::query::Found;

/// Lines that are read at a time.
const PAGE: usize = 5000;
/// The column of the line itself.
const LINE: &str = "line";

/// The forms of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON object a line.
    Ndjson,
    /// Comma-separated, with these columns beside the time.
    Csv(Vec<String>),
}

impl Form {
    /// As `format` or the `Accept` header says; `None` for the usual JSON.
    pub(super) fn of(format: &str, accept: &str, columns: &str) -> Result<Option<Form>, String> {
        let csv = || {
            let named = columns.split(',').map(str::trim).filter(|name| !name.is_empty());
            let mut columns: Vec<String> = named.map(str::to_owned).collect();
            if columns.is_empty() {
                columns = vec!["service_name".to_owned(), "detected_level".to_owned()];
            }
            if !columns.iter().any(|name| name == LINE) {
                columns.push(LINE.to_owned());
            }
            Form::Csv(columns)
        };
        match format {
            "json" => Ok(None),
            "ndjson" => Ok(Some(Form::Ndjson)),
            "csv" => Ok(Some(csv())),
            "" if accept.contains("application/x-ndjson") => Ok(Some(Form::Ndjson)),
            "" if accept.contains("text/csv") => Ok(Some(csv())),
            "" => Ok(None),
            other => Err(format!("format: {other:?} is not known: expected json, ndjson or csv")),
        }
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Form::Ndjson => "application/x-ndjson; charset=utf-8",
            Form::Csv(_) => "text/csv; charset=utf-8",
        }
    }

    fn head(&self) -> String {
        match self {
            Form::Ndjson => String::new(),
            Form::Csv(columns) => csv_row(std::iter::once("time").chain(columns.iter().map(String::as_str))),
        }
    }

    fn line(&self, found: &Found) -> String {
        match self {
            Form::Ndjson => format!("{}\n", object(found)),
            Form::Csv(columns) => {
                let line = String::from_utf8_lossy(&found.line);
                let parsed = fields_of(&found.line);
                let value = |name: &String| -> String {
                    if name == LINE {
                        return line.clone().into_owned();
                    }
                    let all = [&found.labels, &found.metadata, &found.parsed, &parsed];
                    let known = all.into_iter().flatten().find(|(known, _)| known == name);
                    known.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                let values: Vec<String> = columns.iter().map(value).collect();
                csv_row(std::iter::once(time_text(found.time).as_str()).chain(values.iter().map(String::as_str)))
            }
        }
    }
}

/// An entry as JSON: `time`, `timestamp` in nanoseconds, `labels`, `fields` where it has any, and `line`.
pub(super) fn object(found: &Found) -> Value {
    let map = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect()
    };
    let mut fields = map(&found.metadata);
    fields.extend(map(&found.parsed));
    let mut object = Map::new();
    object.insert("time".into(), time_text(found.time).into());
    object.insert("timestamp".into(), found.time.to_string().into());
    object.insert("labels".into(), map(&found.labels).into());
    if !fields.is_empty() {
        object.insert("fields".into(), fields.into());
    }
    object.insert(LINE.into(), String::from_utf8_lossy(&found.line).into_owned().into());
    object.into()
}

/// Fields of a JSON or logfmt line, as queries name them.
fn fields_of(line: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut scratch = logfields::Scratch::default();
    let add = |name: &str, value: &str| {
        fields.push((name.to_owned(), value.to_owned()));
        std::ops::ControlFlow::Continue(())
    };
    // What cannot be read to its end has the fields up to there.
    if line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        let _ = logfields::json(line, &mut scratch, add);
    } else {
        let _ = logfields::logfmt(line, logfields::LogfmtOptions::default(), &mut scratch, add);
    }
    fields
}

fn time_text(nanoseconds: i64) -> String {
    DateTime::from_timestamp_nanos(nanoseconds).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// RFC 4180. A value that a spreadsheet would run as a formula is not changed: the file is data first.
fn csv_row<'v>(values: impl Iterator<Item = &'v str>) -> String {
    let quoted = values.map(|value| match value.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value.to_owned(),
    });
    let mut row = quoted.collect::<Vec<_>>().join(",");
    row.push_str("\r\n");
    row
}

/// What is left to be read.
struct Pages {
    logs: Arc<Logs>,
    tenant: Tenant,
    search: LogExpr,
    range: NanoRange,
    direction: Direction,
    left: usize,
    /// Entries of the instant at which the last page ended.
    seen: HashSet<u64>,
    form: Form,
    ready: VecDeque<Bytes>,
    is_over: bool,
}

/// The file, piece by piece: `limit` lines of the search, or all of them.
pub(super) async fn file(
    logs: Arc<Logs>,
    tenant: Tenant,
    search: LogExpr,
    range: NanoRange,
    direction: Direction,
    limit: Option<usize>,
    form: Form,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send, LokiError> {
    let ready = VecDeque::from([Bytes::from(form.head())]);
    let left = limit.unwrap_or(usize::MAX);
    let mut pages =
        Pages { logs, tenant, search, range, direction, left, seen: HashSet::new(), form, ready, is_over: false };
    // The first page is read before the answer begins, so that what is wrong with a search is said with a status.
    pages.next_page().await?;
    Ok(stream::try_unfold(pages, |mut pages| async move {
        loop {
            if let Some(piece) = pages.ready.pop_front() {
                return Ok(Some((piece, pages)));
            }
            if pages.is_over {
                return Ok(None);
            }
            pages.next_page().await.map_err(io::Error::other)?;
        }
    }))
}

impl Pages {
    /// Reads a page. It begins at the instant at which the last one ended, for several lines may share it, and leaves out what was
    /// given. More lines of one nanosecond than a page holds are the one thing that is passed over.
    async fn next_page(&mut self) -> Result<(), LokiError> {
        let limit = PAGE.min(self.left).saturating_add(self.seen.len());
        let found = super::find(&self.logs, &self.tenant, &self.search, self.range, limit, self.direction).await?;
        let mut text = String::new();
        let mut fresh = 0;
        for entry in &found {
            if fresh < self.left && !self.seen.contains(&identity(entry)) {
                text.push_str(&self.form.line(entry));
                fresh += 1;
            }
        }
        self.left -= fresh;
        self.ready.push_back(text.into());
        let Some(last) = found.last().filter(|_| found.len() >= limit && self.left > 0) else {
            self.is_over = true;
            return Ok(());
        };
        let edge = last.time;
        match self.direction {
            Direction::Backward => self.range.end = if fresh == 0 { edge } else { edge.saturating_add(1) },
            Direction::Forward => self.range.start = if fresh == 0 { edge.saturating_add(1) } else { edge },
        }
        self.seen = found.iter().filter(|entry| entry.time == edge).map(identity).collect();
        self.is_over = self.range.start >= self.range.end;
        Ok(())
    }
}

fn identity(entry: &Found) -> u64 {
    let mut bytes = entry.line.clone();
    for (name, value) in &entry.labels {
        bytes.push(0xff);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0xff);
        bytes.extend_from_slice(value.as_bytes());
    }
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Found {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Found {
            time: 1_700_000_000_123_456_789,
            line: line.as_bytes().to_vec(),
            labels: vec![pair("app", "a,b")],
            metadata: vec![pair("trace_id", "7")],
            parsed: Vec::new(),
        }
    }

    #[test]
    fn forms_of_a_line() {
        let form = |format: &str, columns: &str| Form::of(format, "", columns).unwrap().unwrap();
        let line = form("ndjson", "").line(&found("x"));
        let expected = serde_json::json!({
            "time": "2023-11-14T22:13:20.123456789Z", "timestamp": "1700000000123456789", "labels": {"app": "a,b"},
            "fields": {"trace_id": "7"}, "line": "x",
        });
        assert_eq!(serde_json::from_str::<Value>(line.strip_suffix('\n').unwrap()).unwrap(), expected);
        let csv = form("csv", "app, trace_id, user_id");
        assert_eq!(csv.head(), "time,app,trace_id,user_id,line\r\n");
        assert_eq!(
            csv.line(&found("{\"user\":{\"id\":5}}")),
            "2023-11-14T22:13:20.123456789Z,\"a,b\",7,5,\"{\"\"user\"\":{\"\"id\"\":5}}\"\r\n"
        );
        assert_eq!(
            Form::of("", "text/csv", "").unwrap().map(|form| form.content_type()),
            Some("text/csv; charset=utf-8")
        );
        assert_eq!(Form::of("", "*/*", ""), Ok(None));
        assert!(Form::of("xml", "", "").is_err());
    }
}
