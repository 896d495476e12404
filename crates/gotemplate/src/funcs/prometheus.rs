//! The functions of Prometheus' rule templates (`template/template.go`), the data they get, and the definitions put before
//! them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::args::{strings, text};
use super::{Call, Funcs, Function, numbers, regexp, title};
use crate::types::Type;
use crate::value::{Field, List, Object, Shape, Value};

/// What Prometheus puts before the template of every label and annotation.
pub const DEFINITIONS: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                               {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// One sample of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, the metric name among them as `__name__`.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

/// Evaluates an instant query at the time of the rule's evaluation.
pub trait Query: Send + Sync {
    /// The samples of the resulting vector, or why there are none to be had.
    fn query(&self, expression: &str) -> Result<Vec<Sample>, String>;
}

/// The functions, bound to a query engine, the time of the evaluation and the external URL.
pub fn functions(query: Arc<dyn Query>, now: model::Timestamp, external_url: &str) -> Funcs {
    let mut funcs = Funcs::new();
    let mut add = |name: &str, function: Function| funcs.insert(name, function);

    add(
        "query",
        Function::new([Type::String], move |_, args| {
            Ok(result(query.query(&text(args, 0))?.into_iter().map(sample).collect()))
        }),
    );
    add(
        "first",
        Function::new([result_type()], |_, args| {
            let list = args[0].as_list();
            let first = list.as_ref().and_then(|list| list.items().first());
            first.cloned().ok_or_else(|| "first() called on vector with no elements".to_owned())
        }),
    );
    add("label", Function::new([Type::String, sample_type()], |_, args| Ok(label(&args[1], &text(args, 0)))));
    add("strvalue", Function::new([sample_type()], |_, args| Ok(label(&args[0], "__value__"))));
    add("value", Function::new([sample_type()], |_, args| Ok(field(&args[0], "Value"))));
    add(
        "sortByLabel",
        Function::new([Type::String, result_type()], |_, args| {
            let name = text(args, 0);
            let mut items = args[1].as_list().map(|list| list.items().to_vec()).unwrap_or_default();
            items.sort_by_cached_key(|item| label(item, &name).as_bytes().map(<[u8]>::to_vec));
            Ok(result(items))
        }),
    );
    add(
        "args",
        Function::variadic([], Type::Interface, |_, args| {
            Ok(Value::map(args.iter().enumerate().map(|(i, arg)| (format!("arg{i}"), arg.clone()))))
        }),
    );

    add("reReplaceAll", re_replace_all());
    add("match", re_match());
    add("safeHtml", Function::new([Type::String], |_, args| Ok(Value::html(text(args, 0).into_owned()))));
    add("title", strings(1, |texts| title::word_title(&texts[0], false)));
    add("toUpper", strings(1, |texts| title::upper(&texts[0])));
    add("toLower", strings(1, |texts| title::lower(&texts[0])));
    add("graphLink", strings(1, |texts| link(&texts[0], 0)));
    add("tableLink", strings(1, |texts| link(&texts[0], 1)));
    add("urlQueryEscape", strings(1, |texts| url_query(&texts[0])));
    add("stripPort", strings(1, |texts| split_host_port(&texts[0]).map_or(&*texts[0], |(host, _)| host).to_owned()));
    add("stripDomain", strings(1, |texts| strip_domain(&texts[0])));

    add("humanize", human(numbers::humanize));
    add("humanize1024", human(numbers::humanize_1024));
    add("humanizeDuration", human(numbers::humanize_duration));
    add("humanizePercentage", human(numbers::humanize_percentage));
    add("humanizeTimestamp", human(numbers::humanize_timestamp));
    add("toTime", Function::new([Type::Interface], |_, args| numbers::to_time(&args[0]).map(Value::Time)));
    add(
        "toDuration",
        Function::new([Type::Interface], |_, args| Ok(Value::Duration((numbers::to_float(&args[0])? * 1e9) as i64))),
    );
    add("parseDuration", Function::new([Type::String], |_, args| parse_duration(&text(args, 0))));
    let seconds = now.seconds();
    add("now", Function::new([], move |_, _| Ok(Value::Float(seconds))));
    let path = url_path(external_url).to_owned();
    add("pathPrefix", Function::new([], move |_, _| Ok(path.as_str().into())));
    let url = external_url.to_owned();
    add("externalURL", Function::new([], move |_, _| Ok(url.as_str().into())));
    funcs
}

/// The data of a label's or annotation's template: `.Labels`, `.ExternalLabels`, `.ExternalURL`, `.Value`.
pub fn alert_data(
    labels: &[(String, String)],
    external_labels: &[(String, String)],
    external_url: &str,
    value: f64,
) -> Value {
    let map = |pairs: &[(String, String)]| Value::string_map(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    Value::object(AlertData {
        labels: map(labels),
        external_labels: map(external_labels),
        external_url: external_url.into(),
        value: Value::Float(value),
    })
}

#[derive(Debug)]
struct AlertData {
    labels: Value,
    external_labels: Value,
    external_url: Value,
    value: Value,
}

impl Object for AlertData {
    fn type_name(&self) -> Cow<'static, str> {
        "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            .into()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            Field::new("Labels", self.labels.clone()),
            Field::new("ExternalLabels", self.external_labels.clone()),
            Field::new("ExternalURL", self.external_url.clone()),
            Field { interface: true, ..Field::new("Value", self.value.clone()) },
        ])
    }
}

#[derive(Debug)]
struct SampleObject {
    labels: Value,
    value: f64,
}

impl Object for SampleObject {
    fn type_name(&self) -> Cow<'static, str> {
        "*template.sample".into()
    }

    fn shape(&self) -> Shape {
        Shape::Struct(vec![
            Field::new("Labels", self.labels.clone()),
            Field { interface: true, ..Field::new("Value", self.value) },
        ])
    }
}

#[derive(Debug)]
struct QueryResult(Arc<List>);

impl Object for QueryResult {
    fn type_name(&self) -> Cow<'static, str> {
        "template.queryResult".into()
    }

    fn shape(&self) -> Shape {
        Shape::List(self.0.clone())
    }
}

fn sample_type() -> Type {
    Type::Named("*template.sample".into())
}

fn result_type() -> Type {
    Type::Named("template.queryResult".into())
}

fn sample(sample: Sample) -> Value {
    Value::object(SampleObject { labels: Value::string_map(sample.labels), value: sample.value })
}

fn result(samples: Vec<Value>) -> Value {
    Value::object(QueryResult(Arc::new(List::new(sample_type(), samples))))
}

fn field(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(object) => object.field(name).map_or(Value::Nil, |field| field.value),
        _ => Value::Nil,
    }
}

fn label(sample: &Value, name: &str) -> Value {
    field(sample, "Labels").as_map().map_or_else(|| "".into(), |labels| labels.get(name.as_bytes()))
}

fn human(write: fn(&Value) -> Result<String, String>) -> Function {
    Function::new([Type::Interface], move |_, args| write(&args[0]).map(Value::from))
}

/// `reReplaceAll pattern replacement text`.
pub(super) fn re_replace_all() -> Function {
    Function::new([Type::String, Type::String, Type::String], |call: &Call, args| {
        let (pattern, replacement, source) = (text(args, 0), text(args, 1), text(args, 2));
        let regex = regexp::compile(&pattern)?;
        replace_regex(call, &regex, &source, &replacement, false)
    })
}

/// Replaces every match; `literal` keeps `$` as it is.
pub(super) fn replace_regex(
    call: &Call,
    regex: &regex::Regex,
    source: &str,
    replacement: &str,
    literal: bool,
) -> Result<Value, String> {
    let mut out = String::with_capacity(source.len());
    let mut from = 0;
    for captures in regex.captures_iter(source) {
        let whole = captures.get(0).expect("group 0 is the match");
        out.push_str(&source[from..whole.start()]);
        if literal {
            out.push_str(replacement)
        } else {
            captures.expand(replacement, &mut out)
        }
        from = whole.end();
        call.reserve(out.len())?;
    }
    out.push_str(&source[from..]);
    Ok(out.into())
}

/// `match pattern text`.
pub(super) fn re_match() -> Function {
    Function::new([Type::String, Type::String], |_, args| {
        Ok(Value::Bool(regexp::compile(&text(args, 0))?.is_match(&text(args, 1))))
    })
}

fn url_query(text: &str) -> String {
    String::from_utf8(crate::exec::url_query(text.as_bytes())).expect("a percent-encoded text is ASCII")
}

fn link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", url_query(expression))
}

fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Go's `net.SplitHostPort`; `None` where the text has no port or no clear one.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let close = inner.find(']')?;
        if close + 2 != colon {
            return None;
        }
        (&inner[..close], &text[colon + 1..])
    } else {
        (&text[..colon], &text[colon + 1..])
    };
    let bare = !text.starts_with('[') && host.contains(':');
    if bare || host.contains(['[', ']']) || port.contains(['[', ']']) { None } else { Some((host, port)) }
}

fn strip_domain(text: &str) -> String {
    let (host, port) = split_host_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let host = host.split('.').next().unwrap_or_default();
    match port {
        "" => host.to_owned(),
        port if host.contains(':') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    }
}

fn parse_duration(text: &str) -> Result<Value, String> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let ms = model::duration::parse_duration_ms(unsigned).map_err(|error| error.to_string())?;
    Ok(Value::Float(sign * ms as f64 / 1000.0))
}

/// For callers without a query engine, such as a check of rule files: every query fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQuery;

impl Query for NoQuery {
    fn query(&self, _expression: &str) -> Result<Vec<Sample>, String> {
        Err("queries are not available here".into())
    }
}
