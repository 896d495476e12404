//! Follows a script: keeps the store, evaluates each case in all its variants.

use model::{SampleValue, Timestamp};

use super::compare::{Difference, check_sorted, check_value};
use super::nhcb;
use super::script::{Action, Annotated, Eval, Load, When, commands};
use super::variants::{depends_on_range, pinned};
use super::{Failure, MemorySource, Report, TestingError};
use crate::annotations::Annotations;
use crate::engine::{Engine, QueryContext, QueryError, QueryResult, Value, VectorSample};

const MINUTE: i64 = 60_000;

pub(super) fn run(text: &str, engine: &Engine) -> Report {
    let mut report = Report::default();
    let mut source = MemorySource::new();
    for command in commands(text) {
        let error = match command.action {
            Ok(Action::Clear) => {
                source.clear();
                continue;
            }
            Ok(Action::Load(load)) => match apply(&mut source, load) {
                Ok(()) => continue,
                Err(error) => error,
            },
            Ok(Action::Eval(eval)) => {
                match check(&eval, &source, engine) {
                    Ok(()) => report.passed += 1,
                    Err((expr, (expected, got))) => report.fail(Failure { line: eval.line, expr, expected, got }),
                }
                continue;
            }
            Err(error) => error,
        };
        let expected = "a command that can be followed".to_owned();
        report.fail(Failure { line: command.line, expr: command.text, expected, got: error.to_string() });
    }
    report
}

fn apply(source: &mut MemorySource, load: Load) -> Result<(), TestingError> {
    let native = if load.with_nhcb { nhcb::convert(&load.series)? } else { Vec::new() };
    for (labels, samples) in load.series.into_iter().chain(native) {
        source.append(&labels, samples)?;
    }
    Ok(())
}

type Checked = Result<(), (String, Difference)>;

fn check(eval: &Eval, source: &MemorySource, engine: &Engine) -> Checked {
    match eval.when {
        When::Range { start, end, step } => {
            let result = range(engine, source, &eval.expr, start, end, step);
            check_result(eval, &eval.expr, result).map(|_| ()).map_err(|d| (eval.expr.clone(), d))
        }
        When::Instant(at) => {
            let original = std::iter::once((eval.expr.clone(), at));
            for (query, time) in original.chain(pinned(&eval.expr, at)) {
                check_instant(eval, source, engine, &query, time)
                    .map_err(|d| (if query == eval.expr { query } else { format!("{query} at {time} ms") }, d))?;
            }
            Ok(())
        }
    }
}

fn check_instant(
    eval: &Eval,
    source: &MemorySource,
    engine: &Engine,
    query: &str,
    time: i64,
) -> Result<(), Difference> {
    let result = engine.instant(source, &QueryContext::default(), query, Timestamp(time));
    let Some(value) = check_result(eval, query, result)? else { return Ok(()) };
    if eval.instant_only || depends_on_range(query) {
        return Ok(());
    }
    let result = range(engine, source, query, time - MINUTE, time + MINUTE, MINUTE);
    let as_range = result.map_err(|error| ("an answer in range mode too".to_owned(), error.to_string()))?;
    if eval.ordered {
        return Ok(());
    }
    let Value::Matrix(series) = &as_range.value else {
        return Err(("a matrix in range mode".into(), as_range.value.kind().into()));
    };
    check_sorted(series)?;
    let mut middle = Vec::new();
    for series in series {
        let sample = |value| VectorSample { labels: series.labels.clone(), timestamp: time, value };
        let float = series.floats.iter().find(|(t, _)| *t == time);
        middle.extend(float.map(|(_, v)| sample(SampleValue::Float(*v))));
        let histogram = series.histograms.iter().find(|(t, _)| *t == time);
        middle.extend(histogram.map(|(_, h)| sample(SampleValue::Histogram(h.clone()))));
    }
    let middle = match (&value, middle.first()) {
        (Value::Scalar(..), Some(VectorSample { value: SampleValue::Float(v), .. })) => Value::Scalar(time, *v),
        _ => Value::Vector(middle),
    };
    check_value(eval, &middle).map_err(|(expected, got)| (format!("{expected} in range mode"), got))
}

fn range(
    engine: &Engine,
    source: &MemorySource,
    query: &str,
    start: i64,
    end: i64,
    step: i64,
) -> Result<QueryResult, QueryError> {
    engine.range(source, &QueryContext::default(), query, Timestamp(start), Timestamp(end), step)
}

/// The value, or `None` where the case is about a failure.
fn check_result(
    eval: &Eval,
    query: &str,
    result: Result<QueryResult, QueryError>,
) -> Result<Option<Value>, Difference> {
    let result = match (result, &eval.fail) {
        (Err(error), Some(expected)) => {
            let text = error.to_string();
            return match expected.iter().find(|e| !e.matches(&text)) {
                None => Ok(None),
                Some(unmet) => Err((format!("error {unmet:?}"), text)),
            };
        }
        (Err(error), None) => return Err(("an answer".into(), format!("error: {error}"))),
        (Ok(_), Some(_)) => return Err(("an error".into(), "none".into())),
        (Ok(result), None) => result,
    };
    check_annotations(eval, query, &result.annotations)?;
    check_value(eval, &result.value)?;
    Ok(Some(result.value))
}

fn check_annotations(eval: &Eval, query: &str, annotations: &Annotations) -> Result<(), Difference> {
    let (warnings, infos) = annotations.render(query, 0);
    check_kind("warning", &eval.warn, &warnings)?;
    check_kind("info", &eval.info, &infos)
}

fn check_kind(kind: &str, wanted: &Annotated, got: &[String]) -> Result<(), Difference> {
    if (wanted.some || !wanted.expected.is_empty()) && got.is_empty() {
        return Err((format!("{kind} annotations"), "none".into()));
    }
    if wanted.none && !got.is_empty() {
        return Err((format!("no {kind} annotations"), got.join("; ")));
    }
    if wanted.expected.is_empty() {
        return Ok(());
    }
    if let Some(unmet) = wanted.expected.iter().find(|e| !got.iter().any(|text| e.matches(text))) {
        return Err((format!("{kind} annotation {unmet:?}"), got.join("; ")));
    }
    match got.iter().find(|text| !wanted.expected.iter().any(|e| e.matches(text))) {
        None => Ok(()),
        Some(unexpected) => Err((format!("no other {kind} annotation"), unexpected.clone())),
    }
}
