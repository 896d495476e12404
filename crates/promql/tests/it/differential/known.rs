//! Where we follow Prometheus 3.14 and 3.5 does otherwise, as narrow as can be said; and how exact floats must be.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::compare::Tolerance;
use super::queries::Question;

/// Floats must agree to nine digits. Where values are subtracted from their mean or from each other the last bits of the
/// operands are what is left, and these depend on the order of additions, which Prometheus leaves to chance in places.
pub(super) fn tolerance(query: &str) -> Tolerance {
    let cancels = ["stddev", "stdvar", "deriv", "predict_linear"].iter().any(|name| query.contains(name));
    // These are not exact to the last bit in Go, nor here.
    let rounds = ["^", "exp", "ln", "log", "sqrt", "sin", "cos", "tan"].iter().any(|name| query.contains(name));
    if rounds && !cancels {
        return Tolerance { relative: 1e-9, absolute: 1e-14 };
    }
    // Seconds since 1970 leave few digits for their distances.
    if cancels && ["timestamp", "ts_of", "time()"].iter().any(|name| query.contains(name)) {
        return Tolerance { relative: 1e-3, absolute: 1e-6 };
    }
    if cancels { Tolerance { relative: 1e-6, absolute: 1e-12 } } else { Tolerance { relative: 1e-9, absolute: 0.0 } }
}

/// Annotations that say the same in other words: what to look for, what to put in its place, and why.
const TRANSLATIONS: &[(&str, &str, &str)] = &[
    (r#" for metric name """#, "", "3.7 leaves an unknown metric name away (#16794)"),
    (
        r#"(bucket label "le" is missing or has a malformed value of "[^"]*") for metric name "[^"]*""#,
        "$1",
        "3.7 names the metric only where names are removed late (#16794)",
    ),
    (
        r"(input to histogram_(quantile|fraction) has NaN observations.*) \(\d+:\d+\)$",
        "$1",
        "3.14 points at the vector, before it was the first argument",
    ),
    (
        r"(needed to be fixed for monotonicity .*), from buckets .* with a max diff of .* over .* samples from .*( \(\d)",
        "$1$2",
        "details since 3.10 (#15578)",
    ),
];

struct Known {
    /// Which queries, together with when they are asked (`When::Instant` or `When::Range`, written out).
    query: &'static str,
    /// Which lines of difference.
    difference: &'static str,
    /// Another line of difference, without which this is not it; may be empty.
    with: &'static str,
    /// Why.
    reason: &'static str,
}

const fn known(query: &'static str, difference: &'static str, with: &'static str, reason: &'static str) -> Known {
    Known { query, difference, with, reason }
}

/// Where custom bounds differ, one version or the other says so.
const RECONCILED: &str = "mismatched custom buckets were reconciled|incompatible custom buckets for";

/// Queries of histograms whose bounds differ.
const CUSTOM: &str = r"custom(_rebound|\.\*)";

/// Rates of histograms that come near zero, at any depth.
const RATE_NEAR_ZERO: &str =
    r"(rate|increase)\(.*(\((rate|increase|delta|irate|idelta)\(|rpc|gauge|mixed|custom(_rebound|\.\*))";

const KNOWN: &[Known] = &[
    known(
        "sort",
        "^warning only here: PromQL warning: sort is ineffective for range queries",
        "",
        "warned of since 3.12 (#18498)",
    ),
    known(
        CUSTOM,
        "^(warning only there: PromQL warning: vector contains histograms with incompatible custom buckets\
         |info only here: PromQL info: mismatched custom buckets were reconciled)",
        "",
        "custom buckets with other bounds are reconciled since 3.8 (#17278)",
    ),
    known(CUSTOM, "", RECONCILED, "custom buckets with other bounds are reconciled since 3.8 (#17278)"),
    known(r"resets\(custom(_rebound|\.\*)", "^value", "", "other bounds alone are no reset since 3.8 (#17278)"),
    known(
        CUSTOM,
        "^status: execution: (vector cannot contain metrics with the same labelset|multiple matches|found duplicate)",
        "",
        "custom buckets with other bounds are reconciled since 3.8 (#17278), so that there are more series to collide",
    ),
    known(RATE_NEAR_ZERO, "^(smaller histogram|value): ", "", "no extrapolation below zero since 3.6 (#16828)"),
    known(
        "",
        "^warning only here: PromQL warning: conflicting counter resets during histogram",
        "",
        "warned of since 3.7 (#17051, #17094)",
    ),
    known(
        r"histogram_(count|sum|avg)\(.*mixed",
        "^warning only here: PromQL warning: vector contains a mix of histograms with exponential and custom",
        "",
        "also noticed where only count and sum are read since 3.12 (#18660)",
    ),
    known(
        r"histogram_(count|sum|avg)\(.*mixed",
        "^(series only there|times|value|warning only there: PromQL warning: this native histogram metric is not a gauge\
         |status: .* of 0 series against execution)",
        "",
        "also noticed where only count and sum are read since 3.12 (#18660)",
    ),
    known(
        r"histogram_(count|sum|avg)\(.*mixed",
        "^series only here",
        "^warning only here: PromQL warning: vector contains a mix of histograms with exponential and custom",
        "also noticed where only count and sum are read since 3.12 (#18660)",
    ),
    known(
        r"(sum|avg).*mixed.*Range\(",
        "^warning only (here|there): PromQL warning: vector contains a mix of histograms with exponential and custom",
        "",
        "depends on whether a float or a histogram comes first, and Prometheus' binary operators give no order",
    ),
    known(
        r"mad_over_time\(",
        "^(value|times|series only)",
        "",
        "NaN among the samples makes the deviation NaN since 3.14 (#19040)",
    ),
    known(
        r"histogram_fraction\(.*(_bucket|latency\.\*|latency\|)",
        "^(value|times|series only)",
        "",
        "a bound in the first bucket of a classic histogram no longer gives NaN since 3.8 (#17424)",
    ),
    known(
        r"info\(",
        "",
        "",
        "info() confused series where one has no sample at a step until 3.8 (#17199, #17817, #17898)",
    ),
    known(
        r"last_over_time\(\(",
        "^(series only|status: execution: vector cannot contain metrics with the same labelset)",
        "",
        "names that the subquery dropped stay dropped since 3.12 (#18409)",
    ),
    known(
        "",
        "^status: .* against execution: vector cannot contain metrics with the same labelset",
        "",
        "series that never meet at a step may share labels since 3.9 (#17678, #17703, #17708)",
    ),
    known(
        "topk|bottomk|limitk",
        "^status: execution: (Parameter value is NaN|Scalar value .* (over|under)flows int64) against",
        "",
        "refused even where no series is selected since 3.6 (#16725)",
    ),
    known(
        "topk|bottomk|limitk",
        "^status: .* against execution: Scalar value NaN overflows int64",
        "",
        "3.5 takes a parameter for NaN that is none: its samples were given back before they were read",
    ),
    known(
        "sort_by_label.*(__name__=~| or )",
        "^order",
        "",
        "Prometheus' natural order says nothing of series without the label: they stay where its sort finds them",
    ),
    known(
        r"avg .* / 0",
        r"^value: .* Histogram \{ count: -?inf, .* against Histogram \{ count: NaN",
        "",
        "infinite histograms are averaged by another formula since 3.10 (#15687)",
    ),
    known(
        r"(stddev|stdvar) .* (==|!=|<|>|<=|>=) ",
        "^(times|series only|value)",
        "",
        "the last bits of these depend on the order of additions, which Prometheus leaves to chance",
    ),
    known(
        r" - |\* |/ |-\(",
        "^warning only (here: PromQL warning: this native histogram metric is not a counter\
         |there: PromQL warning: this native histogram metric is not a gauge)",
        "",
        "differences and negative multiples of histograms are gauges since 3.7 (#17004)",
    ),
    known(
        r"(==|!=).*-\(custom|-\(custom.*(==|!=)",
        r"^value: .* Float\([01].0\) against Float\([01].0\)",
        "",
        "multiplied by -1 the unused zero count of custom buckets becomes -0, which Prometheus' comparison sees",
    ),
    known(
        r"custom.* \* -.*(==|!=).*custom.* \* -",
        "^(series only (here|there)|times)",
        "",
        "multiplied by -1 the unused zero count of custom buckets becomes -0, which Prometheus' comparison sees",
    ),
    known(
        r"delta\(.*(rpc|gauge|mixed|custom).*\[[^\]]*:",
        "^(value|smaller histogram): .* Histogram .* against Histogram",
        "",
        "until 3.6 the first histogram of a window in a subquery was changed for good when another resolution was \
         subtracted: its buckets no longer add up to its count (#16879)",
    ),
    known(
        "==|!=|<|>",
        "^status: execution: multiple matches for labels: many-to-one matching must be explicit .* against (vector|matrix)",
        "",
        "also refused where the comparison keeps none of the pairs since 3.9 (#17668)",
    ),
    known(
        r"histogram_.*histogram_",
        "^warning only there: PromQL warning: bucket label",
        "",
        "the same text twice is one annotation, and both have the same text since 3.7 (#16794)",
    ),
    known(
        r"\[[^\]]*:.*Range\(",
        "^(warning|info) only there",
        "",
        "a subquery is not evaluated beyond the last step of the query since 3.13 (#18081)",
    ),
    known(r"(ln|log10)\(.*odd", "^value", "", "Go's logarithm of subnormal numbers is wrong on amd64"),
    known("odd.*atan2|atan2.*odd", "^value", "", "Go's atan2 loses the sign of a quotient too small for a number"),
    known(
        r"(sin|cos|tan|year|month|day_of_week|hour|minute)\(.*(\^|\* |exp|sinh|cosh|quantile)|% ",
        "^value",
        "",
        "the sine, the hour or the remainder of a huge number has no digit that survives a rounding error",
    ),
    known(
        "quantile",
        r"^value: .* Float\(-?0.0\) against Float\(-?0.0\)",
        "",
        "which of 0 and -0 comes first is left to Go's unstable sort",
    ),
    known(
        r"timestamp\(([^()]*|[^()]*\([^()]*\)[^()]*) (offset .* @|@ .* offset)",
        "^(series only|times|value|status: execution: vector cannot contain metrics with the same labelset against)",
        "",
        "with @, Prometheus forgets the offset below timestamp(): we do not, as its answer then depends on the rest of the query",
    ),
    known(
        CUSTOM,
        "^info only here: PromQL info: ignored histogram in",
        "",
        "custom buckets with other bounds are reconciled since 3.8 (#17278), so that there are more histograms to ignore",
    ),
    known(
        r"custom_rebound.* [-+] | [-+] .*custom_rebound",
        "^(series only here|times)",
        "",
        "custom buckets with other bounds are reconciled since 3.8 (#17278); of the notices only the last remains",
    ),
    known(r"odd.*\^|\^.*odd", "^value", "", "Go's power takes the wrong logarithm of subnormal numbers on amd64"),
    known(
        r"@ [^\[]*\)\[[^\]]*\][^\[]*@ [^\[]*\)\[",
        "^(series only|times|value)",
        "",
        "@ below @ below a subquery: Prometheus reads at another time where both subqueries happen to start together",
    ),
    known(
        r"histogram_(count|sum|avg)\(.*(rpc|gauge|mixed|custom(_rebound|\.\*))",
        "^(series only|times|value)",
        "",
        "where buckets are not read, resets are found by the count alone; which selectors that concerns changed in 3.6 and 3.7",
    ),
    known(
        r"(resets|changes)\(\(.*(avg|sum|rate|increase|delta)",
        "^value",
        "",
        "the last bit of a sum or a quotient decides",
    ),
    known(
        r"histogram_(count|sum|avg)\(.*mixed",
        "^warning only there: PromQL warning: encountered a mix of histograms and floats for aggregation",
        "",
        "a mix of bucket kinds ends an aggregation before its floats, also where only count and sum are read since 3.12 (#18660)",
    ),
    known(
        r"(max|min) .*Range\(",
        r"^value: .* Float\(-?0.0\) against Float\(-?0.0\)",
        "",
        "the first of 0 and -0 stays, and Prometheus' binary operators give no order",
    ),
    known(
        r"(sinh|cosh)\(",
        r"^value: .*(inf|NaN)",
        "",
        "Go's sinh and cosh are infinite from 709.8 on, the largest number is reached at 710.5",
    ),
    known(
        r"histogram_(count|sum|avg)\(.* [-+] ",
        "^warning only there: PromQL warning: incompatible bucket layout",
        "",
        "3.5 leaves out the buckets of the first selector only, since 3.7 those of all",
    ),
];

static COMPILED: LazyLock<Vec<[Regex; 3]>> = LazyLock::new(|| {
    for known in KNOWN {
        assert!(!known.reason.is_empty(), "{}", known.difference);
    }
    KNOWN.iter().map(|k| [k.query, k.difference, k.with].map(|pattern| Regex::new(pattern).unwrap())).collect()
});

static PATTERNS: LazyLock<Vec<(Regex, &str)>> =
    LazyLock::new(|| TRANSLATIONS.iter().map(|(from, to, _)| (Regex::new(from).unwrap(), *to)).collect());

/// The differences that are not expected of this question.
pub(super) fn unexplained(question: &Question, found: &[String]) -> Vec<String> {
    let asked = format!("{} {:?}", question.query, question.when);
    let is_known = |line: &String| {
        COMPILED.iter().any(|[query, difference, with]| {
            query.is_match(&asked) && difference.is_match(line) && found.iter().any(|other| with.is_match(other))
        })
    };
    found.iter().filter(|line| !is_known(line)).cloned().collect()
}

/// An annotation in words that are the same for both versions.
pub(super) fn translated(text: &str) -> String {
    PATTERNS
        .iter()
        .fold(Cow::Borrowed(text), |text, (from, to)| Cow::Owned(from.replace_all(&text, *to).into_owned()))
        .into_owned()
}
