//! `label_replace`, `label_join`, and the labels that `absent` infers.

use model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};
use regex::Regex;

use crate::ast::Expr;
use crate::engine::QueryError;
use crate::eval::Series;

/// The text of a string argument.
pub(crate) fn text_of(expr: &Expr) -> &str {
    match expr.unwrapped() {
        Expr::String(text) => &text.value,
        _ => "",
    }
}

/// Any text but the empty one. Bytes that are not UTF-8 have become U+FFFD when the query was read; they are refused.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('\u{fffd}')
}

/// Changes the labels of a series.
pub(crate) type Relabelling<'a> = Box<dyn FnMut(&mut Series) + 'a>;

/// Sets `dst` to the expanded replacement wherever the whole value of `src` matches. `args` are the five of the call.
pub(crate) fn label_replace(args: &[Expr]) -> Result<Relabelling<'_>, QueryError> {
    let [dst, replacement, src, pattern] = [1, 2, 3, 4].map(|i| text_of(&args[i]));
    let regex = Regex::new(&format!("^(?s:{})$", model::pattern::from_go(pattern)))
        .map_err(|_| QueryError::execution(format!("invalid regular expression in label_replace(): {pattern}")))?;
    if !is_label_name(dst) {
        return Err(QueryError::execution(format!("invalid destination label name in label_replace(): {dst}")));
    }
    let mut value = String::new();
    Ok(Box::new(move |series| {
        if let Some(captures) = regex.captures(series.labels.get(src).unwrap_or("")) {
            value.clear();
            captures.expand(replacement, &mut value);
            set_label(series, dst, &value);
        }
    }))
}

/// Sets `dst` to the values of some labels, joined.
pub(crate) fn label_join(args: &[Expr]) -> Result<Relabelling<'_>, QueryError> {
    let (dst, separator) = (text_of(&args[1]), text_of(&args[2]));
    let sources: Vec<&str> = args[3..].iter().map(text_of).collect();
    if let Some(bad) = sources.iter().find(|s| !is_label_name(s)) {
        return Err(QueryError::execution(format!("invalid source label name in label_join(): {bad}")));
    }
    if !is_label_name(dst) {
        return Err(QueryError::execution(format!("invalid destination label name in label_join(): {dst}")));
    }
    Ok(Box::new(move |series| {
        let values: Vec<&str> = sources.iter().map(|s| series.labels.get(s).unwrap_or("")).collect();
        let value = values.join(separator);
        set_label(series, dst, &value);
    }))
}

fn set_label(series: &mut Series, name: &str, value: &str) {
    let mut builder = series.labels.to_builder();
    builder.set(name, value);
    series.labels = builder.build();
    if name == METRIC_NAME {
        // A name that was given on purpose is not dropped.
        series.drop_name = false;
    }
}

/// The labels that the selector of `absent(...)` pins. A label that is matched twice is left out, unless the pinning matcher
/// comes last; negative matchers that let series without the label pass count as the last ones, because Prometheus' storage
/// moves them there.
pub(crate) fn labels_for_absent(expr: &Expr) -> Labels {
    let Some(selector) = expr.unwrapped().selector() else {
        return Labels::empty();
    };
    let mut labels = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    let negative = |m: &&Matcher| matches!(m.op, MatchOp::NotEqual | MatchOp::NotRegex) && m.matches("");
    let (last, first): (Vec<_>, Vec<_>) = selector.matchers.iter().partition(negative);
    for matcher in first.into_iter().chain(last).filter(|m| m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !seen.contains(&matcher.name.as_str()) {
            labels.set(&matcher.name, &matcher.value);
            seen.push(&matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels.build()
}
