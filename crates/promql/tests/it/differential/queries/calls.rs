//! Calls of functions.

use rand::RngExt;

use super::{Operand, chance, duration, number, pick, range_of, scalar, selector, selector_of, vector};
use crate::differential::data::Kind;
use crate::generate::Rng;

pub(super) fn float_call(rng: &mut Rng, depth: u32) -> Operand {
    let inner = vector(rng, depth - 1);
    let plain = [
        "abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "sin", "cos", "tan", "asin", "acos",
        "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad", "round",
    ];
    let dates = ["year", "month", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute"];
    let text = match rng.random_range(0..12) {
        0 => format!("clamp({}, {}, {})", inner.text, number(rng), scalar(rng, depth - 1)),
        1 => format!("clamp_min({}, {})", inner.text, scalar(rng, depth - 1)),
        2 => format!("clamp_max({}, {})", inner.text, scalar(rng, depth - 1)),
        3 => format!("round({}, {})", inner.text, number(rng)),
        4 => format!("{}({} * 1e6)", pick(rng, &dates), inner.text),
        5 => format!("timestamp({})", inner.text),
        6 => format!("timestamp({})", selector(rng).text),
        _ => format!("{}({})", pick(rng, &plain), inner.text),
    };
    inner.float(text)
}

/// The functions of histograms, on native ones or on classic buckets.
pub(super) fn histogram_call(rng: &mut Rng, depth: u32) -> Operand {
    let classic = chance(rng, 30);
    let inner = if chance(rng, 8) {
        vector(rng, depth - 1)
    } else if classic {
        let name = if chance(rng, 80) { "latency_bucket" } else { "ragged_bucket" };
        let mut labels = vec!["job", "le"];
        if name == "latency_bucket" {
            labels.insert(0, "instance");
        }
        let text = match rng.random_range(0..4) {
            0 => name.to_owned(),
            1 => format!("rate({name}[5m])"),
            2 => format!("sum by (job, le) (rate({name}[{}]))", duration(rng)),
            _ => "{__name__=~\"latency|latency_bucket\"}".to_owned(),
        };
        Operand { text, labels, kind: Kind::Gauge }
    } else {
        let histograms = |kind: Kind| kind.is_histogram();
        match rng.random_range(0..5) {
            0 | 1 => selector_of(rng, histograms),
            2 | 3 => {
                let range = range_of(rng, histograms);
                let text = format!("{}({})", pick(rng, &["rate", "increase", "delta", "irate"]), range.text);
                range.map(text)
            }
            _ => {
                let one = selector_of(rng, histograms);
                let text = format!("sum by (job) ({})", one.text);
                Operand { text, labels: vec!["job"], kind: one.kind }
            }
        }
    };
    let quantile = pick(rng, &["0.5", "0.9", "0.99", "0", "1", "0.1", "-1", "2", "NaN"]);
    let bound = |rng: &mut Rng| pick(rng, &["0", "0.1", "1", "2.5", "-1", "-Inf", "Inf", "0.7", "NaN", "1e9"]);
    let text = match rng.random_range(0..10) {
        0..4 => format!("histogram_quantile({quantile}, {})", inner.text),
        4..6 => format!("histogram_fraction({}, {}, {})", bound(rng), bound(rng), inner.text),
        6 => format!("histogram_avg({})", inner.text),
        7 => format!("histogram_{}({})", pick(rng, &["count", "sum"]), inner.text),
        _ => format!("histogram_{}({})", pick(rng, &["stddev", "stdvar"]), inner.text),
    };
    Operand { text, kind: Kind::Gauge, ..inner }
}

pub(super) fn other_call(rng: &mut Rng, depth: u32) -> Operand {
    let inner = vector(rng, depth - 1);
    let label = if inner.labels.is_empty() { "job" } else { pick(rng, &inner.labels) };
    let text = match rng.random_range(0..10) {
        0 => {
            let (target, replacement) =
                pick(rng, &[("new", "$1-x"), ("job", "${1}"), ("new", ""), ("__name__", "n_$1")]);
            let pattern = pick(rng, &["(.).*", "(a).*", ".*", "([a-z]+):?.*", "(?P<one>.)(.*)"]);
            format!("label_replace({}, \"{target}\", \"{replacement}\", \"{label}\", \"{pattern}\")", inner.text)
        }
        1 => format!("label_join({}, \"new\", \"-\", \"{label}\", \"job\")", inner.text),
        2 => format!("sort({})", inner.text),
        3 => format!("sort_desc({})", inner.text),
        4 => format!("sort_by_label({}, \"{label}\")", inner.text),
        5 => format!("sort_by_label_desc({}, \"{label}\", \"job\")", inner.text),
        6 => format!("absent({})", inner.text),
        7 => format!("absent({}{{job=\"none\"}})", pick(rng, &["level", "odd", "errors_total"])),
        8 => {
            let wanted = pick(rng, &["", ", {region=\"eu\"}", ", {region=~\".+\"}", ", {version=\"1.2\"}"]);
            format!("info({}{wanted})", inner.text)
        }
        _ => format!("{}()", pick(rng, &["year", "month", "day_of_week", "hour", "minute", "days_in_month"])),
    };
    inner.map(text)
}
