//! Range answers as columns of numbers instead of JSON, for charts. The format is described in `docs/api.md`.
//!
//! Every series is either dense, a value for each step, or sparse, step numbers and values; whichever is smaller. Values are what
//! JSON would say, bit for bit: nothing is rounded, and absent steps are told from NaN.

mod m4;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use model::{Labels, is_stale, stale_nan};
use promql::engine::{MatrixSeries, Value};
use promql::parser::{ParseOptions, parse};
use serde::Serialize;

use crate::answer::Answer;
use crate::errors::ApiError;
use crate::params::Params;

/// The content type, by which a client asks for the format.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.afferent.columns";
/// `AFC1`.
const MAGIC: [u8; 4] = *b"AFC1";
/// The widest picture.
const MAX_WIDTH: usize = 16_384;

/// The steps of an answer, all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    /// The first step of the query.
    pub(crate) start: i64,
    /// The first step of the answer: later where the client has the others.
    pub(crate) from: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

/// What a client wants of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Pixels of the picture; 0 for every step.
    pub(crate) width: usize,
    /// Steps up to this time are known to the client, in milliseconds.
    pub(crate) since: Option<i64>,
}

#[derive(Serialize)]
struct Head<'a> {
    start: i64,
    from: i64,
    end: i64,
    step: i64,
    steps: usize,
    series: Vec<Series<'a>>,
    warnings: &'a [String],
    infos: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Series<'a> {
    metric: &'a Labels,
    /// Samples that follow; as many as there are steps where the series is dense.
    points: usize,
    dense: bool,
    /// Histograms, which have no place in a column of numbers.
    #[serde(skip_serializing_if = "is_zero")]
    histograms: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Wish {
    /// The wish of a request; `None` where it wants JSON.
    pub(crate) fn read(headers: &HeaderMap, params: &Params) -> Result<Option<Wish>, ApiError> {
        let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        let mut types = accepts.flat_map(|v| v.split(',')).map(|t| t.split(';').next().unwrap_or_default().trim());
        if !types.any(|t| t.eq_ignore_ascii_case(CONTENT_TYPE)) {
            return Ok(None);
        }
        let width = match params.get("width") {
            "" => 0,
            text => text.parse().ok().filter(|w| (1..=MAX_WIDTH).contains(w)).ok_or_else(|| {
                ApiError::parameter("width", format_args!("a number of pixels from 1 to {MAX_WIDTH} is needed"))
            })?,
        };
        let since = match params.get("since") {
            "" => None,
            text => Some(crate::params::parse_time(text).map_err(|e| ApiError::parameter("since", e))?.ms()),
        };
        Ok(Some(Wish { width, since }))
    }
}

impl Grid {
    /// The steps that a client still needs: at least the last one, and all where an answer depends on the first and last step of
    /// the query, or where the picture is made of columns that move with the first step.
    pub(crate) fn new(start: i64, end: i64, step: i64, wish: Wish, query: &str) -> Self {
        let all = Grid { start, from: start, end, step };
        let Some(since) = wish.since.filter(|since| *since >= start && wish.width == 0) else { return all };
        if depends_on_its_range(query) {
            return all;
        }
        let last = (end - start) / step;
        let next = since.saturating_sub(start) / step + 1;
        Grid { from: start + next.min(last) * step, ..all }
    }

    fn steps(&self) -> usize {
        ((self.end - self.from) / self.step) as usize + 1
    }
}

/// True where a step's value may change when the query's first or last step does.
fn depends_on_its_range(query: &str) -> bool {
    // What cannot be read is refused when it is evaluated.
    let Ok(expr) = parse(query, &ParseOptions::default()) else { return true };
    let text = expr.to_string();
    ["start()", "end()", "range()", "limitk"].iter().any(|word| text.contains(word))
}

/// Writes a range query's answer.
pub(crate) fn answer(
    value: &Value,
    grid: Grid,
    wish: Wish,
    stats: Option<Vec<u8>>,
    warnings: &[String],
    infos: &[String],
) -> Answer {
    let Value::Matrix(matrix) = value else {
        return Err(ApiError::bad_data(format!("{CONTENT_TYPE} holds series of numbers, not a {}", value.kind())));
    };
    let steps = grid.steps();
    let stats = stats.map(|stats| serde_json::from_slice(&stats)).transpose();
    let stats = stats.map_err(|e| ApiError::internal(e.to_string()))?;
    let (mut series, mut columns) = (Vec::with_capacity(matrix.len()), Vec::new());
    for one in matrix {
        let points = push_column(one, grid, steps, wish.width, &mut columns);
        series.push(Series { metric: &one.labels, points, dense: points == steps, histograms: one.histograms.len() });
    }
    let Grid { start, from, end, step } = grid;
    let head = Head { start, from, end, step, steps, series, warnings, infos, stats };
    let mut head = serde_json::to_vec(&head).map_err(|e| ApiError::internal(e.to_string()))?;
    // Columns begin at a multiple of eight, so that a client can lay an array of numbers over them.
    while (head.len() + 8) % 8 != 0 {
        head.push(b' ');
    }
    let mut out = Vec::with_capacity(8 + head.len() + columns.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.append(&mut head);
    out.append(&mut columns);
    let mut response: Response = Body::from(out).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    Ok(response)
}

/// Appends one column; answers how many samples it has.
fn push_column(series: &MatrixSeries, grid: Grid, steps: usize, width: usize, out: &mut Vec<u8>) -> usize {
    let mut values = vec![stale_nan(); steps];
    for (at, value) in &series.floats {
        let index = (at - grid.from) / grid.step;
        if let Some(slot) = usize::try_from(index).ok().and_then(|index| values.get_mut(index)) {
            *slot = *value;
        }
    }
    let kept: Vec<u32> = if width > 0 {
        m4::reduce(&values, is_stale, width)
    } else {
        (0_u32..).zip(&values).filter(|(_, v)| !is_stale(**v)).map(|(at, _)| at).collect()
    };
    // A step number takes half as much as a value.
    let sparse_bytes = kept.len().next_multiple_of(2) * 4 + kept.len() * 8;
    if kept.len() >= steps || sparse_bytes >= steps * 8 {
        out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        return steps;
    }
    out.extend(kept.iter().flat_map(|at| at.to_le_bytes()));
    if kept.len() % 2 == 1 {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend(kept.iter().flat_map(|at| values[*at as usize].to_le_bytes()));
    kept.len()
}
