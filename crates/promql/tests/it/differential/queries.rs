//! Random queries that are well typed, know the labels of what they select, and keep to the language of Prometheus 3.5.

mod calls;

use rand::RngExt;

use self::calls::{float_call, histogram_call, other_call};
use super::data::{END, Kind, METRICS, START};
use crate::generate::Rng;

/// When a query is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// At one time, in milliseconds.
    Instant(i64),
    /// Start, end and step in milliseconds.
    Range(i64, i64, i64),
}

/// One question to both sides.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) query: String,
    pub(super) when: When,
    pub(super) lookback_ms: Option<i64>,
}

/// A random question.
pub(super) fn question(rng: &mut Rng) -> Question {
    let depth = pick(rng, &[1, 2, 2, 3]);
    let instant = chance(rng, 50);
    let query = match rng.random_range(0..40) {
        0 => scalar(rng, depth),
        1 if instant => r#""some \"text\"""#.to_owned(),
        2 | 3 if instant => matrix(rng, depth).text,
        // Not below a call or an aggregation, where the versions let annotations point before and behind the parenthesis.
        4 => format!("(({}))", vector(rng, depth).text),
        _ => vector(rng, depth).text,
    };
    let when = if instant {
        let at = rng.random_range(START - 60_000..END + 400_000);
        When::Instant(if chance(rng, 50) { at / 1000 * 1000 } else { at })
    } else {
        let step = pick(rng, &[1000, 7000, 15_000, 30_000, 60_000, 61_300, 300_000]);
        let start = rng.random_range(START - 120_000..END);
        let span = step * rng.random_range(0..40) + rng.random_range(0..step);
        When::Range(start, start + span, step)
    };
    let lookback_ms = pick(rng, &[None, None, None, Some(15_000), Some(60_000), Some(600_000)]);
    Question { query, when, lookback_ms }
}

/// A vector-valued expression and what is known of its result.
#[derive(Clone)]
struct Operand {
    text: String,
    /// Labels that its series have, the name excepted.
    labels: Vec<&'static str>,
    /// The kind of its samples, roughly.
    kind: Kind,
}

impl Operand {
    fn map(self, text: String) -> Operand {
        Operand { text, ..self }
    }

    fn float(self, text: String) -> Operand {
        let kind = if self.kind == Kind::Buckets { Kind::Buckets } else { Kind::Gauge };
        Operand { text, kind, ..self }
    }
}

fn pick<T: Clone>(rng: &mut Rng, options: &[T]) -> T {
    options[rng.random_range(0..options.len())].clone()
}

fn chance(rng: &mut Rng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

fn number(rng: &mut Rng) -> String {
    let usual = ["0", "1", "2", "0.5", "-1", "3.7", "10", "1e3", "0x1F", "5m"];
    let odd = ["NaN", "Inf", "-Inf", "-0", "1e-320"];
    if chance(rng, 88) { pick(rng, &usual).to_owned() } else { pick(rng, &odd).to_owned() }
}

fn scalar(rng: &mut Rng, depth: u32) -> String {
    match rng.random_range(0..10) {
        0 | 1 => pick(rng, &["time()", "pi()"]).to_owned(),
        2 if depth > 0 => format!("scalar({})", vector(rng, depth - 1).text),
        3 if depth > 0 => format!("scalar(sum({}))", vector(rng, depth - 1).text),
        4 if depth > 0 => {
            let op = pick(rng, &["+", "-", "*", "/", "%", "^", "atan2", "== bool", "< bool"]);
            format!("({} {op} {})", scalar(rng, depth - 1), scalar(rng, depth - 1))
        }
        5 => format!("-({})", number(rng)),
        _ => number(rng),
    }
}

/// A duration as written between brackets or after `offset`.
fn duration(rng: &mut Rng) -> String {
    let plain = ["47s", "1m", "90", "2m", "3m20s", "5m", "5m", "10m", "16m", "40m"];
    let calculated = ["2 * 1m", "5m - 20s", "(3m + 1m) * 2", "2 ^ 3 * 10s", "9m / 2", "7m % 4m", "-(-3m)"];
    if chance(rng, 92) { pick(rng, &plain).to_owned() } else { pick(rng, &calculated).to_owned() }
}

fn offset(rng: &mut Rng) -> String {
    match rng.random_range(0..100) {
        0..10 => format!(" offset {}", pick(rng, &["30s", "5m", "1m30s", "20m", "(2 * 1m)", "(3m - 1s)"])),
        10..14 => format!(" offset -{}", pick(rng, &["30s", "5m", "1m30s"])),
        _ => String::new(),
    }
}

fn at(rng: &mut Rng) -> String {
    match rng.random_range(0..100) {
        0..3 => " @ start()".to_owned(),
        3..6 => " @ end()".to_owned(),
        6..12 => format!(" @ {}", rng.random_range(START..END) as f64 / 1000.0),
        _ => String::new(),
    }
}

fn modifiers(rng: &mut Rng) -> String {
    if chance(rng, 50) { at(rng) + &offset(rng) } else { offset(rng) + &at(rng) }
}

/// A selector without modifiers, of a metric that `wanted` approves.
fn bare_selector(rng: &mut Rng, wanted: impl Fn(Kind) -> bool) -> Operand {
    let metrics: Vec<_> = METRICS.iter().filter(|m| wanted(m.kind)).collect();
    let metric = metrics[rng.random_range(0..metrics.len())];
    let mut matchers = Vec::new();
    for _ in 0..pick(rng, &[0, 0, 1, 1, 2]) {
        let (name, values) = metric.labels[rng.random_range(0..metric.labels.len())];
        let (value, other) = (pick(rng, values), pick(rng, values));
        let name = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
        let prefix = &value[..1].replace('+', ".");
        matchers.push(match rng.random_range(0..9) {
            0 | 1 => format!("{name}=\"{value}\""),
            2 => format!("{name}!=\"{value}\""),
            3 => format!("{name}=~\"{}|{}\"", value.replace('+', "[+]"), other.replace('+', "[+]")),
            4 => format!("{name}=~\"{prefix}.*\""),
            5 => format!("{name}!~\"{prefix}.+\""),
            6 => format!("{name}!=\"\""),
            7 => "nothing=\"\"".to_owned(),
            _ => format!("{name}=~\".+\""),
        });
    }
    let pattern = metric.name.split_once('_').map_or("odd|level", |(word, _)| word);
    let text = match rng.random_range(0..30) {
        _ if metric.name.contains('.') => {
            matchers.insert(0, format!("\"{}\"", metric.name));
            format!("{{{}}}", matchers.join(","))
        }
        0 => {
            matchers.push(format!("__name__=~\"{pattern}.*\""));
            format!("{{{}}}", matchers.join(","))
        }
        1 => {
            matchers.push(format!("__name__=~\"{}|level\"", metric.name));
            format!("{{{}}}", matchers.join(","))
        }
        _ if matchers.is_empty() => metric.name.to_owned(),
        _ => format!("{}{{{}}}", metric.name, matchers.join(",")),
    };
    Operand { text, labels: metric.labels.iter().map(|(name, _)| *name).collect(), kind: metric.kind }
}

fn selector_of(rng: &mut Rng, wanted: impl Fn(Kind) -> bool) -> Operand {
    let bare = bare_selector(rng, wanted);
    let text = format!("{}{}", bare.text, modifiers(rng));
    bare.map(text)
}

fn selector(rng: &mut Rng) -> Operand {
    selector_of(rng, |_| true)
}

fn range_of(rng: &mut Rng, wanted: impl Fn(Kind) -> bool) -> Operand {
    let bare = bare_selector(rng, wanted);
    let text = format!("{}[{}]{}", bare.text, duration(rng), modifiers(rng));
    bare.map(text)
}

fn subquery(rng: &mut Rng, depth: u32) -> Operand {
    let inner = vector(rng, depth.saturating_sub(1));
    let step = pick(rng, &["", "30s", "1m", "47s", "2m", "2 * 1m"]);
    let range = pick(rng, &["2m", "5m", "11m", "20m"]);
    let text = format!("({})[{range}:{step}]{}", inner.text, modifiers(rng));
    inner.map(text)
}

fn matrix(rng: &mut Rng, depth: u32) -> Operand {
    if depth > 0 && chance(rng, 20) { subquery(rng, depth) } else { range_of(rng, |_| true) }
}

fn vector(rng: &mut Rng, depth: u32) -> Operand {
    if depth == 0 {
        return selector(rng);
    }
    match rng.random_range(0..100) {
        0..6 => selector(rng),
        6..24 => aggregate(rng, depth),
        24..46 => range_call(rng, depth),
        46..68 => binary(rng, depth),
        68..78 => float_call(rng, depth),
        78..91 => histogram_call(rng, depth),
        91..97 => other_call(rng, depth),
        97 => {
            let inner = vector(rng, depth - 1);
            let text = format!("-({})", inner.text);
            inner.map(text)
        }
        98 => {
            let text = format!("vector({})", scalar(rng, depth - 1));
            Operand { text, labels: Vec::new(), kind: Kind::Gauge }
        }
        _ => selector(rng),
    }
}

fn quoted_if_needed(name: &str) -> String {
    if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|n| quoted_if_needed(n)).collect::<Vec<_>>().join(", ")
}

/// Some of these labels.
fn subset(rng: &mut Rng, labels: &[&'static str]) -> Vec<&'static str> {
    labels.iter().copied().filter(|_| chance(rng, 50)).collect()
}

/// A vector whose series come in an order that does not depend on chance, as it does in Prometheus after a binary operation.
fn orderly(rng: &mut Rng) -> Operand {
    if chance(rng, 50) {
        return selector(rng);
    }
    let range = range_of(rng, |_| true);
    let text = format!("{}({})", pick(rng, &["rate", "increase", "changes", "last_over_time"]), range.text);
    range.map(text)
}

fn aggregate(rng: &mut Rng, depth: u32) -> Operand {
    let usual = ["sum", "sum", "avg", "avg", "count", "min", "max", "group", "stddev", "stdvar"];
    let with_parameter = ["topk", "bottomk", "quantile", "count_values", "limitk", "limit_ratio"];
    let op = if chance(rng, 60) { pick(rng, &usual) } else { pick(rng, &with_parameter) };
    let depends_on_order = matches!(op, "topk" | "bottomk" | "limitk");
    let inner = match op {
        _ if depends_on_order => orderly(rng),
        // The last digits of a value are not promised, but here they become labels.
        "count_values" => {
            let inner = vector(rng, depth - 1);
            let text = format!("clamp(round({}, 0.125), -1e6, 1e6)", inner.text);
            inner.float(text)
        }
        _ => vector(rng, depth - 1),
    };
    let parameter = match op {
        "topk" | "bottomk" | "limitk" if chance(rng, 95) => pick(rng, &["1, ", "2, ", "3, ", "5, ", "0, "]).to_owned(),
        "quantile" => pick(rng, &["0, ", "0.5, ", "0.9, ", "1, ", "0.33, ", "-1, ", "2, ", "NaN, "]).to_owned(),
        "limit_ratio" => pick(rng, &["0.5, ", "-0.5, ", "0.2, ", "1, ", "-0.9, ", "0, ", "2, "]).to_owned(),
        "count_values" => pick(rng, &["\"value\", ", "\"job\", ", "\"a value\", "]).to_owned(),
        "topk" | "bottomk" | "limitk" => format!("{}, ", scalar(rng, depth - 1)),
        _ => String::new(),
    };
    let mut chosen = subset(rng, &inner.labels);
    if chance(rng, 5) {
        chosen.push("nowhere");
    }
    let without = chance(rng, 35);
    let clause = match (chosen.is_empty() && chance(rng, 70), without) {
        (true, _) => String::new(),
        (_, true) => format!(" without ({})", list(&chosen)),
        (_, false) => format!(" by ({})", list(&chosen)),
    };
    let labels: Vec<_> = if matches!(op, "topk" | "bottomk" | "limitk" | "limit_ratio") {
        inner.labels.clone()
    } else if clause.is_empty() {
        Vec::new()
    } else {
        inner.labels.iter().copied().filter(|l| chosen.contains(l) != without).collect()
    };
    let body = format!("({parameter}{})", inner.text);
    let text = if chance(rng, 50) { format!("{op}{clause} {body}") } else { format!("{op} {body}{clause}") };
    let summed = matches!(op, "sum" | "avg" | "topk" | "bottomk" | "limitk" | "limit_ratio");
    let kind = if summed { inner.kind } else { Kind::Gauge };
    Operand { text, labels, kind }
}

fn range_call(rng: &mut Rng, depth: u32) -> Operand {
    let rates = ["rate", "rate", "increase", "delta", "irate", "idelta", "changes", "resets"];
    let over_time = [
        "avg",
        "sum",
        "count",
        "last",
        "present",
        "min",
        "max",
        "stddev",
        "stdvar",
        "mad",
        "ts_of_max",
        "ts_of_min",
        "ts_of_last",
        "absent",
    ];
    let function = match rng.random_range(0..20) {
        0..10 => pick(rng, &rates).to_owned(),
        10..17 => format!("{}_over_time", pick(rng, &over_time)),
        17 => "quantile_over_time".to_owned(),
        18 => pick(rng, &["deriv", "predict_linear"]).to_owned(),
        _ => "double_exponential_smoothing".to_owned(),
    };
    let takes_histograms = rates.contains(&function.as_str())
        || ["avg_", "sum_", "count_", "last_", "present_"].iter().any(|p| function.starts_with(p));
    let range = if chance(rng, 12) {
        subquery(rng, depth)
    } else if takes_histograms || chance(rng, 10) {
        range_of(rng, |_| true)
    } else {
        range_of(rng, |kind| !kind.is_histogram() || kind == Kind::Mixed)
    };
    let arguments = match function.as_str() {
        "quantile_over_time" => format!("{}, {}", pick(rng, &["0.5", "0.9", "0", "1", "-1", "NaN"]), range.text),
        "predict_linear" => format!("{}, {}", range.text, pick(rng, &["600", "-60", "0", "1e3"])),
        "double_exponential_smoothing" => format!("{}, {}, 0.3", range.text, pick(rng, &["0.5", "0.1", "0.9", "1"])),
        _ => range.text.clone(),
    };
    let text = format!("{function}({arguments})");
    let same = ["rate", "increase", "delta", "irate", "idelta", "avg_over_time", "sum_over_time", "last_over_time"];
    let kind = if same.contains(&function.as_str()) { range.kind } else { Kind::Gauge };
    Operand { text, kind, ..range }
}

fn binary(rng: &mut Rng, depth: u32) -> Operand {
    let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2", "+", "-", "/"];
    let comparison = ["==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool", "!= bool"];
    let op = if chance(rng, 65) { pick(rng, &arithmetic) } else { pick(rng, &comparison) };
    let left = vector(rng, depth - 1);
    match rng.random_range(0..20) {
        0..4 => {
            let text = format!("({}) {op} {}", left.text, scalar(rng, depth - 1));
            left.map(text)
        }
        4..6 => {
            let text = format!("{} {op} ({})", scalar(rng, depth - 1), left.text);
            left.map(text)
        }
        6..9 => {
            let set = pick(rng, &["and", "or", "unless"]);
            let right = if chance(rng, 60) { altered(rng, &left) } else { vector(rng, depth - 1) };
            let shared: Vec<_> = left.labels.iter().copied().filter(|l| right.labels.contains(l)).collect();
            let clause = match rng.random_range(0..3) {
                0 => String::new(),
                1 => format!(" on ({})", list(&subset(rng, &shared))),
                _ => format!(" ignoring ({})", list(&subset(rng, &left.labels))),
            };
            let text = format!("({}) {set}{clause} ({})", left.text, right.text);
            left.map(text)
        }
        // The same series on both sides, perhaps at other times.
        9..13 => {
            let right = altered(rng, &left);
            let clause = match rng.random_range(0..4) {
                0 => format!(" on ({})", list(&left.labels)),
                1 => " ignoring (nowhere)".to_owned(),
                _ => String::new(),
            };
            let text = format!("({}) {op}{clause} ({})", left.text, right.text);
            left.map(text)
        }
        // Many series meet an aggregate of themselves or of others.
        13..18 => {
            let other = if chance(rng, 50) { left.clone() } else { vector(rng, depth - 1) };
            let shared: Vec<_> = left.labels.iter().copied().filter(|l| other.labels.contains(l)).collect();
            let on = subset(rng, &shared);
            let aggregate = pick(rng, &["sum", "avg", "max", "count"]);
            let one = format!("{aggregate} by ({}) ({})", list(&on), other.text);
            let include = if chance(rng, 20) { "nowhere" } else { "" };
            let text = if chance(rng, 50) {
                format!("({}) {op} on ({}) group_left ({include}) {one}", left.text, list(&on))
            } else {
                format!("{one} {op} on ({}) group_right ({include}) ({})", list(&on), left.text)
            };
            left.map(text)
        }
        18 => {
            let info = pick(rng, &["target_info", "node_info"]);
            let (on, label) = if info == "target_info" { ("instance, job", "region") } else { ("instance", "version") };
            let text = format!("({}) * on ({on}) group_left ({label}) {info}", left.text);
            left.map(text)
        }
        _ => {
            let right = vector(rng, depth - 1);
            let text = format!("({}) {op} ({})", left.text, right.text);
            left.map(text)
        }
    }
}

/// A vector with the same labels as another, most of the time.
fn altered(rng: &mut Rng, other: &Operand) -> Operand {
    let text = match rng.random_range(0..6) {
        0 => format!("({}) * 2", other.text),
        1 => format!("-({})", other.text),
        2 => format!("({}) > {}", other.text, number(rng)),
        3 => format!("limit_ratio(0.5, {})", other.text),
        4 => return selector_of(rng, |kind| kind.is_histogram() == other.kind.is_histogram()),
        _ => other.text.clone(),
    };
    other.clone().map(text)
}
